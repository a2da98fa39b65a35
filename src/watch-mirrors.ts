import { type AssetMirror, describePlace } from './boot/choose-mirrors.ts';
import { TinderboxError } from './errors.ts';
import { findAsset } from './http/asset-file.ts';
import { parseAssetPath } from './http/asset-path.ts';
import { explainTransport } from './images/explain-transport.ts';
import { type HttpSource, openHttp } from './images/http-get.ts';
import type { Logger } from './logger.ts';

export interface MirrorState {
  readonly url: string;
  /** `relay 10.78.0.1` */
  readonly place: string;
  /** `unknown`: it was not asked yet, and is used. */
  readonly state: 'up' | 'down' | 'unknown';
  /** When it came into this state; milliseconds since the epoch. */
  readonly since: number;
  /** Why it is down. */
  readonly reason?: string;
  /** Files that it lacks, or has other ones of: who needs them is sent here. */
  readonly lacks: readonly string[];
}

export interface MirrorWatch extends AsyncDisposable {
  /** Asks them now and then from here on. */
  start(): void;
  /** Why a mirror is not to be used for these files (`/assets/…`); undefined: it is. They are asked for from then on. */
  troubleOf(mirror: AssetMirror, paths?: readonly string[]): string | undefined;
  /** Somebody who was sent there came here: it is asked soon. */
  doubt(url: string): void;
  states(): readonly MirrorState[];
  /** One look at each, for tests. */
  look(): Promise<void>;
}

