import { setTimeout as sleep } from 'node:timers/promises';
import { TinderboxError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type ApiClient, type ApiClientOptions, type ApiResponse, openApiClient } from './api-client.ts';
import { backOff } from './back-off.ts';
import { ApiRefusal, BadAnswer, describeTrouble, type Trouble } from './describe-trouble.ts';
import type { ClusterCredentials, NodeState, NodeWatcher, WatcherStatus } from './port.ts';
import { isSameNode, printable, readNode, versionOf } from './read-node.ts';
import { readBody, readLines } from './read-stream.ts';

export interface NodeWatcherOptions {
  /** `https://host:port`. */
  readonly apiServer: string;
  /** Asked at the start, as the certificate nears its end, and when it is refused. */
  readonly credentials: () => Promise<ClusterCredentials>;
  /** Called when something of a Node changed, and with undefined when it is gone. */
  readonly changed: (name: string, node: NodeState | undefined) => void;
  /** Called when the API server answers, answers again, or does not any more. */
  readonly statusChanged?: () => void;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** 0 to 1. */
  readonly random?: () => number;
  /** Rejects when the signal says so. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly times?: Pick<ApiClientOptions, 'connectTime' | 'answerTime' | 'silentTime'>;
  readonly maxNodes?: number;
}

const PAGE = 250;
const MAX_PAGE_BYTES = 64 * 1024 * 1024;
const MAX_STATUS_BYTES = 64 * 1024;
/** Seconds that a watch lasts; the API server then ends it, and the next one goes on where it ended. */
const WATCH_SECONDS = 300;
/** A watch that lasted for so long was a good one; one that ends sooner is not opened again at once. In ms. */
const GOOD_WATCH = 10_000;
/** The certificate is renewed when so much of its life is over. */
const RENEW_AT = 0.8;

/** Follows the Nodes of a cluster: lists them, then watches. An API server that is away is normal, and tried again. */
export function createNodeWatcher(options: NodeWatcherOptions): NodeWatcher {
  const { apiServer, changed, logger, clock, random = Math.random, maxNodes = 20_000 } = options;
  const pause = options.pause ?? ((ms, signal) => sleep(ms, undefined, { signal, ref: false }));
  const nodes = new Map<string, NodeState>();
  const stopping = new AbortController();
  /** Of the present outage. */
  const said = new Set<Trouble['kind']>();
  let status: Omit<WatcherStatus, 'nodes'> = { state: 'connecting', since: clock(), synced: false };
  let running: Promise<void> | undefined;
  let opening: Promise<ApiClient> | undefined;
  let client: { readonly api: ApiClient; readonly renewAt: number } | undefined;
  let version: string | undefined;
  let saidFull = false;

  async function run(): Promise<void> {
    let attempts = 0;
    while (!stopping.signal.aborted) {
      const began = clock();
      try {
        await untilStopped(followOnce());
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (error instanceof ApiRefusal && error.status === 410) version = undefined;
        else await lose(error);
      }
      if (clock() - began >= GOOD_WATCH && status.state === 'watching') attempts = 0;
      else await pause(backOff(attempts++, random()), stopping.signal).catch(() => undefined);
    }
  }

  /** Lists where that is due, then watches until the watch ends. Throws what went wrong. */
  async function followOnce(): Promise<void> {
    const api = await useClient();
    if (version === undefined) {
      version = await listAll(api);
      status = { ...status, synced: true };
    }
    const from = version;
    const seconds = Math.min(WATCH_SECONDS, Math.ceil(((client?.renewAt ?? 0) - clock()) / 1000));
    const response = await api.watchNodes({ version: from, timeoutSeconds: Math.max(1, seconds) });
    await refuseFailure(response);
    find();
    try {
      for await (const line of readLines(response.body)) take(line);
    } catch (error) {
      // A connection that breaks is no more than the end of a watch: whether the API server is away shows next.
      if (error instanceof ApiRefusal || error instanceof BadAnswer) throw error;
    }
  }

  /** The version that the list is of. */
  async function listAll(api: ApiClient): Promise<string> {
    const found = new Map<string, NodeState>();
    for (let next: string | undefined; ; ) {
      const response = await api.listNodes({
        limit: PAGE,
        ...(next === undefined ? {} : { continue: next }),
      });
      await refuseFailure(response);
      const list = parse(await readBody(response.body, MAX_PAGE_BYTES)) as NodeList;
      for (const item of Array.isArray(list.items) ? list.items : []) {
        const node = readNode(item);
        if (node !== undefined && hasRoom(found, node.name)) found.set(node.name, node);
      }
      next = list.metadata?.continue;
      if (typeof next === 'string' && next !== '' && found.size < maxNodes) continue;
      for (const name of nodes.keys()) if (!found.has(name)) put(name, undefined);
      for (const [name, node] of found) put(name, node);
      return versionOf(list) ?? '0';
    }
  }

  function take(line: string): void {
    const { type, object } = parse(line) as { readonly type?: unknown; readonly object?: unknown };
    if (type === 'ERROR') {
      const { code, message } = (object ?? {}) as { readonly code?: unknown; readonly message?: unknown };
      throw new ApiRefusal(Number(code) || 500, typeof message === 'string' ? message : '');
    }
    version = versionOf(object) ?? version;
    const node = readNode(object);
    if (node === undefined || type === 'BOOKMARK') return;
    if (type === 'DELETED') put(node.name, undefined);
    else if (hasRoom(nodes, node.name)) put(node.name, node);
  }

  function put(name: string, node: NodeState | undefined): void {
    const known = nodes.get(name);
    if (node === undefined && known === undefined) return;
    if (node === undefined) nodes.delete(name);
    else nodes.set(name, node);
    if (node !== undefined && known !== undefined && isSameNode(known, node)) return;
    try {
      changed(name, node);
    } catch (error) {
      logger.error({ err: error, node: name }, 'a change of a Node could not be used');
    }
  }

  function hasRoom(map: ReadonlyMap<string, NodeState>, name: string): boolean {
    if (map.has(name) || map.size < maxNodes) return true;
    if (!saidFull) logger.warn({ maxNodes }, 'the cluster has more Nodes than are followed');
    saidFull = true;
    return false;
  }

  function find(): void {
    if (status.state === 'watching') return;
    status = { state: 'watching', since: clock(), synced: true };
    said.clear();
    logger.info({ apiServer, nodes: nodes.size }, 'watching the Nodes of the cluster');
    options.statusChanged?.();
  }

  async function lose(error: unknown): Promise<void> {
    const { kind, message, remedy } = describeTrouble(error);
    const before = status;
    status = {
      state: kind,
      since: status.state === kind ? status.since : clock(),
      synced: status.synced,
      problem: { message, ...(remedy === undefined ? {} : { remedy }) },
    };
    if (status.since !== before.since || status.state !== before.state) options.statusChanged?.();
    // What is not to be understood may have been half of something.
    if (error instanceof BadAnswer) version = undefined;
    // What is forbidden is allowed by somebody else; what is not believed may be another certificate's turn.
    if (kind === 'refused' && !(error instanceof ApiRefusal && error.status === 403)) await dropClient();
    if (said.has(kind)) return;
    said.add(kind);
    if (kind === 'refused') logger.warn({ apiServer, remedy }, `Nodes are not seen: ${message}`);
    else logger.info({ apiServer, remedy }, `${message}; it is tried again, and said when it is back`);
  }

  /** The client, with a certificate that is not about to end. */
  async function useClient(): Promise<ApiClient> {
    if (client !== undefined && clock() < client.renewAt) return client.api;
    opening ??= openClient().finally(() => {
      opening = undefined;
    });
    return opening;
  }

  async function openClient(): Promise<ApiClient> {
    await dropClient();
    const credentials = await options.credentials();
    const api = await openApiClient({ apiServer, credentials, ...options.times });
    if (stopping.signal.aborted) {
      await api.close();
      throw stopped();
    }
    const now = clock();
    client = { api, renewAt: now + Math.max(1_000, (credentials.notAfter - now) * RENEW_AT) };
    return api;
  }

  async function dropClient(): Promise<void> {
    const dropped = client;
    client = undefined;
    await dropped?.api.close();
  }

  /** What is under way ends as soon as its connections are closed; what makes a certificate would take longer. */
  function untilStopped<T>(work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(stopped());
    if (stopping.signal.aborted) onAbort();
    stopping.signal.addEventListener('abort', onAbort, { once: true });
    work.catch(() => undefined);
    return Promise.race([work, promise]).finally(() => stopping.signal.removeEventListener('abort', onAbort));
  }

  async function deleteNode(name: string, seen?: string): Promise<'deleted' | 'absent'> {
    // An empty one would be a request to delete all of them.
    if (name.length > 253 || !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name)) {
      throw new TinderboxError('usage', `'${name.slice(0, 253)}' is no name of a Node`);
    }
    try {
      return await untilStopped(deleteOnce(name, seen));
    } catch (error) {
      if (seen !== undefined && error instanceof ApiRefusal && error.status === 409) {
        throw new TinderboxError('busy', `Node ${name} was written meanwhile`, {
          cause: error,
          remedy: 'Look at it again.',
        });
      }
      const {
        kind,
        message,
        remedy = 'Try again, or: kubectl delete node '.concat(name),
      } = describeTrouble(error);
      throw new TinderboxError(kind === 'refused' ? 'refused' : 'unavailable', message, {
        cause: error,
        remedy,
      });
    }
  }

