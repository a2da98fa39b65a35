import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { parseArgs } from 'node:util';
import { createEtcdStore, type KeepObject } from './etcd-store.ts';

/**
 * A stand-in for the API server, of Nodes only. It checks client certificates for real, takes the user from their
 * subject (CN; groups: O), and lets each do what Kubernetes' own rules let it do. Plain HTTP/1.1: curl talks to it.
 */
export interface ApiServer {
  readonly url: string;
  readonly port: number;
  /** As the API server has them now. */
  node(name: string): NodeObject | undefined;
  /** Creates or replaces one, as its kubelet would. */
  putNode(name: string, more?: NodeFields): void;
  removeNode(name: string): void;
  /** From now on older versions than the present one are answered 410 Gone. */
  forgetVersions(): void;
  /** Ends running watches as an error in their stream does: 410. */
  expireWatches(): void;
  breakWatches(): void;
  /** Writes these bytes into the running watches. */
  writeToWatches(text: string): void;
  /** Tells the watches how far they are. */
  bookmark(): void;
  watches(): number;
  connections(): number;
  /** Each request so far: `user METHOD path?query status`. */
  readonly requests: readonly string[];
  /** Down: every connection breaks and none is taken. */
  stop(): Promise<void>;
  /** On the same port again. */
  start(): Promise<void>;
}

export interface NodeFields {
  readonly ready?: boolean;
  readonly reason?: string;
  readonly message?: string;
  readonly systemUuid?: string;
  readonly bootId?: string;
}

export interface NodeObject {
  metadata: { name: string; resourceVersion?: string; uid?: string; [key: string]: unknown };
  [key: string]: unknown;
}

export interface ApiServerOptions {
  readonly host?: string;
  readonly port?: number;
  /** Whose clients are believed. PEM, as the others. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** false: as the real one does, whose TLS takes any certificate and whose HTTP then answers 401. */
  readonly rejectInHandshake?: boolean;
  /** false: nobody may delete a Node, as where the watcher's ClusterRole was not applied whole. */
  readonly mayDelete?: boolean;
  /** Bookmarks by themselves, every so many ms. */
  readonly bookmarkEvery?: number;
  /** Told of what a request changed before that is answered; without it Nodes are in memory only. */
  readonly keep?: KeepObject;
}

interface User {
  readonly name: string;
  readonly groups: readonly string[];
}

interface DeleteOptions {
  readonly preconditions?: { readonly resourceVersion?: string };
}

interface Change {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: NodeObject;
}

const MAX_BODY = 1024 * 1024;
const MAX_CHANGES = 20_000;
const ROOT = '/api/v1/nodes';
/** Where the real one keeps Nodes in etcd. */
const REGISTRY = '/registry/minions';

