import type { FastifyInstance } from 'fastify';
import { visitorOf } from '../access/guard.ts';
import type { VisitorView } from '../api.ts';

/** Who asks, as this server sees it; and what a browser has to send with what changes something. */
export function addSessionRoutes(app: FastifyInstance): void {
  app.get('/api/v1/session', (request): VisitorView => {
    const { actor, csrfToken } = visitorOf(request);
    return { actor, ...(csrfToken === '' ? {} : { csrfToken }) };
  });
}
