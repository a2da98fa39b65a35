import type { Ipv4, Ipv4Range } from '../machine/ipv4.ts';

/** The addresses of one range, in the order in which they are to be given out. Knows times, not machines. */
export interface FreeAddresses {
  /** The address is not free before `at` (milliseconds since the epoch). Others than the range's are passed over. */
  setFreeAt(address: Ipv4, at: number): void;
  /** The next address that was never given out, if there is one. It stays the next until it is given out. */
  neverUsed(excluded: (address: Ipv4) => boolean): Ipv4 | undefined;
  /** The address that has been free the longest at `now`, and since when. It stays so until it is given out. */
  longestFree(
    excluded: (address: Ipv4) => boolean,
    now: number,
  ): { readonly address: Ipv4; readonly since: number } | undefined;
}

/** Excluded addresses looked at again in one call: an exhausted pool must not make each packet expensive. */
const LOOK_AGAIN = 256;

/**
 * Costs O(log n) a change and amortised O(log n) a question, n being the addresses ever used: a pointer goes once
 * over the range for the addresses never used, and a heap orders the used ones by when they become free. Addresses
 * found excluded (reservations, which may be edited at any time) are put aside and looked at again when nothing else
 * is left.
 */
export function createFreeAddresses(range: Ipv4Range): FreeAddresses {
  const used = createHeap();
  // Free, as far as is known: whatever is given out goes to the heap.
  const aside = new Set<Ipv4>();
  let cursor: number = range.first;

  function lookAgain(excluded: (address: Ipv4) => boolean): Ipv4 | undefined {
    let looked = 0;
    for (const address of aside) {
      if (looked++ >= LOOK_AGAIN) return undefined;
      aside.delete(address);
      if (!excluded(address)) {
        used.set(address, 0);
        return address;
      }
      // To the end of the queue; the loop's bound keeps it from being met again and again.
      aside.add(address);
    }
    return undefined;
  }

  return {
    setFreeAt(address, at) {
      if (address < range.first || address > range.last) return;
      aside.delete(address);
      used.set(address, at);
    },
    neverUsed(excluded) {
      for (; cursor <= range.last; cursor++) {
        const address = cursor as Ipv4;
        if (used.has(address)) continue;
        if (!excluded(address)) return address;
        aside.add(address);
      }
      return undefined;
    },
    longestFree(excluded, now) {
      for (let top = used.top(); top !== undefined && top.at <= now; top = used.top()) {
        if (!excluded(top.address)) return { address: top.address, since: top.at };
        used.remove(top.address);
        aside.add(top.address);
      }
      const address = lookAgain(excluded);
      return address === undefined ? undefined : { address, since: 0 };
    },
  };
}

interface HeapEntry {
  readonly address: Ipv4;
  /** By which it is ordered: never later than `free`. */
  at: number;
  free: number;
}

/**
 * A binary heap by time that knows where each address stands, so that a time can be changed. A later time is only noted:
 * an address is leased again and again before anybody asks which is free the longest, and moves when it comes to the top.
 */
function createHeap() {
  const entries: HeapEntry[] = [];
  const places = new Map<Ipv4, number>();

  function put(place: number, entry: HeapEntry): void {
    entries[place] = entry;
    places.set(entry.address, place);
  }

  function settle(start: number, entry: HeapEntry): void {
    let place = start;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = entries[parent] as HeapEntry;
      if (above.at <= entry.at) break;
      put(place, above);
      place = parent;
    }
    for (;;) {
      const left = 2 * place + 1;
      const [a, b] = [entries[left], entries[left + 1]];
      if (a === undefined) break;
      const child = b !== undefined && b.at < a.at ? left + 1 : left;
      const below = entries[child] as HeapEntry;
      if (below.at >= entry.at) break;
      put(place, below);
      place = child;
    }
    put(place, entry);
  }

  return {
    has: (address: Ipv4): boolean => places.has(address),
    top(): HeapEntry | undefined {
      for (let top = entries[0]; top !== undefined; top = entries[0]) {
        if (top.at === top.free) return top;
        top.at = top.free;
        settle(0, top);
      }
      return undefined;
    },
    set(address: Ipv4, at: number): void {
      const place = places.get(address);
      const entry = place === undefined ? undefined : entries[place];
      if (place === undefined || entry === undefined)
        return settle(entries.length, { address, at, free: at });
      entry.free = at;
      if (at >= entry.at) return;
      entry.at = at;
      settle(place, entry);
    },
    remove(address: Ipv4): void {
      const place = places.get(address);
      if (place === undefined) return;
      places.delete(address);
      const last = entries.pop() as HeapEntry;
      if (last.address !== address) settle(place, last);
    },
  };
}
