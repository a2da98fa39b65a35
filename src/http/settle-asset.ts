import { setTimeout as sleep } from 'node:timers/promises';
import { type FoundAsset, findAsset } from './asset-file.ts';

/**
 * A file younger than this may still be being written (truncated first, as `cp` does), and the kernel's file times
 * tick in steps of up to 10 ms: within one step two versions of one size look the same. In ms.
 */
const SETTLE_TIME = 100;
/** For so many looks; who writes for longer is told to clients, who ask again. */
const MAX_LOOKS = 20;

/**
 * As findAsset, but a file that was written to a moment ago is waited for. `unsettled`: somebody still writes to it in
 * place. `now` is the time of day, as files have it.
 */
export async function findSettledAsset(
  root: string,
  segments: readonly string[],
  now: () => number,
): Promise<FoundAsset | { readonly kind: 'unsettled' }> {
  for (let look = 0; look < MAX_LOOKS; look++) {
    const found = await findAsset(root, segments);
    if (found.kind !== 'file') return found;
    const age = now() - found.file.modifiedAt;
    // Younger than now by much: another clock, not a fresh edit.
    if (age >= SETTLE_TIME || age < -1000) return found;
    await sleep(SETTLE_TIME - Math.max(age, 0));
  }
  return { kind: 'unsettled' };
}
