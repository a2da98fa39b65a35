import { type TinderboxError, toTinderboxError } from './errors.ts';
import type { NetworkInterface } from './net/port.ts';

/** One that is open. */
export interface OpenDoor {
  /** It is no longer wanted. Resolves when the port is free; what runs may go on where it can. */
  leave(): Promise<void>;
  /** The daemon ends: resolves when what runs has ended, too. */
  stop(): Promise<void>;
  /** Whether it is still right for the interface as it is now; absent: its key says all. */
  fits?(now: NetworkInterface): boolean;
}

export interface WantedDoor {
  /** Two that have the same are the same: one that is open already stays as it is. */
  readonly key: string;
  /** Throws TinderboxError. */
  open(): Promise<OpenDoor>;
}

/** Doors of one kind, on one interface. */
export interface KeptDoors {
  /**
   * Closes what is not wanted any more, opens what is missing; returns what could not be opened or closed. What could not
   * be closed is tried again at the next turn.
   */
  follow(now: NetworkInterface | undefined): Promise<readonly TinderboxError[]>;
  count(): number;
  stop(): Promise<void>;
}

/** Nothing is reopened that need not be: who is being served on a door that stays notices nothing. */
export function keepDoors(wantedFor: (now: NetworkInterface) => readonly WantedDoor[]): KeptDoors {
  const open = new Map<string, OpenDoor>();
  const leaving = new Set<OpenDoor>();
  return {
    async follow(now) {
      const wanted = now === undefined ? [] : wantedFor(now);
      for (const [key, door] of open) {
        const stays = wanted.some((one) => one.key === key);
        if (stays && now !== undefined && door.fits?.(now) !== false) continue;
        open.delete(key);
        leaving.add(door);
      }
      const refused: TinderboxError[] = [];
      for (const door of leaving) {
        try {
          await door.leave();
          leaving.delete(door);
        } catch (thrown) {
          refused.push(toTinderboxError(thrown));
        }
      }
      for (const one of wanted) {
        if (open.has(one.key)) continue;
        try {
          open.set(one.key, await one.open());
        } catch (thrown) {
          refused.push(toTinderboxError(thrown));
        }
      }
      return refused;
    },
    count: () => open.size,
    async stop() {
      await Promise.all([...open.values(), ...leaving].map((door) => door.stop()));
      open.clear();
      leaving.clear();
    },
  };
}
