import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import { crowdedAddresses } from './crowded-addresses.ts';
import { secondsUntilNext, timeUntilRelease } from './queue-estimate.ts';

/** How many may load at once, and how many may wait for it, in all and behind one address. */
export interface QueueLimits {
  readonly places: number;
  readonly waiting: number;
  readonly waitingPerAddress: number;
}

/** Who wants to load. `key`: its MAC, or its address where nobody knows whose that is. */
export interface QueueAsker {
  readonly key: string;
  readonly mac?: Mac;
  readonly address?: Ipv4;
  /** Paths that it is to fetch: with the last whole one its place is free. Empty: it says itself when it is done. */
  readonly files: readonly string[];
  /** Its boot had its turn already: it is let in at once, since it must not be stopped halfway. */
  readonly underWay?: boolean;
}

export type QueueVerdict =
  /** `waited`: ms since it first asked; `isNew`: it had no place until now. */
  | { readonly kind: 'go'; readonly waited: number; readonly isNew: boolean }
  | QueueWait
  /** Nobody more is remembered. */
  | { readonly kind: 'full'; readonly of: number; readonly seconds: number };

export interface QueueWait {
  readonly kind: 'wait';
  /** 1: the next. */
  readonly position: number;
  readonly of: number;
  /** In ms; undefined: nobody was done yet. */
  readonly estimate: number | undefined;
  /** When it should ask again. */
  readonly seconds: number;
  /** It begins to wait, has come half as near, or was not heard of in a timeline for long. */
  readonly isNews: boolean;
}

interface QueuedMachine extends Pick<QueueAsker, 'key' | 'mac' | 'address'> {
  /** Milliseconds, as all times here: when it first asked. */
  readonly since: number;
}

export interface QueueHolder extends QueuedMachine {
  /** When it got its place. */
  readonly from: number;
  /** Downloads that run. */
  readonly downloads: number;
}

export interface QueueWaiter extends QueuedMachine {
  readonly estimate: number | undefined;
}

export interface BootQueue {
  /** Who asks again keeps its turn; who has a place keeps that. */
  ask(asker: QueueAsker, now: number): QueueVerdict;
  /** A download begins; nothing happens without a place. */
  begin(key: string, now: number): void;
  /** A download ended, of a whole file or not. */
  end(key: string, now: number, what: { readonly path: string; readonly whole: boolean }): void;
  /** The same by TFTP, where the end may be taken for another machine's: it keeps the place for TRANSFER_TIME at most. */
  beginTransfer(key: string, now: number): void;
  endTransfer(key: string, now: number, what: { readonly path: string; readonly whole: boolean }): void;
  /** Gives up its place or its turn. */
  leave(key: string): void;
  /** The next. False if it does not wait. */
  moveUp(key: string): boolean;
  /** The key of who has a place at an address. */
  placeAt(address: Ipv4): string | undefined;
  hasPlace(key: string): boolean;
  /** Counting from 1; undefined: it does not wait. */
  positionOf(key: string, now: number): number | undefined;
  holders(now: number): readonly QueueHolder[];
  /** In their order, so many at most. */
  waiters(now: number, most: number): readonly QueueWaiter[];
  counts(now: number): { readonly holding: number; readonly waiting: number };
}

/** A place is kept so long for who loads nothing: between script, kernel and initrds iPXE takes a second or two. */
export const SILENT_TIME = 30_000;
/** Half a gigabyte at 1 MB/s, which is what GRUB's TFTP does at its worst. */
export const TRANSFER_TIME = 600_000;
/** Who is late by more than that holds up nobody, and has its turn if it comes back. */
export const GRACE_TIME = 10_000;
/** Who is late by more than that does not come back. */
export const LOST_TIME = 120_000;
/** A machine that waits for long is mentioned in its timeline so often all the same. */
const SAID_AGAIN = 600_000;
/**
 * So often a machine may ask for its script anew while others wait. One whose role lacks a file goes round in circles; a
 * few of them would keep the rest of a rack waiting for ever.
 */
const BEGUN_ANEW = 3;
/** GRUB asks for the length of its script first: both are one question. */
const ONE_QUESTION = 5_000;
/** Places of late that the estimate is made from. */
const REMEMBERED = 32;
/** For who is not remembered. */
const FULL_SECONDS = 60;

interface Holder extends QueueHolder {
  downloads: number;
  left: readonly string[];
  /** How often it began anew, and when it did last. */
  anew: number;
  anewAt: number;
  /** Until when it may be silent. */
  until: number;
}

