/** Whoever waits is to see an operator's hand on the queue soon. In seconds. */
const [SOONEST, LATEST] = [2, 15] as const;
/** As many questions a second cost this server nothing that anybody would notice. */
const ASKS_PER_SECOND = 100;

export interface ReleaseFacts {
  readonly places: number;
  /** How long each place is held by now, in ms; more than `places` where boots go on that had their turn. */
  readonly ages: readonly number[];
  /** How long places were held of late. */
  readonly held: readonly number[];
  /** 1: whose turn is next. */
  readonly turn: number;
}

/**
 * When the place of a turn is likely free, in ms: every place is held as long as those of late were on average, one after
 * the other. Undefined: none was given back yet.
 */
export function timeUntilRelease({ places, ages, held, turn }: ReleaseFacts): number | undefined {
  if (held.length === 0 || places < 1) return undefined;
  const typical = held.reduce((sum, time) => sum + time, 0) / held.length;
  const remaining = ages.map((age) => Math.max(0, typical - age)).toSorted((a, b) => a - b);
  // Beyond the places nobody is let in for one that is given back.
  const counted = remaining.slice(Math.max(0, remaining.length - places));
  const free = places - counted.length;
  const rounds = Math.floor((turn - 1) / places);
  const place = (turn - 1) % places;
  const first = place < free ? 0 : (counted[place - free] ?? 0);
  return Math.round(first + rounds * typical);
}

/**
 * Sooner the nearer its turn is, so that a free place is not long without anybody; and not all at once: neighbours in the
 * queue come a second apart.
 */
export function secondsUntilNext(position: number, estimate: number | undefined, waiting: number): number {
  const near = estimate === undefined ? SOONEST * 2 : estimate / 4_000;
  const seconds = Math.min(LATEST, Math.max(SOONEST, near));
  // So many ask as often as they like, however long the queue behind them is.
  const least = position <= ASKS_PER_SECOND ? 0 : waiting / ASKS_PER_SECOND;
  return Math.ceil(Math.max(seconds, least)) + (position % 3);
}
