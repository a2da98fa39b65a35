import { statfs } from 'node:fs/promises';
import { TinderboxError } from '../errors.ts';

/** What stays free whatever is fetched: the links, the lists, and what others write meanwhile. */
const KEPT_FREE = 1024 * 1024;

export interface SpaceBudget {
  /** For one file. Throws TinderboxError `unavailable` if it would not fit beside those that are being fetched. */
  reserve(bytes: number, name: string): Promise<SpaceClaim>;
}

export interface SpaceClaim extends Disposable {
  /** So much of it is on the disk now. */
  wrote(bytes: number): void;
}

/** Downloads that run at once share one disk: what each has still to write counts as taken. */
export function createSpaceBudget(folder: string): SpaceBudget {
  let promised = 0;
  return {
    async reserve(bytes, name) {
      promised += bytes;
      let left = bytes;
      const { bavail, bsize } = await statfs(folder);
      const free = bavail * bsize - KEPT_FREE;
      if (promised > free) {
        promised -= bytes;
        throw diskFull(folder, `${name} has ${bytes} bytes, and ${Math.max(0, free)} are free`);
      }
      const take = (count: number): void => {
        const taken = Math.min(count, left);
        left -= taken;
        promised -= taken;
      };
      return { wrote: take, [Symbol.dispose]: () => take(left) };
    },
  };
}

export function diskFull(folder: string, why: string, cause?: unknown): TinderboxError {
  return new TinderboxError('unavailable', `the disk that holds ${folder} is full: ${why}`, {
    cause,
    remedy:
      'Make room (tinderbox assets prune removes old versions), then pull again: it goes on where it ended.',
  });
}
