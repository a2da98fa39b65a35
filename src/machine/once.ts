import type { Mac } from './mac.ts';

/** What became of a `once:` of machines.yaml, which stays there as it was written. Times in ms since the epoch. */
export interface OnceUse {
  readonly mac: Mac;
  /** The role that was to be booted once; a `once:` of another role is another one. */
  readonly role: string;
  /** When it was booted first. */
  readonly since: number;
  /** Boots that were begun, with the one that is under way. */
  readonly tries: number;
  /** The session of the newest of them. */
  readonly sessionId?: number;
  /** When it succeeded: it is used up. */
  readonly doneAt?: number;
  /** Whether it succeeded is not known: the database that knew is lost, or was put back from a backup. */
  readonly isUnknown?: true;
}

export interface OnceUses {
  useOf(mac: Mac): OnceUse | undefined;
  /** The boot that was begun last goes on. */
  isUnderWay(mac: Mac): boolean;
}

export const NO_USES: OnceUses = { useOf: () => undefined, isUnderWay: () => false };
