const FIRST = 1_000;
const LONGEST = 60_000;

/**
 * Milliseconds before the next try, after so many in vain: doubled each time up to a minute, of that a random half and
 * more, so that daemons that lost the same API server do not come back in step. `random`: 0 to 1.
 */
export function backOff(attempts: number, random: number): number {
  const full = Math.min(LONGEST, FIRST * 2 ** Math.min(attempts, 16));
  return full / 2 + (full / 2) * random;
}
