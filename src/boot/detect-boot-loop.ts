/** How often a machine's ROM came back after it had taken our loader, without iPXE in between. */
export interface LoaderAttempts {
  readonly count: number;
  /** When the loader was last fetched completely, as counted (ms). */
  readonly countedAt: number;
}

/** A ROM that comes back this often after a whole download does not start what it gets. */
export const LOOP_LIMIT = 5;
/** Attempts further apart than this are a person pressing a button. In ms. */
export const LOOP_WINDOW = 10 * 60_000;

export type LoopDecision =
  | {
      readonly looping: false;
      readonly attempts: LoaderAttempts | undefined;
      readonly reasons: readonly string[];
    }
  | { readonly looping: true; readonly attempts: LoaderAttempts; readonly reasons: readonly string[] };

/**
 * Called for each DISCOVER of a ROM. `loaderTakenAt`: when this machine last fetched a whole loader, undefined if it
 * did not or if iPXE answered since.
 */
export function detectBootLoop(
  before: LoaderAttempts | undefined,
  loaderTakenAt: number | undefined,
  now: number,
): LoopDecision {
  if (loaderTakenAt === undefined) return { looping: false, attempts: undefined, reasons: [] };
  // Whichever way: a clock that was set back must not make the window longer.
  const stale = before === undefined || Math.abs(now - before.countedAt) > LOOP_WINDOW;
  const counted = !stale && before.countedAt >= loaderTakenAt;
  const attempts = counted ? before : { count: stale ? 1 : before.count + 1, countedAt: now };
  if (attempts.count < LOOP_LIMIT) {
    const times = attempts.count === 1 ? 'once' : `${attempts.count} times`;
    return {
      looping: false,
      attempts,
      reasons: counted ? [] : [`came back as a ROM ${times} after taking the loader`],
    };
  }
  const minutes = LOOP_WINDOW / 60_000;
  return {
    looping: true,
    attempts,
    reasons: [
      `boot loop: it took the loader ${attempts.count} times and iPXE never answered`,
      `not answered for ${minutes} minutes; is it the right loader for this firmware, or is Secure Boot on?`,
    ],
  };
}
