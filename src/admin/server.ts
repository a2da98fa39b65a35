import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import {
  type EventListView,
  type MachineDetailView,
  type MachineListView,
  machineView,
  overviewView,
  type StatusView,
  sessionView,
} from './api.ts';
import { endWhenStalled } from './end-when-stalled.ts';
import { createEventStreams } from './event-stream.ts';
import {
  readApproval,
  readAssignment,
  readEventQuery,
  readForget,
  readLogChange,
  readMac,
  readPage,
  readSigningToken,
} from './parse-request.ts';
import type { AdminServer, AdminServerOptions } from './port.ts';
import { problemOf } from './problem.ts';
import { addPowerRoutes } from './routes/power.ts';
import { listenOnUnixSocket } from './unix-socket.ts';

const SESSION_LIMIT = 100;
/** Of each door: whoever holds more open must not use up the descriptors that machines boot with. */
const MOST_CONNECTIONS = 256;
/** In ms. Whoever packs a backup writes for no longer than that to a disk, or a network, without taking more. */
const MOST_STALL = 60_000;

type Query = Readonly<Record<string, unknown>>;
type MachineRoute = { Params: { mac: string }; Querystring: Query };

/**
 * The admin plane: the API on a unix socket, whose file mode says who may use it, and `/healthz` on TCP. Throws
 * TinderboxError `in-use`, `refused`, `not-found` or `invalid-config` if it cannot listen; then nothing is left open.
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const streams = createEventStreams(options.journal.subscribe);
  const api = createApp(options);
  addApi(api, options, streams);
  await api.ready();
  const unix = createServer((request, response) => api.routing(request, response));
  unix.maxConnections = MOST_CONNECTIONS;
  await listenOnUnixSocket(unix, options.socket);

  // Whoever reaches a TCP port is not known yet, so that it tells nothing but that somebody is home.
  const open = createApp(options);
  addHealth(open);
  await open.ready();
  const tcp = createServer((request, response) => open.routing(request, response));
  tcp.maxConnections = MOST_CONNECTIONS;
  try {
    if (options.listen !== undefined) await listenOnTcp(tcp, options.listen);
  } catch (error) {
    await close(unix, 0);
    throw error;
  }
  const address = tcp.address() as AddressInfo | null;

  return {
    socket: options.socket,
    ...(address === null ? {} : { address: { host: address.address, port: address.port } }),
    async stop({ graceMs }) {
      streams.closeAll();
      await Promise.all([close(unix, graceMs), ...(tcp.listening ? [close(tcp, graceMs)] : [])]);
      await Promise.all([api.close(), open.close()]);
    },
  };
}

function createApp(options: AdminServerOptions): FastifyInstance {
  const app = fastify({ logger: false, bodyLimit: 64 * 1024, exposeHeadRoutes: false });
  app.setNotFoundHandler(() => {
    throw new TinderboxError('not-found', 'there is nothing here', {
      remedy: 'the API starts at /api/v1/status',
    });
  });
  app.setErrorHandler((thrown, request, reply) => {
    const error = isClientFault(thrown)
      ? new TinderboxError('usage', thrown.message)
      : toTinderboxError(thrown);
    const problem = problemOf(error);
    if (problem.status >= 500) options.logger.error({ url: request.url, err: error }, 'a request failed');
    return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  });
  return app;
}

/** Fastify's own refusals (a body too large, no JSON) carry a status below 500. */
function isClientFault(thrown: unknown): thrown is Error {
  const status =
    thrown instanceof Error ? (thrown as { readonly statusCode?: unknown }).statusCode : undefined;
  return typeof status === 'number' && status < 500;
}

function addHealth(app: FastifyInstance): void {
  app.get('/healthz', (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok\n'));
}

function addApi(
  app: FastifyInstance,
  options: AdminServerOptions,
  streams: ReturnType<typeof createEventStreams>,
): void {
  addHealth(app);
  app.get<{ Querystring: Query }>('/api/v1/machines', ({ query }) => listMachines(options, query));
  app.get<MachineRoute>('/api/v1/machines/:mac', ({ params }) => showMachine(options, params.mac));
  app.get<MachineRoute>('/api/v1/machines/:mac/events', ({ params, query }) =>
    listEvents(options, params.mac, query),
  );
  app.get('/api/v1/status', async (): Promise<StatusView> => {
    const status = await options.status();
    const uptime = Math.max(0, Math.round((options.clock() - status.startedAt) / 1000));
    return { ...status, uptime, counters: Object.fromEntries(options.journal.counters()) };
  });
  app.post('/api/v1/assign', (request) => options.assign(readAssignment(request.body)));
  app.post('/api/v1/approve', (request) => options.approve(readApproval(request.body)));
  app.post('/api/v1/forget', (request) => options.forget(readForget(request.body)));
  app.get('/api/v1/admissions', async () => ({ admissions: await options.store.listAdmissions() }));
  app.post<MachineRoute>('/api/v1/machines/:mac/signing-token', async ({ params, body }, reply) => {
    void reply.header('cache-control', 'no-store');
    return options.makeSigningToken(readSigningToken(params.mac, body));
  });
  addPowerRoutes(app, options);
  app.post('/api/v1/reload', () => options.reload());
  app.get('/api/v1/log', () => options.log.view());
  app.post('/api/v1/log', (request) => options.log.change(readLogChange(request.body)));
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
  app.get<{ Querystring: Query }>('/api/v1/events', (request, reply) => {
    const mac = request.query.mac === undefined ? undefined : readMac(request.query.mac);
    streams.open(reply.raw, mac);
    reply.hijack();
  });
}

/** What was recorded a moment ago is in the answer: the journal is written out first. */
async function listMachines({ store, journal }: AdminServerOptions, query: Query): Promise<MachineListView> {
  const page = readPage(query);
  await journal.flush();
  return { machines: (await store.listMachines(page)).map(overviewView) };
}

async function showMachine({ store, journal }: AdminServerOptions, text: string): Promise<MachineDetailView> {
  const mac = readMac(text);
  await journal.flush();
  const found = await store.findMachine(mac);
  if (found === undefined) throw neverSeen(mac);
  const sessions = await store.listSessions(mac, { limit: SESSION_LIMIT, offset: 0 });
  return { machine: machineView(found.machine), sessions: sessions.map(sessionView) };
}

async function listEvents(
  { store, journal }: AdminServerOptions,
  text: string,
  query: Query,
): Promise<EventListView> {
  const mac = readMac(text);
  const wanted = readEventQuery(query);
  await journal.flush();
  if ((await store.findMachine(mac)) === undefined) throw neverSeen(mac);
  return { events: await store.listEvents({ mac, ...wanted }) };
}

function neverSeen(mac: string): TinderboxError {
  return new TinderboxError('not-found', `${mac} was never seen`, {
    remedy:
      'list the machines that were with `tinderbox machines`; power it on, with its first boot device the network',
  });
}

async function listenOnTcp(
  server: Server,
  listen: { readonly host: string; readonly port: number },
): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(listen, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (thrown) {
    const error = toTinderboxError(thrown);
    throw new TinderboxError(
      error.code,
      `admin: ${listen.host}:${listen.port} cannot be listened on: ${error.message}`,
      {
        cause: thrown,
        remedy: 'set admin.listen in tinderbox.yaml to a free loopback address, or leave it out',
      },
    );
  }
}

/** Node waits for ever for a connection that never asked, and watches its time no more once it closes. */
async function close(server: Server, graceMs: number): Promise<void> {
  const deadline = setTimeout(() => server.closeAllConnections(), graceMs);
  await new Promise((resolve) => server.close(resolve));
  clearTimeout(deadline);
}
