import type { FastifyInstance } from 'fastify';
import { readPage } from '../parse-request.ts';
import type { AdminServerOptions } from '../port.ts';

/** Who changed what. */
export function addAuditRoutes(app: FastifyInstance, { audit }: AdminServerOptions): void {
  app.get<{ Querystring: Readonly<Record<string, unknown>> }>('/api/v1/audit', ({ query }) =>
    audit.list(readPage(query)),
  );
}
