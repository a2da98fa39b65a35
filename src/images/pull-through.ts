import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toTinderboxError } from '../errors.ts';
import type { PulledAsset, PullThrough } from '../http/port.ts';
import type { Logger } from '../logger.ts';
import { askUpstream, type UpstreamAnswer } from './ask-upstream.ts';
import type { GrowingVersion } from './growing-file.ts';
import { type HttpTimes, openHttp } from './http-get.ts';
import { createFlights, type Flight, newFlight, type Refused } from './pull-flight.ts';
import { openPulledStore, type PulledFile } from './pulled-store.ts';

export interface PullThroughOptions {
  /** Is made if it is not there. */
  readonly folder: string;
  /** What `/assets/…` is put behind; no trailing slash. */
  readonly from: string;
  readonly maxBytes: number;
  /** Milliseconds for which a file is not compared with the one there. */
  readonly freshFor: number;
  /** At one time. */
  readonly fetches: number;
  /** Whether what the path names never changes. */
  readonly isImmutable: (segments: readonly string[]) => boolean;
  readonly count: (name: string) => void;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Where tests are in a hurry. */
  readonly times?: Partial<PullTimes>;
  /** Attempts in a row that bring nothing. */
  readonly tries?: number;
}

/** Milliseconds. */
export interface PullTimes extends HttpTimes {
  /** As FlightOptions have them. */
  readonly pause: number;
  readonly trickle: number;
  /** How long a client waits for the size of what it asked for, or for a comparison. */
  readonly size: number;
  readonly comparison: number;
  /** A no is not asked for again, and a server that is away not bothered, for so long. */
  readonly no: number;
}

// A client of ours that gets no byte for 60 s is dropped: a fetch that brings none has to end before.
const TIMES: PullTimes = {
  connect: 4_000,
  headers: 10_000,
  stall: 10_000,
  pause: 500,
  trickle: 40_000,
  size: 10_000,
  comparison: 2_000,
  no: 5_000,
};
const TRIES = 8;
/** Beside those that are fetched; who asks for one more is told to come back. */
const MOST_WAITING = 64;
const MOST_NOES = 1_000;
/** Files whose last comparison is remembered. */
const MOST_CHECKED = 10_000;
/** Servers that fetch from each other, in a row. */
const MOST_HOPS = 4;
/** As this one writes itself. Nothing else of a client's header goes on. */
const HOP = /^\S{1,16} tinderbox-[\w-]{1,64}$/;

export interface PullThroughState {
  readonly from: string;
  readonly files: number;
  /** On the disk. */
  readonly bytes: number;
  readonly maxBytes: number;
  /** Under way. */
  readonly fetching: number;
  /** Requests: served from what was here, from a fetch that others had begun, and those that began one. */
  readonly held: number;
  readonly joined: number;
  readonly fetched: number;
  /** Served although the other server could not be asked whether it has a newer one. */
  readonly unchecked: number;
  readonly refused: number;
  /** That came from there since the start. */
  readonly fetchedBytes: number;
  /** How the other server did when it was last asked. */
  readonly upstream: 'up' | 'down' | 'unknown';
  readonly since: number;
  readonly reason?: string;
}

export interface KeptPullThrough extends PullThrough, AsyncDisposable {
  state(): PullThroughState;
}

type Verdict = 'same' | 'other' | 'gone' | 'unknown';

/**
 * Fetches what is asked for and not here, once, however many ask; they get its bytes while they come. Keeps it within a
 * bound, and compares it now and then with what is there. Rejects with Node's error if the folder cannot be made or read.
 */
