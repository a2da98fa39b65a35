import { setTimeout as sleep } from 'node:timers/promises';
import type { TransportFailure } from './explain-transport.ts';

export interface RetryOptions {
  /** Attempts in a row that bring nothing; 5. */
  readonly tries?: number;
  /** Milliseconds before the second attempt; doubled each time. 1 s. */
  readonly pause?: number;
  readonly signal?: AbortSignal | undefined;
  /** What failed, and in how many milliseconds it is tried again. */
  readonly onRetry?: (failure: TransportFailure, pause: number) => void;
}

export type Attempt<Value> =
  | { readonly kind: 'done'; readonly value: Value }
  /** `progressed`: it brought something, and the tries count anew. */
  | { readonly kind: 'failed'; readonly failure: TransportFailure; readonly progressed?: boolean };

const MOST_PAUSE = 30_000;

/** Until an attempt is done, or fails for good, or fails too often. Throws its TinderboxError. */
export async function tryAgain<Value>(
  attempt: () => Promise<Attempt<Value>>,
  { tries = 5, pause = 1_000, signal, onRetry }: RetryOptions = {},
): Promise<Value> {
  for (let failures = 0; ; ) {
    const outcome = await attempt();
    if (outcome.kind === 'done') return outcome.value;
    const { failure } = outcome;
    failures = outcome.progressed === true ? 1 : failures + 1;
    signal?.throwIfAborted();
    if (!failure.again || failures >= tries) throw failure.error;
    const wait = failure.after ?? Math.min(pause * 2 ** (failures - 1), MOST_PAUSE);
    onRetry?.(failure, wait);
    await sleep(wait, undefined, signal === undefined ? {} : { signal });
  }
}
