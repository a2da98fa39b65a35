import { readdirSync, readFileSync, statSync } from 'node:fs';

/** Of one process and its database, at one moment. */
export interface Sample {
  /** Milliseconds since this life of the daemon was ready. */
  readonly age: number;
  readonly life: number;
  /** Bytes. */
  readonly rss: number;
  readonly fds: number;
  readonly database: number;
  readonly wal: number;
}

/** Undefined if the process is gone. `database` is its file, as this process sees it. */
export function takeSample(
  pid: number,
  database: string,
  life: Pick<Sample, 'age' | 'life'>,
): Sample | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const rss = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
    // A process that is being replaced or has ended has no memory any more.
    if (rss === 0) return undefined;
    const fds = readdirSync(`/proc/${pid}/fd`).length;
    return { ...life, rss, fds, database: sizeOf(database), wal: sizeOf(`${database}-wal`) };
  } catch {
    return undefined;
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    min: sorted[0] ?? 0,
    median: sorted[Math.floor(sorted.length / 2)] ?? 0,
    max: sorted.at(-1) ?? 0,
  };
}

/** Bytes, unless told. */
export interface GrowthBounds {
  readonly rss: number;
  /** How much more a life may have at its end than after its warm-up. */
  readonly rssGrowth: number;
  /** A number. */
  readonly fds: number;
  readonly database: number;
  readonly wal: number;
  /** Milliseconds of a life in which memory is still being filled: caches, compiled code. */
  readonly warmUp: number;
}

/** A life shorter than this says nothing of growth. In samples after the warm-up. */
const FEWEST = 60;

/** What has grown beyond its bounds, in words; empty where nothing has. */
export function findGrowth(samples: readonly Sample[], bounds: GrowthBounds): readonly string[] {
  const found: string[] = [];
  for (const key of ['rss', 'fds', 'database', 'wal'] as const) {
    const { max } = spreadOf(samples.map((sample) => sample[key]));
    if (max > bounds[key]) found.push(`${key} reached ${max}, and its bound is ${bounds[key]}`);
  }
  for (const life of new Set(samples.map((sample) => sample.life))) {
    const warm = samples.filter((sample) => sample.life === life && sample.age >= bounds.warmUp);
    if (warm.length < FEWEST) continue;
    const quarter = Math.floor(warm.length / 4);
    const median = (part: readonly Sample[]): number => spreadOf(part.map(({ rss }) => rss)).median;
    const grown = median(warm.slice(-quarter)) - median(warm.slice(0, quarter));
    if (grown > bounds.rssGrowth)
      found.push(
        `rss of life ${life} grew by ${grown} bytes after its warm-up, and may by ${bounds.rssGrowth}`,
      );
  }
  return found;
}
