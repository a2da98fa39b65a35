import { type IncomingMessage, request } from 'node:http';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { BootEvent } from '../machine/event.ts';
import type { Mac } from '../machine/mac.ts';
import type { PowerAction } from '../machine/power.ts';
import type { MachineQuery, Page } from '../store/port.ts';
import type {
  AdmissionListView,
  ApproveRequest,
  ApproveView,
  AssignRequest,
  AssignView,
  EventListView,
  ForgetView,
  LogChange,
  LogView,
  MachineDetailView,
  MachineListView,
  ReloadView,
  SigningTokenRequest,
  SigningTokenView,
  StatusView,
  TokenView,
} from './api.ts';
import type { AuditListView } from './audit-api.ts';
import type { ConsoleView } from './console-api.ts';
import type { DoctorReport } from './doctor-api.ts';
import type { ExplainView, PreviewView, RoleDetailView, RoleListView } from './explain-api.ts';
import type { PowerView } from './power-api.ts';
import { errorOf } from './problem.ts';
import type { QueueView } from './queue-api.ts';
import { writeMachineFilter } from './read-machine-query.ts';

/**
 * The running daemon, over its unix socket. Each rejects with the daemon's own TinderboxError, or with `unavailable`
 * where no daemon listens and `refused` where this user may not ask.
 */
export interface AdminClient {
  listMachines(query?: MachineQuery): Promise<MachineListView>;
  machine(mac: Mac): Promise<MachineDetailView>;
  /** Without a session: the machine's newest events. */
  events(mac: Mac, sessionId?: number): Promise<EventListView>;
  /** A pcap file. Rejects with `not-found` where no packets are kept. Without a session: of all that are kept. */
  capture(mac: Mac, sessionId?: number): Promise<Uint8Array>;
  /** Also of a machine that was never seen. `architecture`: a name of `loaders:`. */
  /** What it printed: the lines after that number. */
  console(mac: Mac, after?: number): Promise<ConsoleView>;
  explain(mac: Mac, architecture?: string): Promise<ExplainView>;
  /** What the daemon finds when it looks at itself: with fewer rights than root. */
  doctor(): Promise<DoctorReport>;
  status(): Promise<StatusView>;
  /** In the text format of Prometheus. The event loop's delay is of the time since somebody last asked. */
  metrics(): Promise<string>;
  /** Whom rules with `max` have admitted. */
  admissions(): Promise<AdmissionListView>;
  assign(assignment: AssignRequest): Promise<AssignView>;
  approve(approval: ApproveRequest): Promise<ApproveView>;
  forget(mac: Mac): Promise<ForgetView>;
  /** Its `url` is a secret of that machine. */
  makeSigningToken(request: SigningTokenRequest): Promise<SigningTokenView>;
  power(mac: Mac, action: PowerAction, options?: { readonly pxe?: boolean }): Promise<PowerView>;
  queue(): Promise<QueueView>;
  /** Rejects with `not-found` for a machine that does not wait in it. */
  moveUp(mac: Mac): Promise<QueueView>;
  roles(): Promise<RoleListView>;
  role(name: string): Promise<RoleDetailView>;
  /** What the machine would be served now, or with this role. */
  preview(mac: Mac, role?: string): Promise<PreviewView>;
  reload(): Promise<ReloadView>;
  /** Secrets. */
  token(): Promise<TokenView>;
  /** Makes another token, and ends what the former let in. */
  renewToken(): Promise<TokenView>;
  audit(page?: Page): Promise<AuditListView>;
  log(): Promise<LogView>;
  changeLog(change: LogChange): Promise<LogView>;
  /** The database as it is now. A stream that ends early rejects. */
  copyDatabase(): Promise<{ readonly size: number; readonly stream: AsyncIterable<Uint8Array> }>;
  /**
   * Live events, of one machine if given. Resolves once the stream is open: what happens after that is in it. It ends
   * when the daemon stops or the signal aborts, without an error.
   */
  follow(options?: { readonly mac?: Mac; readonly signal?: AbortSignal }): Promise<AsyncIterable<BootEvent>>;
}

