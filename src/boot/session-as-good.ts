import { isDeepStrictEqual } from 'node:util';
import type { BootSession } from '../machine/session.ts';

/** By how much a session's script may be older after a restart. In ms. */
const SCRIPT_AGE = 10_000;

/** What changes with every packet, and decides nothing for the machine that comes back to a daemon started anew. */
const PASSING: ReadonlySet<string> = new Set(['updatedAt', 'stageTimes', 'scriptAt']);

/** Whether a daemon that finds `stored` when it starts serves the machine as it would with `session`. */
export function isAsGood(stored: BootSession | undefined, session: BootSession | undefined): boolean {
  if (stored === session) return true;
  if (stored === undefined || session === undefined || stored.id !== session.id) return false;
  if (Math.abs((session.scriptAt ?? 0) - (stored.scriptAt ?? 0)) > SCRIPT_AGE) return false;
  return holdsAll(stored, session) && holdsAll(session, stored);
}

function holdsAll(one: BootSession, other: BootSession): boolean {
  for (const name in one) {
    if (PASSING.has(name)) continue;
    const value: unknown = one[name as keyof BootSession];
    const beside: unknown = other[name as keyof BootSession];
    if (value !== beside && !(typeof value === 'object' && isDeepStrictEqual(value, beside))) return false;
  }
  return true;
}