interface Waiter extends QueuedMachine {
  /** Behind `since`: no two are the same. */
  readonly number: number;
  /** By an operator, the newest first; 0: never. */
  moved: number;
  /** When it is to ask again. */
  due: number;
  said: { readonly position: number; readonly at: number } | undefined;
}

/**
 * Who loads a boot's files now, and who waits for that: the oldest first. No clock: each call says what time it is, in
 * milliseconds that never go back.
 */
export function createBootQueue(limits: QueueLimits): BootQueue {
  /** Whoever asks in the name of many machines gets so many places, as long as others wait for them. */
  const share = Math.max(1, Math.ceil(limits.places / 2));
  const places = new Map<string, Holder>();
  const known = new Map<string, Waiter>();
  const byAddress = new Map<Ipv4, number>();
  /** Of `known`, in their order. */
  let order: Waiter[] = [];
  /** How long places were held. */
  let held: number[] = [];
  let numbers = 0;
  let moves = 0;
  let sweptAt = Number.NEGATIVE_INFINITY;

  function tick(now: number): void {
    for (const { key, downloads, until } of places.values()) {
      if (downloads === 0 && until <= now) places.delete(key);
    }
    if (now - sweptAt < 1_000) return;
    sweptAt = now;
    for (const waiter of order.filter(({ due }) => due + LOST_TIME <= now)) remove(waiter);
  }

  function add({ key, mac, address }: QueueAsker, now: number): Waiter {
    const who = { key, ...(mac === undefined ? {} : { mac }), ...(address === undefined ? {} : { address }) };
    const waiter: Waiter = { ...who, since: now, number: ++numbers, moved: 0, due: now, said: undefined };
    known.set(key, waiter);
    // Times never go back, so that the newest is the last.
    order.push(waiter);
    if (address !== undefined) byAddress.set(address, (byAddress.get(address) ?? 0) + 1);
    return waiter;
  }

  function remove(waiter: Waiter): void {
    known.delete(waiter.key);
    order.splice(indexOf(waiter), 1);
    const { address } = waiter;
    if (address === undefined) return;
    const others = (byAddress.get(address) ?? 1) - 1;
    if (others === 0) byAddress.delete(address);
    else byAddress.set(address, others);
  }

  function indexOf(waiter: Waiter): number {
    let [low, high] = [0, order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(order[middle] as Waiter, waiter)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function give(asker: QueueAsker, since: number, now: number): QueueVerdict {
    const { key, mac, address, files } = asker;
    places.set(key, {
      key,
      ...(mac === undefined ? {} : { mac }),
      ...(address === undefined ? {} : { address }),
      since,
      from: now,
      downloads: 0,
      left: files,
      anew: 0,
      anewAt: now,
      until: now + SILENT_TIME,
    });
    return { kind: 'go', waited: now - since, isNew: true };
  }

  /** Those who are late hold up nobody, and neither do those behind a crowded address the others. */
  function isTurnOf(index: number, address: Ipv4 | undefined, now: number): boolean {
    let free = limits.places - places.size;
    if (free <= 0) return false;
    const crowded = crowdedAddresses(places.values(), share);
    const isCrowded = (one: Ipv4 | undefined): boolean => one !== undefined && crowded.has(one);
    const yields = isCrowded(address);
    for (let at = 0; at < (yields ? order.length : index) && free > 0; at++) {
      const waiter = order[at] as Waiter;
      if (at === index || now > waiter.due + GRACE_TIME) continue;
      const isBehind = isCrowded(waiter.address);
      if (at < index ? yields || !isBehind : !isBehind) free--;
    }
    return free > 0;
  }

  /** Whether it goes round in circles, and others wait. */
  function hasHadItsChances(holder: Holder, now: number): boolean {
    if (now - holder.anewAt >= ONE_QUESTION) {
      holder.anew++;
      holder.anewAt = now;
    }
    return holder.anew > BEGUN_ANEW && holder.downloads === 0 && order.length > 0;
  }

  /** Those that are to come before a place at this index is free. */
  function estimateAt(index: number, now: number): number | undefined {
    return timeUntilRelease({
      places: limits.places,
      ages: [...places.values()].map(({ from }) => now - from),
      held,
      turn: index + 1,
    });
  }

  function wait(waiter: Waiter, index: number, now: number): QueueWait {
    const position = index + 1;
    const estimate = estimateAt(index, now);
    const { said } = waiter;
    const isNews = said === undefined || position * 2 <= said.position || now - said.at >= SAID_AGAIN;
    if (isNews) waiter.said = { position, at: now };
    const seconds = secondsUntilNext(position, estimate, order.length);
    waiter.due = now + seconds * 1000;
    return { kind: 'wait', position, of: order.length, estimate, seconds, isNews };
  }

  function ask(asker: QueueAsker, now: number): QueueVerdict {
    tick(now);
    const { key, address, files, underWay = false } = asker;
    const holder = places.get(key);
    if (holder !== undefined && files.length > 0 && hasHadItsChances(holder, now)) places.delete(key);
    else if (holder !== undefined) {
      // A machine that asks for its script again begins anew.
      if (files.length > 0) holder.left = files;
      holder.until = Math.max(holder.until, now + SILENT_TIME);
      return { kind: 'go', waited: holder.from - holder.since, isNew: false };
    }
    let waiter = known.get(key);
    // Else one address would get any number of places, with the names of machines that had their turn.
    if (underWay && !(address !== undefined && crowdedAddresses(places.values(), share).has(address))) {
      if (waiter !== undefined) remove(waiter);
      return give(asker, waiter?.since ?? now, now);
    }
    if (waiter === undefined) {
      if (isTurnOf(order.length, address, now)) return give(asker, now, now);
      const beside = address === undefined ? 0 : (byAddress.get(address) ?? 0);
      if (order.length >= limits.waiting || beside >= limits.waitingPerAddress) {
        return { kind: 'full', of: order.length, seconds: FULL_SECONDS + (order.length % FULL_SECONDS) };
      }
      waiter = add(asker, now);
    }
    const index = indexOf(waiter);
    if (!isTurnOf(index, address, now)) return wait(waiter, index, now);
    remove(waiter);
    return give(asker, waiter.since, now);
  }

  function ended(holder: Holder, now: number, { path, whole }: { path: string; whole: boolean }): void {
    holder.until = now + SILENT_TIME;
    if (!whole) return;
    holder.left = holder.left.filter((each) => each !== path);
    if (holder.left.length > 0 || holder.downloads > 0) return;
    places.delete(holder.key);
    held = [...held.slice(1 - REMEMBERED), now - holder.from];
  }

  return {
    ask,
    begin(key, now) {
      const holder = places.get(key);
      if (holder === undefined) return;
      holder.downloads++;
      holder.until = Math.max(holder.until, now + SILENT_TIME);
    },
    end(key, now, what) {
      const holder = places.get(key);
      if (holder === undefined) return;
      holder.downloads = Math.max(0, holder.downloads - 1);
      ended(holder, now, what);
    },
    beginTransfer(key, now) {
      const holder = places.get(key);
      if (holder !== undefined) holder.until = now + TRANSFER_TIME;
    },
    endTransfer(key, now, what) {
      const holder = places.get(key);
      if (holder !== undefined) ended(holder, now, what);
    },
    leave(key) {
      places.delete(key);
      const waiter = known.get(key);
      if (waiter !== undefined) remove(waiter);
    },
    moveUp(key) {
      const waiter = known.get(key);
      if (waiter === undefined) return false;
      order.splice(indexOf(waiter), 1);
      waiter.moved = ++moves;
      order = [waiter, ...order];
      return true;
    },
    placeAt(address) {
      for (const holder of places.values()) if (holder.address === address) return holder.key;
      return undefined;
    },
    hasPlace: (key) => places.has(key),
    positionOf(key, now) {
      // Lists ask of each machine, and few wait.
      if (!known.has(key)) return undefined;
      tick(now);
      const waiter = known.get(key);
      return waiter === undefined ? undefined : indexOf(waiter) + 1;
    },
    holders(now) {
      tick(now);
      return [...places.values()].map(
        ({ left: _left, anew: _anew, anewAt: _at, until: _until, ...holder }) => holder,
      );
    },
    waiters(now, most) {
      tick(now);
      return order.slice(0, most).map(({ key, mac, address, since }, index) => ({
        key,
        ...(mac === undefined ? {} : { mac }),
        ...(address === undefined ? {} : { address }),
        since,
        estimate: estimateAt(index, now),
      }));
    },
    counts(now) {
      tick(now);
      return { holding: places.size, waiting: order.length };
    },
  };
}

function isBefore(one: Waiter, other: Waiter): boolean {
  return one.moved === other.moved ? one.number < other.number : one.moved > other.moved;
}
