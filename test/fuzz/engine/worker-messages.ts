import type { Finding, FuzzResult, Progress } from './run-fuzz.ts';

export interface WorkerOrder {
  readonly target: string;
  readonly aims: readonly string[];
  readonly seed: number;
  readonly milliseconds: number;
  /** Executions after which it ends, too. */
  readonly runs?: number;
  readonly window: SharedArrayBuffer;
}

export type FromWorker =
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'finding'; readonly finding: Finding }
  | { readonly kind: 'done'; readonly result: FuzzResult; readonly seconds: number };
