import type { FastifyInstance } from 'fastify';
import { readLogChange } from '../parse-request.ts';
import type { AdminServerOptions } from '../port.ts';

/** What the running daemon is told to do. */
export function addControlRoutes(app: FastifyInstance, options: AdminServerOptions): void {
  app.post('/api/v1/reload', () => options.reload());
  app.get('/api/v1/log', () => options.log.view());
  app.post('/api/v1/log', (request) => options.log.change(readLogChange(request.body)));
}
