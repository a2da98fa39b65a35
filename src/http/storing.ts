import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { SessionOwner } from '../store/port.ts';
import type { RouteDeps } from './answer.ts';

/** What the store refuses, as `unavailable`: nothing that its client could have done otherwise. */
export async function storing<T>(job: () => Promise<T>): Promise<T> {
  try {
    return await job();
  } catch (thrown) {
    const { message, remedy } = toTinderboxError(thrown);
    throw new TinderboxError('unavailable', message, {
      cause: thrown,
      ...(remedy === undefined ? {} : { remedy }),
    });
  }
}

/** The session as it is now, for the book. Throws `expired` if it was forgotten or replaced while its request waited. */
export function ownerOf(deps: RouteDeps, sessionId: number): SessionOwner {
  const session = deps.journal.sessionById(sessionId);
  const machine = session === undefined ? undefined : deps.journal.machine(session.mac);
  if (session === undefined || machine === undefined || session.end === 'superseded') {
    throw new TinderboxError(
      'expired',
      'this boot session is over, since the machine has started another one',
    );
  }
  return { session, machine };
}
