/** The two may be so far apart: the wall clock counts whole milliseconds, and is slewed a little all the time. */
const TOLERANCE = 2;

/**
 * Microseconds since the epoch from a clock of milliseconds and one that is finer and never jumps: packets of one
 * millisecond keep their distances. Follows the wall clock where that is set.
 */
export function createMicroClock(clock: () => number, uptime: () => number): () => number {
  let offset = clock() - uptime();
  return () => {
    const wall = clock();
    const up = uptime();
    if (Math.abs(up + offset - wall) > TOLERANCE) offset = wall - up;
    return Math.round((up + offset) * 1000);
  };
}
