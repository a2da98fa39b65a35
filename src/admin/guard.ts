import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { TinderboxError } from '../errors.ts';
import { HEALTH_PATH } from './routes/health.ts';

/**
 * Who may ask. `isTrusted` says of a connection that its door lets nobody in who may not ask (the unix socket); of
 * whoever came by another one nothing is known, so that they are refused all but the health.
 */
export function addGuard(app: FastifyInstance, isTrusted: (socket: Socket) => boolean): void {
  app.addHook('onRequest', async (request) => {
    if (isTrusted(request.raw.socket) || request.routeOptions.url === HEALTH_PATH) return;
    throw new TinderboxError('unauthenticated', 'this is for the unix socket only', {
      remedy: 'use the command tinderbox on this host',
    });
  });
}
