import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TinderboxError, toTinderboxError } from '../../errors.ts';
import { clientOf, cookieName, isEncrypted } from '../access/guard.ts';
import { type LoginSessions, MOST_AGE } from '../access/login-sessions.ts';
import { ownPath } from '../access/own-path.ts';
import type { TokenCheck } from '../access/token-check.ts';
import type { AuditRecord } from '../audit-api.ts';
import type { AdminAccess } from '../port.ts';
import { problemOf } from '../problem.ts';

export interface LoginOptions {
  readonly access: AdminAccess | undefined;
  readonly sessions: LoginSessions;
  readonly tokens: TokenCheck;
  readonly record: (record: AuditRecord) => void;
  readonly clock: () => number;
  /** The form once more, with what was wrong. Absent: a problem document. */
  readonly showLogin?: (
    reply: FastifyReply,
    view: { readonly next: string; readonly failed: string },
  ) => FastifyReply;
}

/** A token is typed once, and becomes a cookie. */
export async function addLoginRoutes(app: FastifyInstance, options: LoginOptions): Promise<void> {
  const { sessions } = options;
  await app.register(async (forms) => {
    // In here only: with forms elsewhere, pages of other origins could send what the API takes.
    await forms.register(formbody);
    forms.post('/login', (request, reply) => logIn(options, request, reply));
    forms.post('/logout', (request, reply) => {
      const cookie = request.cookies[cookieName(isEncrypted(request.raw))];
      if (cookie !== undefined) sessions.close(cookie);
      return reply
        .clearCookie(cookieName(isEncrypted(request.raw)), cookieOptions(request))
        .redirect('/login', 303);
    });
  });
}

function logIn(options: LoginOptions, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { access, sessions, tokens, record, clock, showLogin } = options;
  const { token, next } = (request.body ?? {}) as { readonly token?: unknown; readonly next?: unknown };
  const { address } = clientOf(request);
  try {
    if (access === undefined) throw new TinderboxError('unauthenticated', 'nobody can sign in here');
    tokens.require(typeof token === 'string' && access.token.matches(token.trim()), address);
  } catch (thrown) {
    const error = toTinderboxError(thrown);
    if (showLogin === undefined || request.headers.accept?.includes('text/html') !== true) throw error;
    if (error.retryAfter !== undefined) void reply.header('retry-after', error.retryAfter);
    void reply.code(problemOf(error).status);
    return showLogin(reply, { next: ownPath(next), failed: error.message });
  }
  const actor = { name: 'token', via: 'page', address } as const;
  record({ at: clock(), actor, action: 'login', outcome: 'done', detail: 'signed in with the token' });
  const name = cookieName(isEncrypted(request.raw));
  const former = request.cookies[name];
  if (former !== undefined) sessions.close(former);
  return reply
    .setCookie(name, sessions.open(), { ...cookieOptions(request), maxAge: MOST_AGE / 1_000 })
    .redirect(ownPath(next), 303);
}

function cookieOptions(request: FastifyRequest) {
  return { path: '/', httpOnly: true, sameSite: 'strict', secure: isEncrypted(request.raw) } as const;
}