export interface MirrorWatchOptions {
  readonly mirrors: readonly AssetMirror[];
  /** The folder that `/assets` serves here. */
  readonly assets: string;
  readonly count: (name: string) => void;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** In ms. One question each time: a mirror's own log has to stay legible. */
const INTERVAL = 30_000;
/** While one is down or behind: its machines fetch from afar. */
const INTERVAL_DOWN = 5_000;
const INTERVAL_BEHIND = 10_000;
/** After a miss, and when something new is to be known. */
const SOON = 1_000;
const TIMES = { connect: 3_000, headers: 5_000, stall: 5_000 };
/** One packet that is lost is no dead mirror. */
const MISSES_ALLOWED = 1;
/** Of each mirror, the newest. */
const MOST_PATHS = 64;
const MOST_AT_ONCE = 8;

interface Known {
  readonly mirror: AssetMirror;
  state: MirrorState['state'];
  since: number;
  reason?: string;
  misses: number;
  /** What was asked for, and what is wrong with it there: '' nothing, undefined: not known yet. */
  readonly paths: Map<string, string | undefined>;
}

type Answer =
  | { readonly kind: 'silent'; readonly reason: string }
  | { readonly kind: 'whole' }
  | { readonly kind: 'lacks'; readonly what: string };

/** Which mirrors answer, and whether they have what their machines need. With none configured nothing is opened. */
export function watchMirrors(options: MirrorWatchOptions): MirrorWatch {
  const { logger, now, count } = options;
  const known = new Map<string, Known>(
    options.mirrors.map((mirror) => [
      keyOf(mirror),
      { mirror, state: 'unknown', since: now(), misses: 0, paths: new Map() },
    ]),
  );
  const stop = new AbortController();
  let http: Promise<HttpSource> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let due = Number.POSITIVE_INFINITY;
  let running: Promise<void> | undefined;
  let started = false;

  function lookWithin(ms: number): void {
    if (!started || stop.signal.aborted || performance.now() + ms >= due) return;
    clearTimeout(timer);
    due = performance.now() + ms;
    timer = setTimeout(() => {
      due = Number.POSITIVE_INFINITY;
      void look().finally(() => {
        const all = [...known.values()];
        const isMissed = all.some(({ misses, state }) => misses > 0 && state !== 'down');
        const isDown = all.some(({ state }) => state === 'down');
        const isBehind = all.some(({ paths }) =>
          [...paths.values()].some((trouble) => (trouble ?? '') !== ''),
        );
        lookWithin(isMissed ? SOON : isDown ? INTERVAL_DOWN : isBehind ? INTERVAL_BEHIND : INTERVAL);
      });
    }, ms);
    timer.unref();
  }

  function look(): Promise<void> {
    running ??= lookAtAll().finally(() => {
      running = undefined;
    });
    return running;
  }

  async function lookAtAll(): Promise<void> {
    http ??= openHttp({ times: TIMES, redirects: 'same-host' });
    const source = await http;
    const waiting = [...known.values()];
    const work = async (): Promise<void> => {
      for (let one = waiting.shift(); one !== undefined && !stop.signal.aborted; one = waiting.shift())
        await lookAt(one, source);
    };
    await Promise.all(Array.from({ length: MOST_AT_ONCE }, work));
  }

  /** All that is not known yet, else the one that was asked for the longest ago. */
  async function lookAt(one: Known, source: HttpSource): Promise<void> {
    const unknown = [...one.paths].flatMap(([path, trouble]) => (trouble === undefined ? [path] : []));
    const wrong = [...one.paths].flatMap(([path, trouble]) => ((trouble ?? '') === '' ? [] : [path]));
    const [oldest] = one.paths.keys();
    const paths = unknown.length > 0 ? unknown : [...new Set([oldest, ...wrong])].slice(0, MOST_AT_ONCE);
    for (const path of paths) {
      const answer = await ask(source, one.mirror.url, path);
      if (stop.signal.aborted) return;
      if (answer.kind === 'silent') return noteMiss(one, answer.reason);
      noteAnswer(one);
      if (path !== undefined) notePath(one, path, answer.kind === 'lacks' ? answer.what : '');
    }
  }

  async function ask(source: HttpSource, url: string, path: string | undefined): Promise<Answer> {
    const target = `${url}${path ?? '/healthz'}`;
    try {
      const { status, headers, body } = await source.get(target, { method: 'HEAD', signal: stop.signal });
      body.on('error', () => undefined).destroy();
      if (status >= 500) return { kind: 'silent', reason: `${target} was answered with ${status}` };
      if (path === undefined) return { kind: 'whole' };
      if (status !== 200) return { kind: 'lacks', what: `it answers ${status} for ${path}` };
      const [there, here] = [Number(headers['content-length']), await sizeHere(path)];
      return here === undefined || there === here
        ? { kind: 'whole' }
        : { kind: 'lacks', what: `its ${path} has ${there} bytes, and ours ${here}` };
    } catch (thrown) {
      const error = thrown instanceof TinderboxError ? thrown : explainTransport(thrown, target).error;
      return { kind: 'silent', reason: error.message };
    }
  }

  async function sizeHere(path: string): Promise<number | undefined> {
    const parsed = parseAssetPath(path);
    if (parsed.kind === 'bad') return undefined;
    const found = await findAsset(options.assets, parsed.segments);
    return found.kind === 'file' ? found.file.size : undefined;
  }

  function noteMiss(one: Known, reason: string): void {
    one.misses++;
    if (one.misses <= MISSES_ALLOWED) return;
    if (one.state !== 'down') {
      one.state = 'down';
      one.since = now();
      count('mirrors.down');
      logger.warn(
        { mirror: one.mirror.url, reason },
        `the mirror ${one.mirror.url} (${describePlace(one.mirror)}) does not answer: its machines fetch from here until it is back`,
      );
    }
    one.reason = reason;
  }

  function noteAnswer(one: Known): void {
    one.misses = 0;
    if (one.state === 'up') return;
    if (one.state === 'down') logger.info({ mirror: one.mirror.url }, `the mirror ${one.mirror.url} is back`);
    one.state = 'up';
    one.since = now();
    delete one.reason;
  }

  function notePath(one: Known, path: string, trouble: string): void {
    const before = one.paths.get(path);
    if (!one.paths.delete(path)) return;
    one.paths.set(path, trouble);
    if (trouble === '' || before === trouble) return;
    count('mirrors.other-files');
    logger.warn(
      { mirror: one.mirror.url, path },
      `the mirror ${one.mirror.url} has not what is here: ${trouble}`,
    );
  }

  return {
    start() {
      started = true;
      if (known.size > 0) lookWithin(0);
    },
    troubleOf(mirror, paths = []) {
      const one = known.get(keyOf(mirror));
      if (one === undefined) return undefined;
      for (const path of paths) {
        if (one.paths.has(path)) continue;
        const [oldest] = one.paths.keys();
        if (one.paths.size >= MOST_PATHS && oldest !== undefined) one.paths.delete(oldest);
        one.paths.set(path, undefined);
        lookWithin(SOON);
      }
      if (one.state === 'down')
        return `it does not answer since ${new Date(one.since).toISOString()} (${one.reason})`;
      return paths.map((path) => one.paths.get(path) ?? '').find((trouble) => trouble !== '');
    },
    doubt(url) {
      if ([...known.values()].some((one) => one.mirror.url === url && one.state !== 'down')) lookWithin(SOON);
    },
    states: () =>
      [...known.values()].map(({ mirror, state, since, reason, paths }) => ({
        url: mirror.url,
        place: describePlace(mirror),
        state,
        since,
        ...(reason === undefined ? {} : { reason }),
        lacks: [...paths.values()].filter((trouble): trouble is string => (trouble ?? '') !== ''),
      })),
    look,
    async [Symbol.asyncDispose]() {
      stop.abort();
      clearTimeout(timer);
      await running?.catch(() => undefined);
      await (await http)?.[Symbol.asyncDispose]();
    },
  };
}

/** One server may be the mirror of several places. */
function keyOf(mirror: AssetMirror): string {
  return `${mirror.url} ${describePlace(mirror)}`;
}
