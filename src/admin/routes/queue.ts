import type { FastifyInstance } from 'fastify';
import { readMac } from '../parse-request.ts';
import type { AdminServerOptions } from '../port.ts';

type MachineRoute = { Params: { mac: string } };

/** Who waits for its turn to load, and who is to be the next. */
export function addQueueRoutes(app: FastifyInstance, { queue }: Pick<AdminServerOptions, 'queue'>): void {
  app.get('/api/v1/queue', () => queue.list());
  app.post<MachineRoute>('/api/v1/queue/:mac/first', ({ params }) => queue.first(readMac(params.mac)));
}
