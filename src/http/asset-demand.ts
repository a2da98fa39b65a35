/** How often files were asked for lately. */
export interface AssetDemand {
  /** Somebody wants all of it. */
  note(name: string): void;
  /** In the last one to two minutes. */
  of(name: string): number;
}

const PERIOD = 60_000;
/** Of more files the ones that were asked for first are forgotten. */
const MAX_NAMES = 1_024;

/** `clock`: milliseconds. Two periods are counted, of which the older is forgotten as a whole. */
export function createAssetDemand(clock: () => number): AssetDemand {
  let current = new Map<string, number>();
  let before = new Map<string, number>();
  let began = clock();

  const turn = (): void => {
    const age = clock() - began;
    // A clock that was set back begins anew, too.
    if (age >= 0 && age < PERIOD) return;
    before = age >= 0 && age < 2 * PERIOD ? current : new Map();
    current = new Map();
    began = clock();
  };
  return {
    note(name) {
      turn();
      const count = (current.get(name) ?? 0) + 1;
      const [oldest] = current.keys();
      if (count === 1 && current.size >= MAX_NAMES && oldest !== undefined) current.delete(oldest);
      current.set(name, count);
    },
    of(name) {
      turn();
      return (current.get(name) ?? 0) + (before.get(name) ?? 0);
    },
  };
}
