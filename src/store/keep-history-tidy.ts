import { toTinderboxError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Store } from './port.ts';

/** Milliseconds between two rounds. */
const ROUND = 60_000;
/** Steps of one round at most: what is left waits for the next, so that a database that shrank its bounds is not busy for long. */
const STEPS = 100;

/** Deletes what is too old or too much, a little at a time, from soon after the start until it is disposed of. */
export function keepHistoryTidy(options: {
  readonly store: Pick<Store, 'tidyHistory'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly logger: Pick<Logger, 'warn'>;
  readonly round?: number;
}): AsyncDisposable {
  const { store, now, logger, round = ROUND } = options;
  const over = new AbortController();
  let underWay: Promise<void> | undefined;
  let said = '';

  async function tidy(): Promise<void> {
    try {
      for (let step = 0; step < STEPS && !over.signal.aborted; step++)
        if (!(await store.tidyHistory(now()))) break;
      said = '';
    } catch (thrown) {
      const { message } = toTinderboxError(thrown);
      // Once of each trouble: a disk that is full is said by what has to be written.
      if (!over.signal.aborted && message !== said) logger.warn(`the history cannot be tidied: ${message}`);
      said = message;
    }
  }

  const timer = setInterval(() => {
    underWay ??= tidy().finally(() => {
      underWay = undefined;
    });
  }, round);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      over.abort();
      clearInterval(timer);
      await underWay;
    },
  };
}
