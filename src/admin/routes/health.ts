import type { FastifyInstance } from 'fastify';

export const HEALTH_PATH = '/healthz';

/** Tells whoever asks that somebody is home, and nothing else. */
export function addHealthRoutes(app: FastifyInstance): void {
  app.get(HEALTH_PATH, (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok\n'));
}
