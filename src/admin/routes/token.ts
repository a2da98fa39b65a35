import type { FastifyInstance, FastifyRequest } from 'fastify';
import { TinderboxError } from '../../errors.ts';
import { visitorOf } from '../access/guard.ts';
import type { LoginSessions } from '../access/login-sessions.ts';
import type { TokenView } from '../api.ts';
import type { AdminServerOptions } from '../port.ts';

/** What opens TCP: told through the unix socket alone, whose users may do everything already. */
export function addTokenRoutes(
  app: FastifyInstance,
  options: AdminServerOptions,
  sessions: LoginSessions,
): void {
  app.get('/api/v1/token', (request): TokenView => {
    refuseOthers(visitorOf(request).actor.via);
    return {
      token: requireAccess(options).token.show(),
      metricsToken: requireAccess(options).token.showForMetrics(),
    };
  });
  app.post('/api/v1/token/renew', (request) => renew(options, sessions, request));
}

async function renew(
  options: AdminServerOptions,
  sessions: LoginSessions,
  request: FastifyRequest,
): Promise<TokenView> {
  refuseOthers(visitorOf(request).actor.via);
  const { token } = requireAccess(options);
  await token.renew();
  sessions.closeAll();
  return { token: token.show(), metricsToken: token.showForMetrics() };
}

function refuseOthers(via: string): void {
  if (via === 'socket') return;
  throw new TinderboxError('refused', 'the token is told through the unix socket only', {
    remedy: 'On the host: sudo tinderbox token.',
  });
}

function requireAccess({ access }: AdminServerOptions) {
  if (access !== undefined) return access;
  throw new TinderboxError('not-found', 'there is no token here');
}
