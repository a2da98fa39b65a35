import type { FastifyInstance } from 'fastify';
import { endWhenStalled } from '../end-when-stalled.ts';
import type { AdminServerOptions } from '../port.ts';

/** In ms. Whoever packs a backup writes for no longer than that to a disk, or a network, without taking more. */
const MOST_STALL = 60_000;

/** The database as it is now. */
export function addBackupRoutes(app: FastifyInstance, options: AdminServerOptions): void {
  app.post('/api/v1/backup', async (_request, reply) => {
    await options.journal.flush();
    const copy = await options.copyDatabase();
    // Also where the client goes away half-way.
    reply.raw.once('close', () => void copy[Symbol.asyncDispose]());
    // Or did while the copy was made: then nobody says so any more.
    if (reply.raw.destroyed) await copy[Symbol.asyncDispose]();
    endWhenStalled(reply.raw, options.mostStall ?? MOST_STALL);
    return reply
      .type('application/vnd.sqlite3')
      .header('content-length', copy.size)
      .header('cache-control', 'no-store')
      .send(copy.stream);
  });
}