export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { host = '127.0.0.1', ca, certificate, key, rejectInHandshake = true } = options;
  const nodes = new Map<string, NodeObject>();
  const watches = new Set<ServerResponse>();
  const sockets = new Set<Socket>();
  const requests: string[] = [];
  let changes: Change[] = [];
  let version = 1;
  let oldestVersion = 1;
  let port = options.port ?? 0;
  let server: Server | undefined;

  function commit(type: Change['type'], object: NodeObject): NodeObject {
    version++;
    const stored: NodeObject = {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(version) },
    };
    if (type === 'DELETED') nodes.delete(stored.metadata.name);
    else nodes.set(stored.metadata.name, stored);
    changes.push({ version, type, object: stored });
    if (changes.length > MAX_CHANGES) {
      changes = changes.slice(MAX_CHANGES / 2);
      oldestVersion = (changes[0]?.version ?? version) - 1;
    }
    for (const watch of watches) send(watch, type, stored);
    return stored;
  }

  function create(body: NodeObject): NodeObject {
    const { name, labels } = body.metadata;
    const metadata = {
      name,
      ...(labels === undefined ? {} : { labels }),
      uid: `uid-${version + 1}`,
      creationTimestamp: new Date().toISOString(),
    };
    return commit('ADDED', { ...body, apiVersion: 'v1', kind: 'Node', metadata });
  }

  /** Before anybody sees it, as the real one. */
  async function keep(name: string, object: NodeObject | undefined): Promise<void> {
    await options.keep?.(`${REGISTRY}/${name}`, object);
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const user = userOf(request.socket as TLSSocket);
    const url = new URL(request.url ?? '/', 'https://localhost');
    const method = request.method ?? '';
    response.on('close', () => {
      requests.push(`${user?.name ?? '-'} ${method} ${url.pathname}${url.search} ${response.statusCode}`);
    });
    if (user === undefined) return fail(response, 401, 'Unauthorized', 'Unauthorized');
    if (['/healthz', '/livez', '/readyz'].includes(url.pathname)) {
      response.end('ok');
      return;
    }
    const [, name, status] = /^\/api\/v1\/nodes(?:\/([^/]+)(\/status)?)?$/.exec(url.pathname) ?? [];
    if (url.pathname !== ROOT && name === undefined) {
      return fail(response, 404, 'NotFound', 'the server could not find the requested resource');
    }
    const watching = ['1', 'true'].includes(url.searchParams.get('watch') ?? '');
    const verb = verbOf(method, name !== undefined, watching);
    const hasBody = method === 'DELETE' && Number(request.headers['content-length'] ?? 0) > 0;
    const body = method === 'POST' || method === 'PATCH' || hasBody ? await readJson(request) : undefined;
    if (body === null) return fail(response, 400, 'BadRequest', 'the body is no JSON object');
    const wanted = name ?? (body as NodeObject | undefined)?.metadata?.name;
    if (verb === undefined) return fail(response, 405, 'MethodNotAllowed', 'the method is not allowed');
    if (!mayDo(user, verb, wanted) || (verb === 'delete' && options.mayDelete === false)) {
      const what = `nodes${name === undefined ? '' : ` "${name}"`} is forbidden: User "${user.name}" cannot ${verb} resource "nodes" in API group "" at the cluster scope`;
      return fail(response, 403, 'Forbidden', what);
    }
    if (verb === 'list') return list(response, url.searchParams);
    if (verb === 'watch') return watch(response, url.searchParams);
    if (verb === 'create') {
      if (typeof wanted !== 'string' || !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(wanted)) {
        return fail(response, 422, 'Invalid', 'metadata.name is no name of a Node');
      }
      if (nodes.has(wanted)) return fail(response, 409, 'AlreadyExists', `nodes "${wanted}" already exists`);
      await keep(wanted, body as NodeObject);
      return reply(response, 201, create(body as NodeObject));
    }
    const known = nodes.get(name ?? '');
    if (known === undefined) return fail(response, 404, 'NotFound', `nodes "${name}" not found`);
    if (verb === 'get') return reply(response, 200, known);
    if (verb === 'delete') {
      const { resourceVersion } = (body as DeleteOptions | undefined)?.preconditions ?? {};
      if (resourceVersion !== undefined && resourceVersion !== known.metadata.resourceVersion) {
        return fail(
          response,
          409,
          'Conflict',
          `Operation cannot be fulfilled on nodes "${name}": Precondition failed`,
        );
      }
      await keep(known.metadata.name, undefined);
      commit('DELETED', known);
      return reply(response, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' });
    }
    if (!/^application\/merge-patch\+json\b/.test(request.headers['content-type'] ?? '')) {
      return fail(response, 415, 'UnsupportedMediaType', 'send application/merge-patch+json');
    }
    const patch = body as Record<string, unknown>;
    // The status is a resource of its own: each patch leaves the other half alone.
    const half = status === undefined ? { ...patch, status: undefined } : { status: patch.status };
    const merged = merge(known, stripUndefined(half)) as NodeObject;
    const { uid } = known.metadata;
    const metadata = { ...merged.metadata, name: known.metadata.name, ...(uid === undefined ? {} : { uid }) };
    await keep(known.metadata.name, { ...merged, metadata });
    return reply(response, 200, commit('MODIFIED', { ...merged, metadata }));
  }

  function list(response: ServerResponse, query: URLSearchParams): void {
    const all = [...nodes.values()].toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    const limit = Number(query.get('limit') ?? 0) || all.length;
    const [at = String(version), from = '0'] = (query.get('continue') ?? '').split(':').filter(Boolean);
    if (Number(at) < oldestVersion)
      return fail(response, 410, 'Expired', 'The provided continue parameter is too old');
    const end = Number(from) + limit;
    const metadata = { resourceVersion: at, ...(end < all.length ? { continue: `${at}:${end}` } : {}) };
    return reply(response, 200, {
      kind: 'NodeList',
      apiVersion: 'v1',
      metadata,
      items: all.slice(Number(from), end),
    });
  }

  function watch(response: ServerResponse, query: URLSearchParams): void {
    const from = Number(query.get('resourceVersion') || version);
    if (from < oldestVersion) {
      return fail(response, 410, 'Expired', `too old resource version: ${from} (${oldestVersion})`);
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const change of changes) if (change.version > from) send(response, change.type, change.object);
    watches.add(response);
    const seconds = Number(query.get('timeoutSeconds') || 1800);
    const timer = setTimeout(() => response.end(), seconds * 1000);
    response.on('close', () => {
      clearTimeout(timer);
      watches.delete(response);
    });
  }

  function bookmark(): void {
    const object = { kind: 'Node', apiVersion: 'v1', metadata: { resourceVersion: String(version) } };
    for (const watch of watches) send(watch, 'BOOKMARK', object);
  }

  async function start(): Promise<void> {
    const fresh = createServer(
      { ca, cert: certificate, key, requestCert: true, rejectUnauthorized: rejectInHandshake },
      (request, response) => {
        request.on('error', () => undefined);
        answer(request, response).catch((error: unknown) => {
          if (!response.headersSent) fail(response, 500, 'InternalError', String(error));
        });
      },
    );
    fresh.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    fresh.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve, reject) => {
      fresh.once('error', reject);
      fresh.listen(port, host, resolve);
    });
    ({ port } = fresh.address() as AddressInfo);
    server = fresh;
  }

  async function stop(): Promise<void> {
    const stopped = server;
    server = undefined;
    if (stopped === undefined) return;
    const closed = new Promise((resolve) => stopped.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  }

  await start();
  if (options.bookmarkEvery !== undefined) setInterval(bookmark, options.bookmarkEvery).unref();
  return {
    url: `https://${host}:${port}`,
    port,
    node: (name) => nodes.get(name),
    putNode(name, more = {}) {
      const known = nodes.get(name);
      const object = { ...(known ?? { metadata: { name } }), status: statusOf(more) };
      if (known === undefined) create(object);
      else commit('MODIFIED', object);
    },
    removeNode(name) {
      const known = nodes.get(name);
      if (known !== undefined) commit('DELETED', known);
    },
    forgetVersions() {
      version++;
      oldestVersion = version;
      changes = [];
    },
    expireWatches() {
      const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Expired', code: 410 };
      for (const watch of watches) {
        send(watch, 'ERROR', { ...status, message: 'too old resource version' });
        watch.end();
      }
    },
    breakWatches() {
      for (const watch of watches) watch.destroy();
    },
    writeToWatches(text) {
      for (const watch of watches) watch.write(text);
    },
    bookmark,
    watches: () => watches.size,
    connections: () => sockets.size,
    requests,
    start,
    stop,
  };
}

