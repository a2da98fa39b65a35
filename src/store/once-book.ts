import type { Mac } from '../machine/mac.ts';
import type { OnceUse } from '../machine/once.ts';
import type { Catalog } from '../machine/role.ts';
import type { BootSession } from '../machine/session.ts';
import { stageReached } from '../machine/stage.ts';
import type { OnceBook, Store } from './port.ts';

export interface OnceBookOptions {
  readonly store: Pick<Store, 'putOnceUse' | 'dropOnceUse' | 'holdOnceUses'>;
  readonly uses: readonly OnceUse[];
  readonly sessionOf: (mac: Mac) => BootSession | undefined;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly failed: (mac: Mac, error: unknown) => void;
}

/**
 * A `once:` that is gone for less was not removed: an editor that writes a file anew, or a working copy that is updated,
 * leaves it without its lines for a moment. Forgetting it then would have the disk wiped again. In ms.
 */
const GRACE = 10_000;

/**
 * In the same session, a script that is asked for so long after one whose files were fetched is that of another boot:
 * an iPXE that boots as the ROM of its card shows no reset. One that tries a failed download again asks sooner. In ms.
 */
const ANOTHER_BOOT = 60_000;

export function createOnceBook(options: OnceBookOptions): OnceBook {
  const { store, sessionOf, clock, failed } = options;
  const uses = new Map<Mac, OnceUse>(options.uses.map((use) => [use.mac, use]));
  /** Since when the `once:` of a use is not in the catalog. */
  const leftAt = new Map<Mac, number>();
  /** What is not on disk yet, or could not be written. */
  const writing = new Map<Mac, Promise<void>>();
  const unwritten = new Set<Mac>();

  function set(use: OnceUse): void {
    uses.set(use.mac, use);
    write(use.mac, () => store.putOnceUse(use));
  }

  function remove(mac: Mac): boolean {
    const had = uses.delete(mac);
    leftAt.delete(mac);
    write(mac, () => store.dropOnceUse(mac));
    return had;
  }

  /** The store keeps the order of calls, so the newest one is what `written` waits for. */
  function write(mac: Mac, put: () => Promise<void>): void {
    unwritten.delete(mac);
    const written = put()
      .catch((error: unknown) => {
        if (writing.get(mac) === written) unwritten.add(mac);
        failed(mac, error);
        throw error;
      })
      .finally(() => {
        if (writing.get(mac) === written) writing.delete(mac);
      });
    writing.set(mac, written);
    // Who waits for it hears of it; where nobody does, `failed` has said it.
    written.catch(() => undefined);
  }

  function isUnderWay(mac: Mac): boolean {
    const { sessionId, doneAt } = uses.get(mac) ?? {};
    if (sessionId === undefined || doneAt !== undefined) return false;
    const session = sessionOf(mac);
    return session?.id === sessionId && session.end === undefined;
  }

  /** Whatever role the session has: its `once:` may be a menu, of which a person chose. */
  function isTrying({ id, mac }: BootSession): OnceUse | undefined {
    const use = uses.get(mac);
    return use?.sessionId === id && use.doneAt === undefined ? use : undefined;
  }

  return {
    useOf: (mac) => uses.get(mac),
    isUnderWay,
    arrives(mac, at) {
      const use = uses.get(mac);
      const session = sessionOf(mac);
      if (use === undefined || session === undefined || !isUnderWay(mac)) return;
      if (!isAnotherBoot(session, at)) return;
      const { sessionId: _former, ...rest } = use;
      uses.set(mac, rest);
    },
    tries(role, session) {
      const { mac, id, end } = session;
      const use = uses.get(mac);
      const known = use?.role === role && use.doneAt === undefined ? use : undefined;
      // Whoever asks twice in one boot tries once.
      if (known?.sessionId === id && end === undefined) return;
      const now = clock();
      set({
        mac,
        role,
        since: known?.since ?? now,
        // A menu's choice may end the session that the menu began.
        tries: (known?.tries ?? 0) + (known?.sessionId === id ? 0 : 1),
        sessionId: id,
        ...(end === undefined ? {} : { doneAt: now }),
      });
    },
    succeeds(session) {
      const use = isTrying(session);
      if (use === undefined) return false;
      set({ ...use, doneAt: clock() });
      return true;
    },
    ended(session) {
      const use = session.end === 'ready' || session.end === 'booted' ? isTrying(session) : undefined;
      if (use !== undefined) set({ ...use, doneAt: clock() });
    },
    async written(mac) {
      const use = uses.get(mac);
      if (unwritten.has(mac))
        write(mac, () => (use === undefined ? store.dropOnceUse(mac) : store.putOnceUse(use)));
      await writing.get(mac);
    },
    async renew(mac) {
      const had = remove(mac);
      await writing.get(mac);
      return had;
    },
    follow({ machines }) {
      const now = clock();
      for (const { mac, role } of uses.values()) {
        if (machines.get(mac)?.once !== role) {
          if (!leftAt.has(mac)) leftAt.set(mac, now);
          continue;
        }
        const left = leftAt.get(mac);
        leftAt.delete(mac);
        if (left !== undefined && Math.abs(now - left) >= GRACE) remove(mac);
      }
    },
    async hold({ machines }) {
      const since = clock();
      const held = [...machines.values()].flatMap(({ mac, once: role }): OnceUse[] => {
        if (role === undefined) return [];
        const use = uses.get(mac);
        if (use?.role === role && use.doneAt !== undefined) return [];
        return [{ since, ...(use?.role === role ? use : { tries: 0 }), mac, role, isUnknown: true }];
      });
      for (const use of held) uses.set(use.mac, use);
      await store.holdOnceUses(held);
      return held.map(({ mac }) => mac);
    },
  };
}

function isAnotherBoot({ stage, scriptAt, failedAt }: BootSession, at: number): boolean {
  if (scriptAt === undefined) return false;
  if (failedAt !== undefined && failedAt >= scriptAt) return true;
  return stageReached(stage, 'kernel') && at - scriptAt >= ANOTHER_BOOT;
}

/** At the start: uses whose `once:` went while no daemon ran are dropped; what is left is to be known. */
export function usesInForce(
  uses: readonly OnceUse[],
  { machines }: Pick<Catalog, 'machines'>,
): { readonly kept: readonly OnceUse[]; readonly gone: readonly Mac[] } {
  const kept = uses.filter(({ mac, role }) => machines.get(mac)?.once === role);
  return { kept, gone: uses.filter((use) => !kept.includes(use)).map(({ mac }) => mac) };
}
