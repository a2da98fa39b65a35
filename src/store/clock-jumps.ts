/** Corrections of a clock that runs well are far below. In ms. */
const SMALLEST = 30_000;

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
  return () => {
    const now = clock() - uptime();
    const step = Math.round(now - difference);
    if (Math.abs(step) < SMALLEST) return;
    difference = now;
    jumped(step);
  };
}
