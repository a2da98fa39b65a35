import type { BenchPoint } from './bench-table.ts';

/** The middle one, and the outermost. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface PeerComparison {
  readonly name: string;
  readonly spread: Spread;
  /** How many times as good as the peer we are, pair by pair: above 1 we are better, whichever way better is. */
  readonly ratio: Spread;
}

export interface PointComparison {
  readonly own: Spread;
  readonly peers: readonly PeerComparison[];
  /** The peer that `goal` counts against: the one the point names, else the best of them. Undefined without peers. */
  readonly against?: PeerComparison;
  /** Undefined where there is no goal, or nobody to compare with. */
  readonly reached?: boolean;
}

/** Throws RangeError where there is nothing to take the middle of. */
export function spreadOf(samples: readonly number[]): Spread {
  const sorted = samples.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const [low, high, upper] = [sorted[0], sorted.at(-1), sorted[half]];
  if (low === undefined || high === undefined || upper === undefined) throw new RangeError('no samples');
  const median = sorted.length % 2 === 1 ? upper : (upper + (sorted[half - 1] as number)) / 2;
  return { median, low, high };
}

/** Throws RangeError where a server has no samples, or another number of them than we have. */
export function comparePoint(point: BenchPoint): PointComparison {
  const own = spreadOf(point.own);
  const peers = Object.entries(point.peers).map(([name, samples]): PeerComparison => {
    if (samples.length !== point.own.length) {
      throw new RangeError(
        `${point.work}: ${name} has ${samples.length} samples, Tinderbox ${point.own.length}`,
      );
    }
    const ratios = samples.map((theirs, round) => ratioOf(point, point.own[round] as number, theirs));
    return { name, spread: spreadOf(samples), ratio: spreadOf(ratios) };
  });
  const against = point.against === undefined ? hardest(peers) : find(point, peers, point.against);
  if (against === undefined) return { own, peers };
  const { goal } = point;
  return { own, peers, against, ...(goal === undefined ? {} : { reached: against.ratio.median >= goal }) };
}

/** What lost everything is infinitely worse; where both did, neither is better. */
function ratioOf({ better }: BenchPoint, own: number, theirs: number): number {
  const [over, under] = better === 'higher' ? [own, theirs] : [theirs, own];
  if (over === under) return 1;
  return under === 0 ? Number.POSITIVE_INFINITY : over / under;
}

function hardest(peers: readonly PeerComparison[]): PeerComparison | undefined {
  return peers.toSorted((a, b) => a.ratio.median - b.ratio.median)[0];
}

function find(point: BenchPoint, peers: readonly PeerComparison[], name: string): PeerComparison {
  const found = peers.find((peer) => peer.name === name);
  if (found === undefined) throw new RangeError(`${point.work}: nobody is called ${name}`);
  return found;
}
