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

/**
 * The session as it is now, for the book; to be asked before anything is signed, too. Throws `expired` if it was
 * forgotten or replaced while its request waited; `busy` if the machine is one of too many new ones: secrets are written
 * down with whose they are, so that made-up machines would fill the disk and push out those that are.
 */
export function ownerOf(deps: RouteDeps, sessionId: number): SessionOwner {
  const session = deps.journal.sessionById(sessionId);
  const machine = session === undefined ? undefined : deps.journal.keepRecord(session.mac);
  if (machine === 'full') {
    deps.journal.count('http.too-many-new-machines');
    throw new TinderboxError('busy', 'too many new machines came at once', {
      remedy: 'Ask again; machines that have an entry in machines.yaml need not wait.',
    });
  }
  if (session === undefined || machine === undefined || session.end === 'superseded') {
    throw new TinderboxError(
      'expired',
      'this boot session is over, since the machine has started another one',
    );
  }
  return { session, machine };
}
