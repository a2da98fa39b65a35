import { followClock } from './clock-jumps.ts';

/** A machine boots, or renews its lease, more often: in ms. */
const LONGEST_SILENCE = 86_400_000;

export interface TrustClockOptions {
  /** The time of day when this began, and of what was recorded last before. Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly lastRecord: number | undefined;
  /** How long a time that was set has to last, in ms of `uptime`. */
  readonly settle: number;
  /** Milliseconds that never jump. */
  readonly uptime: () => number;
}

/**
 * Whether this time of day may delete what is old: not when it was set a moment ago, nor when it began far ahead of what
 * was recorded last. A host that takes a wrong year from its time server would lose its whole history within a minute.
 */
export function trustClock({
  startedAt,
  lastRecord,
  settle,
  uptime,
}: TrustClockOptions): (now: number) => boolean {
  let time = startedAt;
  const isAhead = lastRecord !== undefined && startedAt - lastRecord > LONGEST_SILENCE;
  let since = isAhead ? uptime() : Number.NEGATIVE_INFINITY;
  const follow = followClock({
    clock: () => time,
    uptime,
    jumped() {
      since = uptime();
    },
  });
  return (now) => {
    time = now;
    follow();
    return uptime() - since >= settle;
  };
}
