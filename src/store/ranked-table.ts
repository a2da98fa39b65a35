/**
 * 0: a stranger; 1: it asked for a network boot; 2: it got further than anybody gets who only sends packets; 3: the
 * operator named it. Forgotten in this order.
 */
export type Rank = 0 | 1 | 2 | 3;

/** What the table keeps on an entry: where it stands. A Map for each rank, moved through by each packet, costs more than both its neighbours. */
export interface Ranked<Entry> {
  rank: Rank;
  isListed: boolean;
  older: Entry | undefined;
  newer: Entry | undefined;
}

/** Of a new entry, for the table alone to change. */
export function unlisted(): { rank: Rank; isListed: boolean; older: undefined; newer: undefined } {
  return { rank: 0, isListed: false, older: undefined, newer: undefined };
}

export interface RankedTable<Key, Entry extends Ranked<Entry>> {
  get(key: Key): Entry | undefined;
  /** Adds or moves up: the one seen last, among those of its rank. */
  touch(entry: Entry, rank: Rank): void;
  remove(key: Key): void;
  /** Forgets one: of the lowest rank the one not touched for the longest time, but never `except`. False: there is none. */
  forgetOne(except?: Entry): boolean;
  entries(): Iterable<Entry>;
  size(): number;
}

export interface RankedTableOptions<Key, Entry> {
  /** So many entries at most. */
  readonly limit: number;
  readonly keyOf: (entry: Entry) => Key;
  readonly forgotten: (entry: Entry) => void;
}

/** Entries of one rank, the one touched last at the end. */
interface List<Entry> {
  oldest: Entry | undefined;
  newest: Entry | undefined;
}

function newList<Entry>(): List<Entry> {
  return { oldest: undefined, newest: undefined };
}

/** Entries of machines, bounded: a flood of strangers pushes out strangers. */
export function createRankedTable<Key, Entry extends Ranked<Entry>>({
  limit,
  keyOf,
  forgotten,
}: RankedTableOptions<Key, Entry>): RankedTable<Key, Entry> {
  const all = new Map<Key, Entry>();
  const byRank = [newList<Entry>(), newList<Entry>(), newList<Entry>(), newList<Entry>()] as const;

  function append(entry: Entry, rank: Rank): void {
    const list = byRank[rank];
    entry.rank = rank;
    entry.older = list.newest;
    entry.newer = undefined;
    if (list.newest === undefined) list.oldest = entry;
    else list.newest.newer = entry;
    list.newest = entry;
  }

  function unlink(entry: Entry): void {
    const list = byRank[entry.rank];
    const { older, newer } = entry;
    if (older === undefined) list.oldest = newer;
    else older.newer = newer;
    if (newer === undefined) list.newest = older;
    else newer.older = older;
    entry.older = undefined;
    entry.newer = undefined;
  }

  function remove(key: Key): Entry | undefined {
    const entry = all.get(key);
    if (entry === undefined) return undefined;
    unlink(entry);
    entry.isListed = false;
    all.delete(key);
    return entry;
  }

  function forgetOne(except?: Entry): boolean {
    for (const { oldest } of byRank) {
      const entry = oldest === except ? oldest?.newer : oldest;
      if (entry === undefined) continue;
      remove(keyOf(entry));
      forgotten(entry);
      return true;
    }
    return false;
  }

  return {
    get: (key) => all.get(key),
    touch(entry, rank) {
      if (entry.isListed) {
        if (entry.rank === rank && entry.newer === undefined) return;
        unlink(entry);
      } else {
        const key = keyOf(entry);
        remove(key);
        // Before it is in, so that it is not the one.
        if (all.size >= limit) forgetOne();
        all.set(key, entry);
        entry.isListed = true;
      }
      append(entry, rank);
    },
    remove: (key) => void remove(key),
    forgetOne,
    entries: () => all.values(),
    size: () => all.size,
  };
}
