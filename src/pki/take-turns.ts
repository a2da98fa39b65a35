import { setImmediate } from 'node:timers/promises';
import { TinderboxError } from '../errors.ts';

export interface Turns {
  /** Runs the job when its turn comes; throws TinderboxError `busy` when too many wait already, and what the job throws. */
  run<T>(job: () => Promise<T>): Promise<T>;
  readonly waiting: number;
}

/**
 * One job after the other, with a turn of the event loop before each: a rack that asks at once is a burst of
 * milliseconds each, and packets are answered in between.
 */
export function createTurns({ what, maxWaiting }: { what: string; maxWaiting: number }): Turns {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  return {
    async run(job) {
      if (waiting >= maxWaiting) {
        throw new TinderboxError('busy', `${waiting} ${what} are waiting to be made`, {
          remedy: 'Try again in some seconds.',
        });
      }
      waiting += 1;
      const mine = last.then(async () => {
        await setImmediate();
        waiting -= 1;
        return job();
      });
      last = mine.catch(() => undefined);
      return mine;
    },
    get waiting() {
      return waiting;
    },
  };
}
