import { replaceBytes } from './mutate-bytes.ts';

const NOTHING = new Uint8Array(0);

/**
 * The smallest input found that still breaks in the same way: pieces are left out, halves first (delta debugging), then
 * bytes become the plainest that will do. `breaks` is asked at most `budget` times.
 */
export async function minimize(
  input: Uint8Array,
  breaks: (candidate: Uint8Array) => Promise<boolean>,
  budget = 2_000,
): Promise<Uint8Array> {
  const state = { best: input, left: budget };
  const tries = async (candidate: Uint8Array): Promise<boolean> => {
    if (state.left <= 0) return false;
    state.left--;
    if (!(await breaks(candidate))) return false;
    state.best = candidate;
    return true;
  };
  for (let size = state.best.length >> 1; size >= 1 && state.left > 0; size = size === 1 ? 0 : size >> 1) {
    for (let at = state.best.length - size; at >= 0; at -= size) {
      if (at + size <= state.best.length) await tries(replaceBytes(state.best, at, at + size, NOTHING));
    }
  }
  for (const plain of [0, 0x61]) {
    for (let at = 0; at < state.best.length && state.left > 0; at++) {
      if (state.best[at] !== 0 && state.best[at] !== 0x61)
        await tries(replaceBytes(state.best, at, at + 1, Uint8Array.of(plain)));
    }
  }
  return state.best;
}
