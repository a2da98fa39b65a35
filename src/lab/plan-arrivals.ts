/** When the machines of a storm are switched on. */
export type ArrivalPattern =
  | { readonly kind: 'all-at-once' }
  /** `perSecond` of them, evenly. */
  | { readonly kind: 'rate'; readonly perSecond: number }
  /** As many on average, each independent of the others: a hall where people press buttons. */
  | { readonly kind: 'poisson'; readonly perSecond: number }
  /** All of them within so many milliseconds, evenly. */
  | { readonly kind: 'over'; readonly ms: number }
  /** So many under way; when one is up, or has failed, the next is switched on: what a server can carry for good. */
  | { readonly kind: 'rolling'; readonly underWay: number };

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** `all-at-once`, `50/s`, `poisson:50/s`, `over:60s`, `rolling:500`; undefined for anything else. */
export function parseArrivals(text: string): ArrivalPattern | undefined {
  if (text === 'all-at-once') return { kind: text };
  const rate = /^(poisson:)?(\d+(?:\.\d+)?)\/(s|m)$/.exec(text);
  if (rate !== null) {
    const perSecond = Number(rate[2]) / (rate[3] === 'm' ? 60 : 1);
    return perSecond > 0 ? { kind: rate[1] === undefined ? 'rate' : 'poisson', perSecond } : undefined;
  }
  const rolling = /^rolling:([1-9]\d{0,4})$/.exec(text);
  if (rolling !== null) return { kind: 'rolling', underWay: Number(rolling[1]) };
  const over = /^over:(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (over === null) return undefined;
  return { kind: 'over', ms: Number(over[1]) * UNITS[over[2] as keyof typeof UNITS] };
}

/** Milliseconds after the start, one a machine, never falling: the soonest that it is switched on. `random` gives 0 up to, but not, 1. */
export function planArrivals(
  pattern: ArrivalPattern,
  machines: number,
  random: () => number,
): readonly number[] {
  const each = (at: (index: number) => number) => Array.from({ length: machines }, (_, index) => at(index));
  switch (pattern.kind) {
    case 'all-at-once':
    case 'rolling':
      return each(() => 0);
    case 'rate':
      return each((index) => (index * 1000) / pattern.perSecond);
    case 'over':
      return each((index) => (index * pattern.ms) / machines);
    case 'poisson': {
      let at = 0;
      // The pauses of a Poisson process are exponential.
      return each(() => (at += (-Math.log(1 - random()) * 1000) / pattern.perSecond));
    }
  }
}

export function describeArrivals(pattern: ArrivalPattern): string {
  switch (pattern.kind) {
    case 'all-at-once':
      return 'all at once';
    case 'rate':
      return `${round(pattern.perSecond)} a second`;
    case 'poisson':
      return `${round(pattern.perSecond)} a second on average`;
    case 'over':
      return `over ${round(pattern.ms / 1000)} s`;
    case 'rolling':
      return `${pattern.underWay} under way at a time`;
  }
}

function round(value: number): string {
  return String(Number(value.toPrecision(3)));
}