/** Undefined: its certificate is none that is believed. */
function userOf(socket: TLSSocket): User | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate();
  // Node gives a list where a subject has several O.
  const { CN, O } = subject as unknown as Readonly<Record<string, string | readonly string[] | undefined>>;
  if (typeof CN !== 'string') return undefined;
  return { name: CN, groups: O === undefined ? [] : [O].flat() };
}

type Verb = 'get' | 'list' | 'watch' | 'create' | 'patch' | 'delete';

function verbOf(method: string, named: boolean, watching: boolean): Verb | undefined {
  switch (method) {
    case 'GET':
      if (named) return 'get';
      return watching ? 'watch' : 'list';
    case 'POST':
      return named ? undefined : 'create';
    case 'PATCH':
      return named ? 'patch' : undefined;
    case 'DELETE':
      return named ? 'delete' : undefined;
    default:
      return undefined;
  }
}

/** Node authorizer and NodeRestriction for kubelets, the watcher's ClusterRole for Tinderbox. */
function mayDo({ name, groups }: User, verb: Verb, node: unknown): boolean {
  if (groups.includes('system:masters')) return true;
  if (name === 'tinderbox') return verb === 'get' || verb === 'list' || verb === 'watch' || verb === 'delete';
  const [, own] = /^system:node:(.+)$/.exec(name) ?? [];
  if (own === undefined || !groups.includes('system:nodes') || own !== node) return false;
  return verb === 'get' || verb === 'create' || verb === 'patch';
}