  async function deleteOnce(name: string, seen: string | undefined): Promise<'deleted' | 'absent'> {
    const api = await useClient();
    const response = await api.deleteNode(name, seen);
    if (response.status === 404) {
      await readBody(response.body, MAX_STATUS_BYTES);
      return 'absent';
    }
    await refuseFailure(response);
    await readBody(response.body, MAX_PAGE_BYTES);
    return 'deleted';
  }

  return {
    start() {
      running ??= run();
    },
    async stop() {
      stopping.abort();
      status = { state: 'stopped', since: clock(), synced: status.synced };
      await dropClient();
      await running;
    },
    nodes: () => nodes,
    deleteNode,
    status: () => ({ ...status, nodes: nodes.size }),
  };
}

interface NodeList {
  readonly metadata?: { readonly continue?: string };
  readonly items?: unknown;
}

function stopped(): Error {
  return new Error('the watcher is stopped');
}

/** A JSON object. Throws BadAnswer for anything else. */
function parse(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BadAnswer(printable((error as Error).message, 200));
  }
  if (typeof value !== 'object' || value === null) throw new BadAnswer('it is no JSON object');
  return value;
}

async function refuseFailure({ status, body }: ApiResponse): Promise<void> {
  if (status >= 200 && status < 300) return;
  const text = await readBody(body, MAX_STATUS_BYTES).catch(() => '');
  throw new ApiRefusal(status, messageOf(text));
}

function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === 'string' ? message : '';
  } catch {
    return text;
  }
}