export async function openPullThrough(options: PullThroughOptions): Promise<KeptPullThrough> {
  const { from, logger, now, count, freshFor } = options;
  const times = { ...TIMES, ...options.times };
  const store = await openPulledStore(options);
  const http = await openHttp({ times, redirects: 'same-host' });
  /** Names this process in `Via`. */
  const self = `tinderbox-${randomUUID()}`;
  const flying = new Map<string, Flight>();
  const comparisons = new Map<string, Promise<Verdict>>();
  const descriptions = new Map<string, Promise<PulledAsset>>();
  /** By a clock that does not jump. */
  const checkedAt = new Map<string, number>();
  const noes = new Map<string, { readonly until: number; readonly refused: Refused }>();
  const counts = { held: 0, joined: 0, fetched: 0, unchecked: 0, refused: 0, fetchedBytes: 0 };
  let health: Pick<PullThroughState, 'upstream' | 'since' | 'reason'> = { upstream: 'unknown', since: now() };
  const stop = new AbortController();
  const running = new Set<Promise<void>>();
  const flights = createFlights({
    store,
    http,
    from,
    fetches: options.fetches,
    pause: times.pause,
    tries: options.tries ?? TRIES,
    trickle: times.trickle,
    heard: () => noteUpstream(true),
    came(bytes) {
      counts.fetchedBytes += bytes;
    },
    retried: (path, message) => logger.debug({ path }, `${message}: trying again`),
    now,
    signal: stop.signal,
  });

  function noteUpstream(isUp: boolean, reason?: string): void {
    const upstream = isUp ? 'up' : 'down';
    const isNews = health.upstream !== upstream;
    if (isNews && !isUp) {
      logger.warn(
        { from },
        `what is not here cannot be fetched from ${from}: ${reason}; what is held is served`,
      );
    }
    if (isNews && health.upstream === 'down') logger.info({ from }, `${from} answers again`);
    const since = isNews ? now() : health.since;
    health = { upstream, since, ...(reason === undefined ? {} : { reason }) };
  }

  function noteAnswer(answer: UpstreamAnswer): void {
    if (answer.kind === 'failed' && answer.status === 504) noteUpstream(false, answer.reason);
    else noteUpstream(true);
  }

  /** What came of another server's hops, as a client may make them up, is no answer for others. */
  function rememberNo(path: string, refused: Refused, hops = 0): Refused {
    if (hops > 0 && refused.status === 502) return refused;
    setBounded(noes, path, { until: performance.now() + times.no, refused }, MOST_NOES);
    return refused;
  }

  function knownNo(path: string): Refused | undefined {
    const no = noes.get(path);
    if (no === undefined || performance.now() < no.until) return no?.refused;
    noes.delete(path);
    return undefined;
  }

  function serveHeld(file: PulledFile, more = ''): PulledAsset {
    store.used(file.path);
    counts.held++;
    const reason = `fetched from ${from} at ${new Date(file.fetchedAt).toISOString()}${more}`;
    return { kind: 'held', folder: store.folder, name: file.name, reason };
  }

  /** Whoever asks while one comparison is under way waits for that one. */
  function compare(file: PulledFile, via: string): Promise<Verdict> {
    const { path } = file;
    const known = comparisons.get(path);
    if (known !== undefined) return known;
    const work = askUpstream({ http, from }, { path, via, signal: stop.signal, held: file })
      .then((answer): Verdict => {
        noteAnswer(answer);
        const verdict = judge(answer, file);
        // A server that is away is not asked by each machine anew.
        const valid = verdict === 'same' ? freshFor : Math.min(times.no, freshFor);
        if (verdict === 'same' || verdict === 'unknown')
          setBounded(checkedAt, path, performance.now() - freshFor + valid, MOST_CHECKED);
        return verdict;
      })
      .finally(() => comparisons.delete(path));
    comparisons.set(path, work);
    return work;
  }

  /** What is here, if it may be served. */
  async function findHeld(
    path: string,
    segments: readonly string[],
    via: string,
  ): Promise<PulledAsset | undefined> {
    const file = store.find(path);
    if (file === undefined) return undefined;
    if (!(await store.isThere(file))) {
      await store.drop(path);
      return undefined;
    }
    const at = checkedAt.get(path);
    const isFresh = at !== undefined && performance.now() - at < freshFor;
    if (isFresh || options.isImmutable(segments)) return serveHeld(file);
    const late = sleep(times.comparison, 'unknown' as const, { ref: false });
    const verdict = await Promise.race([compare(file, via), late]);
    switch (verdict) {
      case 'same':
        return serveHeld(file, ', and it is the same there now');
      case 'unknown':
        counts.unchecked++;
        count('pull-through.unchecked');
        return serveHeld(file, '; whether there is a newer one cannot be asked now');
      case 'gone':
        await store.drop(path);
        logger.info({ path }, `${from} has no ${path} any more: it is removed here, too`);
        return rememberNo(path, none());
      case 'other':
        return undefined;
    }
  }

  function begin(path: string, via: string, hops: number): Flight {
    const flight = newFlight(path, hops);
    const began = performance.now();
    flying.set(path, flight);
    counts.fetched++;
    const work = flights.fly(flight, via).then((done) => {
      flying.delete(path);
      running.delete(work);
      if (done === undefined) return noteFailure(path, flight.failure, hops);
      setBounded(checkedAt, path, performance.now(), MOST_CHECKED);
      const ms = Math.round(performance.now() - began);
      return logger.info(
        { path, bytes: done.size, ms, resumed: done.resumed },
        `fetched ${path} from ${from}`,
      );
    });
    flight.landed = work;
    running.add(work);
    return flight;
  }

  function noteFailure(path: string, failure: Refused | undefined, hops: number): void {
    if (failure === undefined || stop.signal.aborted) return;
    const { status, reason } = failure;
    if (status === 504) noteUpstream(false, reason);
    rememberNo(path, failure, hops);
    if (status === 404) return;
    count('pull-through.failed');
    logger.warn({ path }, `${path} could not be fetched: ${reason}`);
  }

  /** Its bytes as they come; a 503 where even its size takes too long. */
  async function follow(flight: Flight): Promise<PulledAsset> {
    const late = sleep(times.size, 'late' as const, { ref: false });
    const sized = await Promise.race([flight.growing.sized, late]);
    if (sized === false) return flight.failure ?? refuse(504, `${from} did not give it`);
    const file = store.find(flight.path);
    // It has just become whole.
    if (flying.get(flight.path) !== flight && file !== undefined) return serveHeld(file);
    const version = flight.growing.current();
    if (sized === 'late' || version === undefined) {
      return refuse(503, `it is being fetched from ${from}, and how long it is has not been said yet`, 2);
    }
    const { etag, 'last-modified': lastModified } = flight.head ?? {};
    return {
      kind: 'growing',
      ...validators(flight.path, { size: version.size, etag, lastModified }),
      reason: `as it comes from ${from}`,
      follow: () => followEither(version, join(store.folder, store.nameOf(flight.path))),
    };
  }

  /** A rack asks for the size of the same file before any of it loads it. */
  function describeOnce(path: string, via: string, hops: number): Promise<PulledAsset> {
    if (hops > 0) return describe(path, via, hops);
    const known = descriptions.get(path);
    if (known !== undefined) return known;
    const work = describe(path, via, hops).finally(() => descriptions.delete(path));
    descriptions.set(path, work);
    return work;
  }

  async function describe(path: string, via: string, hops: number): Promise<PulledAsset> {
    const answer = await askUpstream({ http, from }, { path, via, signal: stop.signal });
    noteAnswer(answer);
    switch (answer.kind) {
      case 'described':
        return { kind: 'described', ...validators(path, answer), reason: `as ${from} describes it` };
      case 'missing':
        return rememberNo(path, none());
      case 'same':
        return refuse(502, `${from} answers 304 to a question without a condition`);
      case 'failed':
        return rememberNo(path, refuse(answer.status, answer.reason), hops);
    }
  }

  /** A tag of our own where there is none: what is kept later has another one. */
  function validators(
    path: string,
    said: {
      readonly size: number;
      readonly etag?: string | undefined;
      readonly lastModified?: string | undefined;
    },
  ) {
    const modified = Date.parse(said.lastModified ?? '');
    return {
      size: said.size,
      etag: strongTag(said.etag) ?? `"pulling-${store.nameOf(path)}-${said.size}"`,
      lastModified: Math.floor((Number.isNaN(modified) ? now() : modified) / 1000) * 1000,
    };
  }

  const none = (): Refused => refuse(404, `it is neither here nor at ${from}`);

  /** A newer one is there and cannot be had: better the older one than none. */
  function serveOlder(path: string): PulledAsset | undefined {
    const file = store.find(path);
    return file === undefined ? undefined : serveHeld(file, '; a newer one could not be fetched');
  }

  async function find(
    segments: readonly string[],
    method: string,
    said: string | undefined,
  ): Promise<PulledAsset> {
    const hops = (said ?? '')
      .split(',')
      .map((hop) => hop.trim())
      .filter((hop) => HOP.test(hop));
    if (hops.some((hop) => hop.includes(self)) || hops.length >= MOST_HOPS) {
      return refuse(
        508,
        `servers fetch from each other in a ring: see assets.pullThrough.from of each (${from} here)`,
      );
    }
    const via = [...hops, `1.1 ${self}`].join(', ');
    const path = `/assets/${segments.map(encodeURIComponent).join('/')}`;
    const joinFlight = (): Promise<PulledAsset> | undefined => {
      const flight = flying.get(path);
      return flight === undefined ? undefined : board(flight);
    };
    const board = async (flight: Flight): Promise<PulledAsset> => {
      counts.joined++;
      const asset = await follow(flight);
      if (asset.kind !== 'refused' || asset.status !== 502 || flight.hops <= hops.length) return asset;
      // Refused for the way that it had come, perhaps, which is not ours.
      await flight.landed;
      return find(segments, method, said);
    };
    const joined = joinFlight() ?? (await findHeld(path, segments, via)) ?? joinFlight();
    if (joined !== undefined) return joined;
    const no = knownNo(path);
    if (no !== undefined) return serveOlder(path) ?? no;
    if (method === 'HEAD') return describeOnce(path, via, hops.length);
    if (flying.size >= options.fetches + MOST_WAITING) {
      return refuse(503, `${flying.size} other files are being fetched from ${from}`, 5);
    }
    const asset = await follow(begin(path, via, hops.length));
    if (asset.kind !== 'refused' || asset.status === 503 || asset.status === 404) return asset;
    return serveOlder(path) ?? asset;
  }

  return {
    async find({ segments, method, via }) {
      const asset = await find(segments, method, via).catch((thrown: unknown) =>
        refuse(502, `it could not be looked for: ${toTinderboxError(thrown).message}`),
      );
      if (asset.kind !== 'refused') return asset;
      counts.refused++;
      count(`pull-through.refused.${asset.status}`);
      return asset;
    },
    state: () => ({
      from,
      files: store.files().length,
      bytes: store.bytes(),
      maxBytes: options.maxBytes,
      fetching: flying.size,
      ...counts,
      ...health,
    }),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.allSettled(running);
      await http[Symbol.asyncDispose]();
    },
  };
}

function refuse(status: Refused['status'], reason: string, retryAfter?: number): Refused {
  return { kind: 'refused', status, reason, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

function judge(answer: UpstreamAnswer, file: PulledFile): Verdict {
  switch (answer.kind) {
    case 'same':
      return 'same';
    case 'missing':
      return 'gone';
    case 'failed':
      return 'unknown';
    case 'described': {
      const { size, etag, lastModified } = answer;
      return size === file.size && etag === file.etag && lastModified === file.lastModified
        ? 'same'
        : 'other';
    }
  }
}

/** Its part, or the file that it has become in this moment. */
async function followEither(version: GrowingVersion, file: string) {
  return version.follow(`${file}.part`).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return version.follow(file);
  });
}

function strongTag(etag: string | undefined): string | undefined {
  return etag !== undefined && /^"[\x21\x23-\x7e]{0,200}"$/.test(etag) ? etag : undefined;
}

/** The oldest goes. */
function setBounded<Value>(map: Map<string, Value>, key: string, value: Value, most: number): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
