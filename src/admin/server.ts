import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { createApp } from './create-app.ts';
import { createEventStreams, type EventStreams } from './event-stream.ts';
import { addGuard } from './guard.ts';
import { closeServer, listenOnTcp } from './listen-tcp.ts';
import { addPages } from './page/add-pages.ts';
import type { AdminServer, AdminServerOptions } from './port.ts';
import { addAssignmentRoutes } from './routes/assignments.ts';
import { addBackupRoutes } from './routes/backup.ts';
import { addControlRoutes } from './routes/control.ts';
import { addEventRoutes } from './routes/events.ts';
import { addExplainRoutes } from './routes/explain.ts';
import { addHealthRoutes } from './routes/health.ts';
import { addMachineRoutes } from './routes/machines.ts';
import { addRoleRoutes } from './routes/roles.ts';
import { addStatusRoutes } from './routes/status.ts';
import { listenOnUnixSocket } from './unix-socket.ts';

/** Of each door: whoever holds more open must not use up the descriptors that machines boot with. */
const MOST_CONNECTIONS = 256;

/**
 * The admin plane: one application behind two doors, a unix socket, whose file mode says who may use it, and TCP, where
 * the guard does. Throws TinderboxError `in-use`, `refused`, `not-found` or `invalid-config` if it cannot listen; then
 * nothing is left open.
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const streams = createEventStreams(options.journal.subscribe);
  const app = createApp(options);
  const trusted = new WeakSet<Socket>();
  addGuard(app, (socket) => trusted.has(socket));
  addRoutes(app, options, streams);
  await app.ready();

  const unix = createServer((request, response) => app.routing(request, response));
  unix.maxConnections = MOST_CONNECTIONS;
  unix.on('connection', (socket) => void trusted.add(socket));
  await listenOnUnixSocket(unix, options.socket);
  const tcp = createServer((request, response) => app.routing(request, response));
  tcp.maxConnections = MOST_CONNECTIONS;
  try {
    if (options.listen !== undefined) await listenOnTcp(tcp, options.listen);
  } catch (error) {
    await closeServer(unix, 0);
    throw error;
  }
  const address = tcp.address() as AddressInfo | null;

  return {
    socket: options.socket,
    ...(address === null ? {} : { address: { host: address.address, port: address.port } }),
    async stop({ graceMs }) {
      streams.closeAll();
      await Promise.all([closeServer(unix, graceMs), closeServer(tcp, graceMs)]);
      await app.close();
    },
  };
}

function addRoutes(app: FastifyInstance, options: AdminServerOptions, streams: EventStreams): void {
  addHealthRoutes(app);
  addMachineRoutes(app, options);
  addExplainRoutes(app, options);
  addStatusRoutes(app, options);
  addRoleRoutes(app, options);
  addAssignmentRoutes(app, options);
  addControlRoutes(app, options);
  addBackupRoutes(app, options);
  addEventRoutes(app, streams);
  addPages(app, options, streams);
}
