/** Random numbers that a seed repeats. */
export interface Random {
  /** A whole number from 0 up to, not including, `below`, which is at least 1. */
  below(below: number): number;
  /** Whether something happens that happens once in so many times. */
  oneIn(times: number): boolean;
  pick<T>(list: readonly T[]): T;
}

/** xorshift32 with a Weyl sequence (Marsaglia, "Xorshift RNGs", section 3.1, as in his xorwow): fast, and good enough for choices. */
export function createRandom(seed: number): Random {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  let weyl = seed >>> 0;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    weyl = (weyl + 362437) >>> 0;
    return (state + weyl) >>> 0;
  };
  const below = (limit: number): number => Math.floor((next() / 0x1_0000_0000) * limit);
  return {
    below,
    oneIn: (times) => below(times) === 0,
    pick: (list) => {
      if (list.length === 0) throw new RangeError('there is nothing to pick from');
      return list[below(list.length)] as (typeof list)[number];
    },
  };
}
