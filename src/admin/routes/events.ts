import type { FastifyInstance } from 'fastify';
import type { EventStreams } from '../event-stream.ts';
import { readMac } from '../parse-request.ts';

/** Live events, as server-sent events. */
export function addEventRoutes(app: FastifyInstance, streams: EventStreams): void {
  app.get<{ Querystring: { readonly mac?: unknown } }>('/api/v1/events', (request, reply) => {
    const mac = request.query.mac === undefined ? undefined : readMac(request.query.mac);
    const last = request.headers['last-event-id'];
    streams.open(reply.raw, mac, typeof last === 'string' ? last : undefined);
    reply.hijack();
  });
}
