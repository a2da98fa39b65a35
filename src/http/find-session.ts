import type { EventKind } from '../machine/event.ts';
import type { BootSession } from '../machine/session.ts';
import { type Answer, type BootRequest, originOf, type RouteDeps, refuse } from './answer.ts';

export type FoundSession =
  | { readonly kind: 'session'; readonly session: BootSession; readonly notes: readonly string[] }
  | { readonly kind: 'refused'; readonly answer: Answer };

/**
 * The session that a URL's token names. Refuses (and records) an unknown token, a session that a newer boot of the
 * machine replaced, and under `strictAddress` another address than the one that fetched `/ipxe`; without it the
 * other address is a note, since the operating system may well get another one than iPXE had.
 */
export function findSession(
  deps: RouteDeps,
  request: BootRequest,
  kind: EventKind,
  token: string,
): FoundSession {
  const id = deps.sessionTokens.resolve(token);
  const session = id === undefined ? undefined : deps.journal.sessionById(id);
  const refused = (status: number, line: string, count: string, reason: string): FoundSession => {
    const mac =
      session?.mac ?? (request.remote === undefined ? undefined : deps.journal.macAt(request.remote));
    deps.journal.count(count);
    deps.journal.record({
      ...originOf(deps, request),
      kind,
      outcome: 'refused',
      answered: String(status),
      reasons: [reason],
      ...(mac === undefined ? {} : { mac }),
    });
    return { kind: 'refused', answer: refuse(status, line) };
  };

  if (session === undefined) {
    return refused(
      404,
      'no such boot session; power the machine off and on, so that it gets a new one',
      'http.unknown-session',
      'no boot session has this URL: it was never given out, or is forgotten',
    );
  }
  if (session.end === 'superseded' && session.signingUntil !== undefined) {
    return refused(
      410,
      'this signing token is void, since a newer one was made for the machine',
      'http.superseded-session',
      `the signing token of session ${session.id} was replaced by a newer one`,
    );
  }
  if (session.end === 'superseded') {
    return refused(
      410,
      'this boot session is over, since the machine has started another one',
      'http.superseded-session',
      `the URL is of session ${session.id}, which a newer boot of this machine replaced`,
    );
  }
  if (session.address === undefined || session.address === request.remote) {
    return { kind: 'session', session, notes: [] };
  }
  const other = 'asked from another address than the one that fetched the script';
  if (deps.strictAddress) {
    return refused(
      403,
      'this boot session belongs to another address; see strictAddress in tinderbox.yaml',
      'http.other-address',
      `${other}, and strictAddress is on`,
    );
  }
  deps.journal.count('http.other-address');
  return { kind: 'session', session, notes: [other] };
}
