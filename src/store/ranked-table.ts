import { createOldestFirst } from './oldest-first.ts';

/**
 * 0: a stranger; 1: it asked for a network boot; 2: it got further than anybody gets who only sends packets; 3: the
 * operator named it. Forgotten in this order.
 */
export type Rank = 0 | 1 | 2 | 3;

export interface RankedTable<Key, Entry extends { rank: Rank }> {
  get(key: Key): Entry | undefined;
  /** Adds or moves up: the one seen last, among those of its rank. */
  touch(entry: Entry, rank: Rank): void;
  remove(key: Key): void;
  /** Forgets one: of the lowest rank the one not touched for the longest time. False: there is none. */
  forgetOne(): boolean;
  entries(): Iterable<Entry>;
  size(): number;
}

export interface RankedTableOptions<Key, Entry> {
  /** So many entries at most. */
  readonly limit: number;
  readonly keyOf: (entry: Entry) => Key;
  readonly forgotten: (entry: Entry) => void;
}

/** Entries of machines, bounded: a flood of strangers pushes out strangers. */
export function createRankedTable<Key, Entry extends { rank: Rank }>({
  limit,
  keyOf,
  forgotten,
}: RankedTableOptions<Key, Entry>): RankedTable<Key, Entry> {
  const all = new Map<Key, Entry>();
  type Ranked = Map<Key, Entry>;
  const byRank: readonly [Ranked, Ranked, Ranked, Ranked] = [new Map(), new Map(), new Map(), new Map()];

  /** The one touched last, of whatever rank. */
  let newest: Entry | undefined;

  const oldestByRank = byRank.map((ranked) => createOldestFirst(ranked));

  function forgetOne(): boolean {
    for (const [rank, oldest] of oldestByRank.entries()) {
      const key = oldest();
      const entry = key === undefined ? undefined : all.get(key);
      if (key === undefined || entry === undefined) continue;
      byRank[rank]?.delete(key);
      all.delete(key);
      if (entry === newest) newest = undefined;
      forgotten(entry);
      return true;
    }
    return false;
  }

  return {
    get: (key) => all.get(key),
    touch(entry, rank) {
      // A packet and its answer: it is where it belongs.
      if (entry === newest && entry.rank === rank) return;
      newest = entry;
      const key = keyOf(entry);
      const isNew = !all.has(key);
      // Before it is in, so that it is not the one.
      if (isNew && all.size >= limit) forgetOne();
      if (!isNew) byRank[entry.rank].delete(key);
      entry.rank = rank;
      byRank[rank].set(key, entry);
      if (isNew) all.set(key, entry);
    },
    remove(key) {
      const entry = all.get(key);
      if (entry === undefined) return;
      if (entry === newest) newest = undefined;
      byRank[entry.rank].delete(key);
      all.delete(key);
    },
    forgetOne,
    entries: () => all.values(),
    size: () => all.size,
  };
}
