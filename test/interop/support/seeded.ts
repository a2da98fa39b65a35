import { randomInt } from 'node:crypto';

/** Numbers from 0 to below 1 that come again with the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Another one each time; TINDERBOX_SEED repeats a run. To be printed. */
export function chooseSeed(): number {
  const given = Number(process.env['TINDERBOX_SEED']);
  return Number.isInteger(given) && given > 0 ? given : randomInt(1, 2 ** 31);
}
