/**
 * What every bench returns. Samples are one a round, in the order of the rounds, in which all servers took turns: sample
 * n of one server pairs with sample n of another, so that a noisy machine is noisy for both.
 */
export interface BenchTable {
  /** `tftp`, `http`, …: as `npm run bench -- NAME` has it. */
  readonly name: string;
  /** What was done, how often, for how long. */
  readonly title: string;
  readonly points: readonly BenchPoint[];
  /** Sentences that belong below the table: where a limit is, what a figure is not. */
  readonly notes?: readonly string[];
}

/** One kind of work. */
export interface BenchPoint {
  /** `256 clients × 1 MB, block 1468, window 4, loss 0.5 %` */
  readonly work: string;
  readonly unit: 'files/s' | 'MB/s' | 'exchanges/s' | 'requests/s' | 'CPU s/GB' | 'ms' | 's' | 'MiB';
  readonly better: 'higher' | 'lower';
  readonly own: readonly number[];
  /** By the peer's name, with what of it matters: `nginx, 1 worker`. */
  readonly peers: Readonly<Record<string, readonly number[]>>;
  /** How many times as good as the best peer we mean to be: own over peer where higher is better, else peer over own. */
  readonly goal?: number;
  /** The one that `goal` counts against, if it is not the best of them. */
  readonly against?: string;
}
