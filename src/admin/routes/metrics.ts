import type { FastifyInstance } from 'fastify';
import type { AdminServerOptions } from '../port.ts';

/** `GET /metrics`: the text format of Prometheus. */
export function addMetricsRoutes(
  app: FastifyInstance,
  { metrics }: Pick<AdminServerOptions, 'metrics'>,
): void {
  app.get('/metrics', async (_request, reply) =>
    reply
      .type('text/plain; version=0.0.4; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(await metrics()),
  );
}
