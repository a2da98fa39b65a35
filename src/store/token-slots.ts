import type { Mac } from '../machine/mac.ts';
import type { BootSession } from '../machine/session.ts';
import { newSlot, type SessionSlot } from './machine-table.ts';

/** The sessions of signing tokens, one a machine, beside the machines' boot sessions. */
export interface TokenSlots {
  of(mac: Mac): SessionSlot | undefined;
  /** The machine's own, or an empty one. Undefined: so many machines have a token that is valid. */
  make(mac: Mac, at: number): SessionSlot | undefined;
  remove(mac: Mac): void;
}

/** `dropped`: called with each session that goes. */
export function createTokenSlots(limit: number, dropped: (session: BootSession) => void): TokenSlots {
  const slots = new Map<Mac, SessionSlot>();

  function remove(mac: Mac): void {
    const session = slots.get(mac)?.session;
    slots.delete(mac);
    if (session !== undefined) dropped(session);
  }

  function dropExpired(at: number): void {
    for (const [mac, { session }] of slots) {
      if (session?.signingUntil === undefined || session.signingUntil <= at) remove(mac);
    }
  }

  return {
    of: (mac) => slots.get(mac),
    make(mac, at) {
      const known = slots.get(mac);
      if (known !== undefined) return known;
      if (slots.size >= limit) dropExpired(at);
      if (slots.size >= limit) return undefined;
      const slot = newSlot();
      slots.set(mac, slot);
      return slot;
    },
    remove,
  };
}
