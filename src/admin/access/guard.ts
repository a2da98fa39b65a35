import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TinderboxError } from '../../errors.ts';
import type { Actor } from '../audit-api.ts';
import type { AdminAccess } from '../port.ts';
import { HEALTH_PATH } from '../routes/health.ts';
import { runAs } from './current-actor.ts';
import { isKnownHost } from './known-host.ts';
import type { LoginSession, LoginSessions } from './login-sessions.ts';
import { isFromElsewhere, isSafe, isSameText } from './same-origin.ts';
import { securityHeaders } from './security-headers.ts';
import type { TokenCheck } from './token-check.ts';

/** Who asks, as far as the guard let them in. */
export interface Visitor {
  readonly actor: Actor;
  /** For forms of the page, as the hidden field `_csrf`, or the header `x-csrf-token`; empty where none is needed. */
  readonly csrfToken: string;
  readonly session?: LoginSession;
}

export interface GuardOptions {
  /** Absent: nobody comes in by TCP. */
  readonly access: AdminAccess | undefined;
  readonly sessions: LoginSessions;
  readonly tokens: TokenCheck;
  /** Says of a connection that its door lets nobody in who may not ask. */
  readonly isTrusted: (socket: Socket) => boolean;
}

/** `__Host-`: no other host or path can have set it. Browsers take that only under TLS. */
export function cookieName(encrypted: boolean): string {
  return encrypted ? '__Host-tinderbox' : 'tinderbox';
}

export function isEncrypted({ socket }: IncomingMessage): boolean {
  return (socket as Partial<TLSSocket>).encrypted === true;
}

/** Of a form that has no script to send the header. */
export const CSRF_FIELD = '_csrf';

const visitors = new WeakMap<FastifyRequest, Visitor>();

/** Throws `unauthenticated` where nobody had to say who they are. */
export function visitorOf(request: FastifyRequest): Visitor {
  const found = visitors.get(request);
  if (found === undefined) throw notSignedIn();
  return found;
}

/** For views: where nobody has signed in, there is no form that needs one. */
export function csrfTokenOf(request: FastifyRequest): string {
  return visitors.get(request)?.csrfToken ?? '';
}

/**
 * Who may ask, in hooks before every route: the right name of this server, then who it is, then whether a page of
 * another origin is behind it. What is done for a request is done by that actor. Needs the cookie plugin.
 */
export function addGuard(app: FastifyInstance, options: GuardOptions): void {
  const { access, isTrusted } = options;

  app.addHook('onRequest', async (request, reply) => {
    const { raw, headers } = request;
    // On the answer itself: a stream is written past Fastify.
    for (const [name, value] of Object.entries(securityHeaders(isEncrypted(raw))))
      reply.raw.setHeader(name, value);
    const path = request.routeOptions.url;
    if (path === HEALTH_PATH) return;
    const bySocket = isTrusted(raw.socket);
    if (!isKnownHost(headers.host, { names: access?.names ?? [], bySocket })) throw wrongHost(headers.host);
    if (!isSafe(request.method) && isFromElsewhere(headers, isEncrypted(raw))) throw fromElsewhere();
    if (isOpen(path)) return;
    const visitor = bySocket ? await fromSocket(raw.socket, access) : await fromNetwork(request, options);
    if (visitor === undefined) return refuseStranger(request, reply);
    visitors.set(request, visitor);
    // A stream must not outlive what let it in.
    if (bySocket) return;
    const end = (): void => void (reply.raw.headersSent && raw.socket.destroy());
    const forgetEnd = visitor.session?.whenEnded(end) ?? options.sessions.whenAllEnd(end);
    reply.raw.once('close', forgetEnd);
  });

  // After the body was read: a form has it as a field.
  app.addHook('preValidation', async (request) => {
    const visitor = visitors.get(request);
    if (visitor?.session === undefined || isSafe(request.method)) return;
    const fields = (request.body ?? {}) as Readonly<Record<string, unknown>>;
    if (isSameText(request.headers['x-csrf-token'] ?? fields[CSRF_FIELD], visitor.csrfToken)) return;
    throw fromElsewhere();
  });

  app.addHook('preHandler', (request, _reply, done) => {
    const visitor = visitors.get(request);
    if (visitor === undefined) done();
    else runAs(visitor.actor, done);
  });
}

/** What whoever signs in needs before. */
function isOpen(path: string | undefined): boolean {
  return path === '/login' || path?.startsWith('/static/') === true;
}

async function fromSocket(socket: Socket, access: AdminAccess | undefined): Promise<Visitor> {
  const name = (await access?.userOf(socket)) ?? 'socket';
  return { actor: { name, via: 'socket' }, csrfToken: '' };
}

async function fromNetwork(
  request: FastifyRequest,
  { access, sessions, tokens }: GuardOptions,
): Promise<Visitor | undefined> {
  if (access === undefined) return undefined;
  const { address } = clientOf(request);
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const given = /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '';
    const isForMetrics = request.routeOptions.url === '/metrics' && access.token.matchesForMetrics(given);
    tokens.require(isForMetrics || access.token.matches(given), address);
    return { actor: { name: isForMetrics ? 'metrics' : 'token', via: 'token', address }, csrfToken: '' };
  }
  const cookie = request.cookies[cookieName(isEncrypted(request.raw))];
  const session = cookie === undefined ? undefined : sessions.find(cookie);
  if (session === undefined) return undefined;
  return { actor: { name: 'token', via: 'page', address }, csrfToken: session.csrfToken, session };
}

export function clientOf(request: FastifyRequest): { readonly address: string } {
  return { address: (request.raw.socket.remoteAddress ?? '').replace(/^::ffff:(?=[\d.]+$)/, '') };
}

/** A person is shown where to sign in, and comes back then. */
function refuseStranger({ method, headers, url }: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (
    method === 'GET' &&
    headers.accept?.includes('text/html') === true &&
    headers['hx-request'] === undefined
  ) {
    return reply.redirect(`/login?next=${encodeURIComponent(url)}`, 303);
  }
  void reply.header('www-authenticate', 'Bearer realm="tinderbox"');
  throw notSignedIn();
}

function notSignedIn(): TinderboxError {
  return new TinderboxError('unauthenticated', 'nobody has signed in', {
    remedy: 'Send the header Authorization: Bearer TOKEN; on the host, sudo tinderbox token shows it.',
  });
}

function wrongHost(host: string | undefined): TinderboxError {
  return new TinderboxError('refused', `this server is not known as ${JSON.stringify(host ?? '')}`, {
    remedy: 'Ask it by its address, or add the name to admin.names in tinderbox.yaml.',
  });
}

function fromElsewhere(): TinderboxError {
  return new TinderboxError('refused', 'the request does not come from a page of this server', {
    remedy: 'Load the page again, and repeat what you did.',
  });
}
