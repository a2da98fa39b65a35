import type { FastifyInstance } from 'fastify';
import type { StatusView } from '../api.ts';
import type { AdminServerOptions } from '../port.ts';

/** What the daemon says of itself. */
export function addStatusRoutes(app: FastifyInstance, options: AdminServerOptions): void {
  app.get('/api/v1/status', async (): Promise<StatusView> => {
    const status = await options.status();
    const uptime = Math.max(0, Math.round((options.clock() - status.startedAt) / 1000));
    return { ...status, uptime, counters: Object.fromEntries(options.journal.counters()) };
  });
}
