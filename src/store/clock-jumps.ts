/** Corrections of a clock that runs well are far below. In ms. */
const SMALLEST = 30_000;
/** In ms. */
const SOON = 1_000;

export interface ClockJumpsOptions {
  /** The time of day: milliseconds since the epoch. */
  readonly clock: () => number;
  /** Milliseconds that never jump. */
  readonly uptime: () => number;
  /** Called with how far the clock was set, in ms; negative: back. */
  readonly jumped: (step: number) => void;
}

/**
 * To be called before times of the clock are compared: whoever keeps such times moves them by each jump, so that what
 * lasts an hour lasts an hour, whatever becomes of the time of day meanwhile (a host without a battery that finds its
 * time server after machines have booted). No timer: a comparison is what a jump would spoil.
 */
export function followClock({ clock, uptime, jumped }: ClockJumpsOptions): () => void {
  let difference = clock() - uptime();
  let lookedAt = Number.NaN;
  return () => {
    const at = clock();
    // A dozen ask while one packet is answered, and the other clock is the dear one. So soon after a look no jump is missed:
    // it would take the clock out of this second.
    if (at >= lookedAt && at - lookedAt < SOON) return;
    lookedAt = at;
    const now = at - uptime();
    const step = Math.round(now - difference);
    if (Math.abs(step) < SMALLEST) return;
    difference = now;
    jumped(step);
  };
}
