import { mkdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { PulledAsset } from '../http/port.ts';
import { createBoundedSpace } from './bounded-space.ts';
import { downloadFile } from './download-file.ts';
import { createGrowingFile, type GrowingFile } from './growing-file.ts';
import type { HttpResponse, HttpSource } from './http-get.ts';
import type { PulledStore } from './pulled-store.ts';
import { createTurns } from './take-turns.ts';

export type Refused = Extract<PulledAsset, { kind: 'refused' }>;

/** One fetch of one file, and whoever follows it. */
export interface Flight {
  readonly path: string;
  /** Servers that the request which began it had come by, as it said itself. */
  readonly hops: number;
  readonly growing: GrowingFile;
  /** Of the answer that is being taken. */
  head?: HttpResponse['headers'];
  /** Once it has failed. */
  failure?: Refused;
  /** Resolves when nothing of it is under way any more. */
  landed?: Promise<void>;
}

export interface FlightOptions {
  readonly store: PulledStore;
  readonly http: HttpSource;
  /** Without a trailing slash. */
  readonly from: string;
  /** At one time; others wait. */
  readonly fetches: number;
  /** Milliseconds before the second attempt; doubled each time. */
  readonly pause: number;
  /** Attempts in a row that bring nothing. */
  readonly tries: number;
  /** In each span of so many milliseconds a fetch has to bring LEAST_BYTES, or it ends. */
  readonly trickle: number;
  /** The other server began to answer. */
  readonly heard: () => void;
  readonly came: (bytes: number) => void;
  readonly retried: (path: string, message: string) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

export interface Fetched {
  readonly size: number;
  readonly resumed: boolean;
}

const LEAST_BYTES = 16 * 1024;
/** Of a server that did not begin to answer. */
const SILENT_TRIES = 2;

export function newFlight(path: string, hops: number): Flight {
  return { path, hops, growing: createGrowingFile() };
}

/**
 * Fetches files into the store. What it gives back does not reject: undefined where the flight has its `failure`, with
 * what has come of it kept for the next one.
 */
export function createFlights(options: FlightOptions) {
  const { store, from, now } = options;
  const turns = createTurns(options.fetches);
  const space = createBoundedSpace(store);

  async function fetchFile(flight: Flight, via: string, ending: AbortController): Promise<Fetched> {
    const { path, growing } = flight;
    const file = join(store.folder, store.nameOf(path));
    await using turn = await turns.take(options.signal);
    void turn;
    await mkdir(store.folder, { recursive: true });
    let bytes = store.begin(path);
    let failures = 0;
    using watchdog = endIfTrickling(() => bytes, options.trickle, ending);
    void watchdog;
    const done = await downloadFile(`${from}${path}`, file, {
      http: withVia(options.http, via),
      space: space.for(path, () => bytes),
      name: path,
      tries: options.tries,
      pause: options.pause,
      signal: AbortSignal.any([options.signal, ending.signal]),
      digests: false,
      onHead(headers) {
        requireEnd(headers, `${from}${path}`);
        flight.head = headers;
        options.heard();
      },
      onBytes(available, total) {
        if (available > bytes) options.came(available - bytes);
        bytes = available;
        growing.note(available, total);
      },
      onRetry({ error }) {
        options.retried(path, error.message);
        failures++;
        // Who waits has another place to ask, as long as nothing has come.
        if (flight.head === undefined && failures >= SILENT_TRIES) throw error;
      },
    });
    const { etag, 'last-modified': lastModified } = flight.head ?? {};
    const modified = Date.parse(lastModified ?? '');
    const time = new Date(Number.isNaN(modified) ? now() : modified);
    await utimes(file, time, time);
    await store.put({
      path,
      size: done.size,
      ...(etag === undefined ? {} : { etag }),
      ...(lastModified === undefined ? {} : { lastModified }),
      fetchedAt: now(),
    });
    return done;
  }

  return {
    async fly(flight: Flight, via: string): Promise<Fetched | undefined> {
      const ending = new AbortController();
      try {
        const done = await fetchFile(flight, via, ending);
        flight.growing.note(done.size, done.size);
        flight.growing.end(true);
        return done;
      } catch (thrown) {
        const why = ending.signal.aborted ? `${from}${flight.path}: it sends next to nothing` : undefined;
        flight.failure = explainFailure(thrown, from, why);
        flight.growing.end(false);
        return undefined;
      } finally {
        await store.release(flight.path);
      }
    },
  };
}

function explainFailure(thrown: unknown, from: string, why: string | undefined): Refused {
  const { code, message } = toTinderboxError(thrown);
  const refused = (status: Refused['status'], reason: string): Refused => ({
    kind: 'refused',
    status,
    reason,
  });
  if (why !== undefined) return refused(504, why);
  if (code === 'not-found' && thrown instanceof TinderboxError)
    return refused(404, `it is neither here nor at ${from}`);
  if (/is full|is no room|maxBytes/.test(message)) return refused(507, message);
  return refused(code === 'refused' ? 502 : 504, message);
}

/** A body that ends with its connection (RFC 9112, 6.3) looks whole where the server died: nothing proves it later. */
function requireEnd(headers: HttpResponse['headers'], url: string): void {
  if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) return;
  throw new TinderboxError(
    'refused',
    `${url} comes without its length, so that a part of it would look whole`,
    {
      remedy: 'Let that server send Content-Length, as it does for files.',
    },
  );
}

/** A server that sends a byte now and then keeps every time-out away. */
function endIfTrickling(bytes: () => number, span: number, ending: AbortController): Disposable {
  let before = bytes();
  const timer = setInterval(() => {
    if (Math.abs(bytes() - before) < LEAST_BYTES) ending.abort();
    before = bytes();
  }, span);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function withVia(http: HttpSource, via: string): HttpSource {
  return {
    ...http,
    get: (url, request = {}) => http.get(url, { ...request, headers: { ...request.headers, via } }),
  };
}
