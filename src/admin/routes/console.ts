import type { FastifyInstance } from 'fastify';
import { readAfter, readMac } from '../parse-request.ts';
import type { AdminServerOptions } from '../port.ts';

/** What machines print while they boot. */
export function addConsoleRoutes(app: FastifyInstance, options: AdminServerOptions): void {
  app.get<{ Params: { mac: string }; Querystring: Readonly<Record<string, unknown>> }>(
    '/api/v1/machines/:mac/console',
    ({ params, query }, reply) => reply.send(options.console(readMac(params.mac), readAfter(query))),
  );
}
