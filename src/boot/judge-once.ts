import type { Mac } from '../machine/mac.ts';
import type { OnceUses } from '../machine/once.ts';
import type { MachineEntry } from '../machine/role.ts';

/** So many boots may try; what did not succeed by then needs a person, not another disk wiped. */
export const ONCE_TRIES = 3;

/** How it stands with the `once:` of an entry. */
export interface OnceChoice {
  readonly role: string;
  /** next: its next boot; underWay: it boots so now; used: it succeeded; spent: it did not, or nobody knows. */
  readonly state: 'next' | 'underWay' | 'used' | 'spent';
  /** Boots that were begun. */
  readonly tries: number;
  /** Milliseconds since the epoch, of `used`. */
  readonly usedAt?: number;
  /** Whether it succeeded is not known. */
  readonly isUnknown?: true;
}

/** Undefined for an entry without one. What is known of another role's says nothing of this one. */
export function judgeOnce(
  entry: Pick<MachineEntry, 'mac' | 'once'> | undefined,
  uses: OnceUses,
): OnceChoice | undefined {
  if (entry?.once === undefined) return undefined;
  const { mac, once: role } = entry;
  const use = uses.useOf(mac);
  if (use === undefined || use.role !== role) return { role, state: 'next', tries: 0 };
  const { tries, doneAt } = use;
  if (doneAt !== undefined) return { role, state: 'used', tries, usedAt: doneAt };
  if (use.isUnknown === true) return { role, state: 'spent', tries, isUnknown: true };
  if (uses.isUnderWay(mac)) return { role, state: 'underWay', tries };
  return { role, state: tries < ONCE_TRIES ? 'next' : 'spent', tries };
}

/** For reasons: what it means for the machine's boot. */
export function explainOnce({ state, tries, usedAt = 0, isUnknown }: OnceChoice): string {
  switch (state) {
    case 'next': {
      const before = tries === 0 ? '' : `, since ${boots(tries)} did not succeed`;
      return `boot ${tries + 1} of ${ONCE_TRIES}${before}`;
    }
    case 'underWay':
      return `boot ${tries} of ${ONCE_TRIES}, which is under way`;
    case 'used':
      return `used up: it succeeded at ${new Date(usedAt).toISOString()}`;
    case 'spent':
      return isUnknown === true
        ? 'whether it succeeded is not known: the database that knew is lost, or was put back from a backup'
        : `${boots(tries)} did not report success`;
    default:
      return state satisfies never;
  }
}

/** For the screen of a machine that boots it no more by itself. */
export function spentMessage({ role, tries, isUnknown }: OnceChoice, mac: Mac): string {
  const why =
    isUnknown === true
      ? `whether it booted ${role} already is not known`
      : `once: ${role} did not succeed in ${boots(tries)}`;
  return `This machine waits, ${why}. To boot it again: tinderbox assign ${mac} ${role} --once; else: tinderbox assign ${mac} --no-once`;
}

function boots(count: number): string {
  return count === 1 ? '1 boot' : `${count} boots`;
}
