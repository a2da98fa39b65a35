import { setTimeout as sleep } from 'node:timers/promises';
import type { QueueVerdict } from '../boot/boot-queue.ts';
import { aboutTime, describeTurn, describeWait } from '../boot/describe-queue.ts';
import type { Mac } from '../machine/mac.ts';
import type { BootSession } from '../machine/session.ts';
import type { Answer, BootRequest, RouteDeps } from './answer.ts';
import { originOf, refuse } from './answer.ts';
import { findAsset } from './asset-file.ts';
import { parseAssetPath } from './asset-path.ts';
import type { PullThrough } from './port.ts';

/** What a boot is told that wants its script. */
export type BootTurn =
  /** `reasons`: that it waited. */
  | { readonly kind: 'go'; readonly reasons: readonly string[] }
  | {
      readonly kind: 'wait';
      /** For its screen. */
      readonly message: string;
      /** For its timeline; absent: it says so already. */
      readonly said: string | undefined;
      readonly seconds: number;
    }
  /** Of these files nobody knows yet how large they are. */
  | { readonly kind: 'unknown'; readonly paths: readonly string[] };

/** What was waited for less is no waiting: another machine gave its place back just then. In ms. */
const WORTH_A_WORD = 1_000;

/**
 * Whether a machine may load what its script names now. A machine that loads nothing large from here does not wait.
 * `measured`: what is unknown still is not there, and counts as small.
 */
export function askTurn(
  { queue, assetPaths }: Pick<RouteDeps, 'queue' | 'assetPaths'>,
  { remote }: Pick<BootRequest, 'remote'>,
  mac: Mac,
  session: BootSession,
  measured: boolean,
): BootTurn {
  const paths = queue === undefined ? [] : (assetPaths?.(session) ?? []);
  if (queue === undefined) return { kind: 'go', reasons: [] };
  const unknown = measured ? [] : queue.unknown(paths);
  if (unknown.length > 0) return { kind: 'unknown', paths: unknown };
  const verdict = queue.askForBoot({ mac, address: remote, paths });
  if (verdict === undefined) return { kind: 'go', reasons: [] };
  switch (verdict.kind) {
    case 'go':
      return { kind: 'go', reasons: verdict.isNew ? describeTurnCome(verdict.waited) : [] };
    case 'wait':
      return {
        kind: 'wait',
        message: describeTurn(verdict),
        said: verdict.isNews ? describeWait(verdict) : undefined,
        seconds: verdict.seconds,
      };
    case 'full':
      return {
        kind: 'wait',
        message: `the queue is full: ${verdict.of} machines wait`,
        said: undefined,
        seconds: verdict.seconds,
      };
  }
}

function describeTurnCome(waited: number): readonly string[] {
  return waited < WORTH_A_WORD ? [] : [`it has its turn, after it waited ${aboutTime(waited)}`];
}

/** The other server gives it the size of what is not here. In ms; a script has to come soon. */
const MOST_ASKING = 2_000;

/** Looks how large the files are. What is nowhere, or cannot be asked for now, stays unknown. */
export async function measureFiles(
  { queue, assets, pullThrough }: Pick<RouteDeps, 'queue' | 'assets' | 'pullThrough'>,
  paths: readonly string[],
): Promise<void> {
  await Promise.all(
    paths.map(async (path) => {
      const parsed = parseAssetPath(path);
      if (parsed.kind === 'bad') return;
      const found = await findAsset(assets, parsed.segments);
      const elsewhere = found.kind === 'missing' && pullThrough !== undefined;
      const size =
        found.kind === 'file'
          ? found.file.size
          : elsewhere
            ? await Promise.race([
                sizeElsewhere(pullThrough, parsed.segments),
                sleep(MOST_ASKING, undefined, { ref: false }),
              ])
            : undefined;
      if (size !== undefined) queue?.learn(path, size);
    }),
  );
}

async function sizeElsewhere(
  pullThrough: PullThrough,
  segments: readonly string[],
): Promise<number | undefined> {
  const pulled = await pullThrough.find({ segments, method: 'HEAD', via: undefined });
  if (pulled.kind === 'refused') return undefined;
  if (pulled.kind !== 'held') return pulled.size;
  const found = await findAsset(pulled.folder, [pulled.name]);
  return found.kind === 'file' ? found.file.size : undefined;
}

/** Why all have to wait, for a timeline. */
export function reasonToWait({ queue }: Pick<RouteDeps, 'queue'>): string {
  return `${queue?.places ?? 0} machines load at once (http.queue.downloads); the oldest is the next`;
}

/** A download's place in the queue, given back when it is disposed of. */
export interface DownloadPlace extends Disposable {
  /** What its client is told instead; absent: it may begin. */
  readonly later: Answer | undefined;
  /** The last byte of the file is sent. */
  isWhole(): void;
}

const NO_PLACE: DownloadPlace = {
  later: undefined,
  isWhole: () => undefined,
  [Symbol.dispose]: () => undefined,
};

/** Called with what of a file is to be sent, before the first byte of it is. */
export function admitDownload(
  deps: RouteDeps,
  request: BootRequest,
  segments: readonly string[],
  { start, end }: { readonly start: number; readonly end: number },
  { size }: { readonly size: number },
): DownloadPlace {
  const { queue, journal } = deps;
  if (queue === undefined) return NO_PLACE;
  const path = `/assets/${segments.join('/')}`;
  const download = { remote: request.remote, path, bytes: end - start, size };
  const { verdict, ended } = queue.askForDownload(download, journal);
  if (verdict === undefined || verdict.kind === 'go') {
    let whole = false;
    return {
      later: undefined,
      isWhole() {
        whole = true;
      },
      [Symbol.dispose]: () => ended(whole),
    };
  }
  journal.count('http.queue.later');
  noteLater(deps, request, verdict);
  const where =
    verdict.kind === 'full'
      ? `the queue is full: ${verdict.of} wait`
      : `this download is ${describeTurn(verdict)}`;
  const headers = { 'retry-after': String(verdict.seconds) };
  const later = refuse(503, `${where}; ask again in ${verdict.seconds} s`, headers);
  return { ...NO_PLACE, later };
}

function noteLater(
  deps: RouteDeps,
  request: BootRequest,
  verdict: Exclude<QueueVerdict, { kind: 'go' }>,
): void {
  if (verdict.kind === 'full' || !verdict.isNews) return;
  const mac = request.remote === undefined ? undefined : deps.journal.macAt(request.remote);
  deps.journal.record({
    ...originOf(deps, request),
    kind: 'http.asset',
    outcome: 'noted',
    answered: `503: ${describeWait(verdict)}`,
    reasons: [reasonToWait(deps)],
    queued: true,
    ...(mac === undefined ? {} : { mac }),
  });
}