export function createAdminClient(socketPath: string): AdminClient {
  const get = async <View>(path: string): Promise<View> => (await exchange(socketPath, 'GET', path)) as View;
  const post = async <View>(path: string, body?: unknown): Promise<View> =>
    (await exchange(socketPath, 'POST', path, body)) as View;
  return {
    listMachines: ({ limit, offset, ...filter } = { limit: 1_000, offset: 0 }) => {
      const query = writeMachineFilter(filter);
      query.set('limit', String(limit));
      query.set('offset', String(offset));
      return get(`/api/v1/machines?${query.toString()}`);
    },
    machine: (mac) => get(`/api/v1/machines/${mac}`),
    events: (mac, sessionId) =>
      get(`/api/v1/machines/${mac}/events${sessionId === undefined ? '' : `?session=${sessionId}`}`),
    async capture(mac, sessionId) {
      const query = sessionId === undefined ? '' : `?session=${sessionId}`;
      const response = await send(socketPath, 'GET', `/api/v1/machines/${mac}/pcap${query}`);
      if (response.statusCode !== 200)
        throw errorOf(response.statusCode ?? 0, parse(await readText(response)));
      return Buffer.concat(await response.toArray());
    },
    console: (mac, after = 0) => get(`/api/v1/machines/${mac}/console?after=${after}`),
    explain: (mac, architecture) =>
      get(
        `/api/v1/machines/${mac}/explain${architecture === undefined ? '' : `?arch=${encodeURIComponent(architecture)}`}`,
      ),
    doctor: () => post('/api/v1/doctor'),
    status: () => get('/api/v1/status'),
    async metrics() {
      const response = await send(socketPath, 'GET', '/metrics');
      const text = await readText(response);
      if (response.statusCode !== 200) throw errorOf(response.statusCode ?? 0, parse(text));
      return text;
    },
    admissions: () => get('/api/v1/admissions'),
    approve: (approval) => post('/api/v1/approve', approval),
    forget: (mac) => post('/api/v1/forget', { mac }),
    assign: (assignment) => post('/api/v1/assign', assignment),
    makeSigningToken: ({ mac, days }) => post(`/api/v1/machines/${mac}/signing-token`, { days }),
    power: (mac, action, { pxe } = {}) =>
      action === 'status'
        ? get(`/api/v1/machines/${mac}/power`)
        : post(`/api/v1/machines/${mac}/power`, { action, ...(pxe === undefined ? {} : { pxe }) }),
    queue: () => get('/api/v1/queue'),
    moveUp: (mac) => post(`/api/v1/queue/${mac}/first`),
    roles: () => get('/api/v1/roles'),
    role: (name) => get(`/api/v1/roles/${encodeURIComponent(name)}`),
    preview: (mac, role) =>
      get(`/api/v1/machines/${mac}/preview${role === undefined ? '' : `?role=${encodeURIComponent(role)}`}`),
    reload: () => post('/api/v1/reload'),
    token: () => get('/api/v1/token'),
    renewToken: () => post('/api/v1/token/renew'),
    audit: ({ limit, offset } = { limit: 100, offset: 0 }) =>
      get(`/api/v1/audit?limit=${limit}&offset=${offset}`),
    log: () => get('/api/v1/log'),
    changeLog: (change) => post('/api/v1/log', change),
    async copyDatabase() {
      const response = await send(socketPath, 'POST', '/api/v1/backup');
      if (response.statusCode !== 200)
        throw errorOf(response.statusCode ?? 0, parse(await readText(response)));
      return { size: Number(response.headers['content-length']), stream: response };
    },
    async follow({ mac, signal } = {}) {
      const path = `/api/v1/events${mac === undefined ? '' : `?mac=${mac}`}`;
      const response = await send(socketPath, 'GET', path, undefined, signal);
      if (response.statusCode !== 200)
        throw errorOf(response.statusCode ?? 0, parse(await readText(response)));
      return readEvents(response);
    },
  };
}

async function exchange(socketPath: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await send(socketPath, method, path, body);
  const parsed = parse(await readText(response));
  if (response.statusCode === 200 && parsed !== undefined) return parsed;
  throw errorOf(response.statusCode ?? 0, parsed);
}

function send(
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const outgoing = request({
      socketPath,
      method,
      path,
      // No connection is kept: one that the daemon closes meanwhile would fail the next request.
      agent: false,
      // The name is of no use on a unix socket, but HTTP/1.1 wants one.
      headers: {
        host: 'tinderbox',
        ...(text === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      },
      ...(signal === undefined ? {} : { signal }),
    });
    outgoing.once('response', resolve);
    outgoing.once('error', (error) => reject(explain(error, socketPath)));
    outgoing.end(text);
  });
}

function explain(error: NodeJS.ErrnoException, socketPath: string): TinderboxError {
  switch (error.code) {
    case 'ECONNREFUSED':
    case 'ENOENT':
      return new TinderboxError('unavailable', `no tinderbox is running at ${socketPath}`, {
        cause: error,
        remedy: 'start tinderbox serve, or name its configuration with --config',
      });
    case 'EACCES':
    case 'EPERM':
      return new TinderboxError('refused', `you may not talk to the tinderbox at ${socketPath}`, {
        cause: error,
        remedy: 'run this as root or as a member of the group that owns the socket',
      });
    case 'ECONNRESET':
    case 'EPIPE':
      return new TinderboxError('unavailable', `the tinderbox at ${socketPath} stopped before it answered`, {
        cause: error,
        remedy: 'see its log for why, and start tinderbox serve again',
      });
    default:
      return toTinderboxError(error);
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += chunk as string;
  return text;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The part of text/event-stream that the daemon uses: one `data:` line a message, comments between. */
async function* readEvents(response: IncomingMessage): AsyncGenerator<BootEvent> {
  response.setEncoding('utf8');
  let rest = '';
  try {
    for await (const chunk of response) {
      const lines = (rest + (chunk as string)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('data: ')) yield JSON.parse(line.slice('data: '.length)) as BootEvent;
      }
    }
  } catch (error) {
    // An abort is how a reader leaves, and a reset is how a daemon that was killed does.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ABORT_ERR' && code !== 'ECONNRESET') throw toTinderboxError(error);
  }
}