function statusOf({ ready = true, reason, message, systemUuid, bootId }: NodeFields): object {
  return {
    conditions: [
      { type: 'MemoryPressure', status: 'False', reason: 'KubeletHasSufficientMemory' },
      {
        type: 'Ready',
        status: ready ? 'True' : 'False',
        reason: reason ?? (ready ? 'KubeletReady' : 'KubeletNotReady'),
        message:
          message ?? (ready ? 'kubelet is posting ready status' : 'container runtime network not ready'),
        lastHeartbeatTime: new Date().toISOString(),
      },
    ],
    addresses: [{ type: 'InternalIP', address: '10.77.0.20' }],
    nodeInfo: { systemUUID: systemUuid ?? '', bootID: bootId ?? '' },
  };
}

function send(response: ServerResponse, type: string, object: unknown): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}

function reply(response: ServerResponse, code: number, object: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(object)}\n`);
}

function fail(response: ServerResponse, code: number, reason: string, message: string): void {
  reply(response, code, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    code,
  });
}

/** null: no JSON object, or too long. */
async function readJson(request: IncomingMessage): Promise<Record<string, unknown> | null> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > MAX_BODY) return null;
  }
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** RFC 7396. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === 'object' && target !== null && !Array.isArray(target);
  const result: Record<string, unknown> = isObject ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merge(result[name], value);
  }
  return result;
}

function stripUndefined(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

/** A program of its own, for a network namespace: says `ready <url>` when it listens, and ends with SIGTERM. */
async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      listen: text,
      ca: text,
      certificate: text,
      key: text,
      etcd: text,
      'etcd-ca': text,
      'etcd-certificate': text,
      'etcd-key': text,
    },
  });
  const { listen, ca, certificate, key, etcd } = values;
  const [, host, port] = /^(.+):(\d+)$/.exec(listen ?? '') ?? [];
  if (host === undefined || ca === undefined || certificate === undefined || key === undefined) {
    throw new Error(
      'usage: api-server.ts --listen ADDRESS:PORT --ca FILE --certificate FILE --key FILE [--etcd URL --etcd-ca FILE --etcd-certificate FILE --etcd-key FILE]',
    );
  }
  const keep =
    etcd === undefined
      ? undefined
      : createEtcdStore({
          endpoint: etcd,
          authority: values['etcd-ca'] ?? '',
          certificate: values['etcd-certificate'] ?? '',
          key: values['etcd-key'] ?? '',
        });
  const server = await startApiServer({
    host,
    port: Number(port),
    ca: readFileSync(ca, 'utf8'),
    certificate: readFileSync(certificate, 'utf8'),
    key: readFileSync(key, 'utf8'),
    bookmarkEvery: 10_000,
    ...(keep === undefined ? {} : { keep }),
  });
  process.once('SIGTERM', () => void server.stop());
  console.log(`ready ${server.url}`);
}

if (import.meta.main) await main();
