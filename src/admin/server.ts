import { createServer, type ServerOptions } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import cookie from '@fastify/cookie';
import type { FastifyInstance } from 'fastify';
import { addGuard } from './access/guard.ts';
import { createGuessLimit } from './access/guess-limit.ts';
import { createLoginSessions, type LoginSessions } from './access/login-sessions.ts';
import { createTokenCheck, type TokenCheck } from './access/token-check.ts';
import { auditChanges } from './audit-changes.ts';
import { createApp } from './create-app.ts';
import { addDocument } from './document/add-document.ts';
import { createEventStreams, type EventStreams } from './event-stream.ts';
import { closeServer, createTcpServer, listenOnTcp } from './listen-tcp.ts';
import { addPages } from './page/add-pages.ts';
import { createPages, type Pages } from './page/render-page.ts';
import type { AdminServer, AdminServerOptions } from './port.ts';
import { addAssignmentRoutes } from './routes/assignments.ts';
import { addAuditRoutes } from './routes/audit.ts';
import { addBackupRoutes } from './routes/backup.ts';
import { addCaptureRoutes } from './routes/capture.ts';
import { addConsoleRoutes } from './routes/console.ts';
import { addControlRoutes } from './routes/control.ts';
import { addDoctorRoutes } from './routes/doctor.ts';
import { addEventRoutes } from './routes/events.ts';
import { addExplainRoutes } from './routes/explain.ts';
import { addHealthRoutes } from './routes/health.ts';
import { addLoginRoutes } from './routes/login.ts';
import { addMachineRoutes } from './routes/machines.ts';
import { addMetricsRoutes } from './routes/metrics.ts';
import { addPowerRoutes } from './routes/power.ts';
import { addQueueRoutes } from './routes/queue.ts';
import { addRoleRoutes } from './routes/roles.ts';
import { addSessionRoutes } from './routes/session.ts';
import { addStatusRoutes } from './routes/status.ts';
import { addTokenRoutes } from './routes/token.ts';
import { listenOnUnixSocket } from './unix-socket.ts';

/** Of each door: whoever holds more open must not use up the descriptors that machines boot with. */
const MOST_CONNECTIONS = 256;
/** In ms. Whoever sends a request byte by byte keeps a connection from others for no longer than that. */
const TIMES: ServerOptions = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
};
/** Of the API, not of the program: another first number is another path. */
const API_VERSION = '1.0.0';
/** How often browsers that have been signed in for too long are looked for. In ms. */
const SWEEP_EVERY = 60_000;

/** What the guard and the routes for signing in share. */
interface Access {
  readonly sessions: LoginSessions;
  readonly tokens: TokenCheck;
}

/**
 * The admin plane: one application behind two doors, a unix socket, whose file mode says who may use it, and TCP, where
 * the guard does. Throws TinderboxError `in-use`, `refused`, `not-found` or `invalid-config` if it cannot listen; then
 * nothing is left open.
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { access, clock, logger, uptime = () => performance.now() } = options;
  const { record } = options.audit;
  const streams = createEventStreams(options.journal.subscribe);
  const sessions = createLoginSessions({ uptime });
  const tokens = createTokenCheck({ limit: createGuessLimit(uptime), record, logger, clock });
  const pages = createPages(clock);
  const app = createApp(options, pages);
  const trusted = new WeakSet<Socket>();
  await app.register(cookie);
  addGuard(app, { access, sessions, tokens, isTrusted: (socket) => trusted.has(socket) });
  await addDocument(app, API_VERSION);
  await addRoutes(app, auditChanges(options), streams, { sessions, tokens }, pages);
  await app.ready();

  const tcp = await createTcpServer({ times: TIMES, tls: options.tls, logger }, (request, response) =>
    app.routing(request, response),
  );
  const unix = createServer(TIMES, (request, response) => app.routing(request, response));
  unix.maxConnections = MOST_CONNECTIONS;
  unix.on('connection', (socket) => void trusted.add(socket));
  await listenOnUnixSocket(unix, options.socket);
  tcp.maxConnections = MOST_CONNECTIONS;
  try {
    if (options.listen !== undefined) await listenOnTcp(tcp, options.listen);
  } catch (error) {
    await closeServer(unix, 0);
    throw error;
  }
  const address = tcp.address() as AddressInfo | null;
  const sweep = setInterval(() => sessions.sweep(), SWEEP_EVERY).unref();

  return {
    socket: options.socket,
    ...(address === null ? {} : { address: { host: address.address, port: address.port } }),
    async stop({ graceMs }) {
      clearInterval(sweep);
      streams.closeAll();
      await Promise.all([closeServer(unix, graceMs), closeServer(tcp, graceMs)]);
      await app.close();
    },
  };
}

async function addRoutes(
  app: FastifyInstance,
  options: AdminServerOptions,
  streams: EventStreams,
  { sessions, tokens }: Access,
  pages: Pages,
): Promise<void> {
  const { access, clock } = options;
  addHealthRoutes(app);
  addMachineRoutes(app, options);
  addConsoleRoutes(app, options);
  addExplainRoutes(app, options);
  addDoctorRoutes(app, options);
  addStatusRoutes(app, options);
  addMetricsRoutes(app, options);
  addRoleRoutes(app, options);
  addAssignmentRoutes(app, options);
  addControlRoutes(app, options);
  addPowerRoutes(app, options);
  addQueueRoutes(app, options);
  addBackupRoutes(app, options);
  addAuditRoutes(app, options);
  addCaptureRoutes(app, options);
  addEventRoutes(app, streams);
  addPages(app, options, streams, pages);
  addSessionRoutes(app);
  addTokenRoutes(app, options, sessions);
  await addLoginRoutes(app, {
    access,
    sessions,
    tokens,
    clock,
    record: options.audit.record,
    showLogin: (reply, view) => pages.send(reply, 'login', { title: 'Sign in' }, view),
  });
}
