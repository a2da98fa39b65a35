/** Before anything is measured. TFTP 5: near 300 ms, not seconds. */
const FIRST = 300;
/** A client that answers at once is still given the time of a few scheduler ticks. */
const LEAST = 40;
/** Between two resends; and where the client asked for a `timeout`, that if it is less than MOST_ASKED. */
const MOST = 2_000;
const MOST_ASKED = 5_000;
/** Longer than the timers of clients that ask for no `timeout`: atftp and tftp-hpa wait 5 s. */
const SILENCE = 6_000;

/** When to send again, as TCP does it (RFC 6298): the smoothed round trip, and how much it varies. Milliseconds. */
export interface RoundTrip {
  /** -1 until measured. */
  smoothed: number;
  variation: number;
  /** Doubles with each resend, back to 1 with a measurement. */
  factor: number;
  readonly most: number;
  /** The client has negotiated a timeout. */
  readonly asked: boolean;
}

/** `timeout`: seconds, as negotiated (TFTP 5: it bounds the timer from above), or undefined. */
export function createRoundTrip(timeout: number | undefined): RoundTrip {
  return {
    smoothed: -1,
    variation: 0,
    factor: 1,
    most: timeout === undefined ? MOST : Math.min(timeout * 1000, MOST_ASKED),
    asked: timeout !== undefined,
  };
}

/** Milliseconds from sending to resending. */
export function retransmitAfter(trip: RoundTrip): number {
  const base = trip.smoothed < 0 ? FIRST : Math.max(LEAST, trip.smoothed + 4 * trip.variation);
  return Math.min(trip.most, base * trip.factor);
}

/** An answer came after `elapsed` to what was sent once. */
export function sampleRoundTrip(trip: RoundTrip, elapsed: number): void {
  trip.factor = 1;
  if (trip.smoothed < 0) {
    trip.smoothed = elapsed;
    trip.variation = elapsed / 2;
    return;
  }
  trip.variation += (Math.abs(trip.smoothed - elapsed) - trip.variation) / 4;
  trip.smoothed += (elapsed - trip.smoothed) / 8;
}

/** Nothing came: twice as long the next time. */
export function backOff(trip: RoundTrip): void {
  if (retransmitAfter(trip) < trip.most) trip.factor *= 2;
}

/** Whether resends are as far apart as they get. */
export function isBackedOff(trip: RoundTrip): boolean {
  return retransmitAfter(trip) >= trip.most;
}

/** A pause in which the client's own timer runs out; no longer than the `timeout` that was negotiated. Milliseconds. */
export function silenceAfter(trip: RoundTrip): number {
  return trip.asked ? trip.most : SILENCE;
}
