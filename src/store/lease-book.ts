import { TinderboxError } from '../errors.ts';
import { formatIpv4, type Ipv4, type Ipv4Range, rangeContains } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import { followClock } from './clock-jumps.ts';
import { createFreeAddresses, type FreeAddresses } from './free-addresses.ts';
import type { AddressHolder, Lease, LeaseBook, Store } from './port.ts';

export interface LeaseBookOptions {
  readonly store: Pick<Store, 'commitLeases'>;
  /** What the store held at start. */
  readonly leases: readonly Lease[];
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** A machine has one address in a network, and as many as there are networks that it is on. */
  readonly isSameNetwork: (a: Ipv4, b: Ipv4) => boolean;
  /** Milliseconds that never jump; absent: the clock never does. */
  readonly uptime?: () => number;
  /** The longest time in ms for which an address is given out or rests. */
  readonly longest?: number;
  /** The clock was set by so many ms, and the leases keep the time that they had left. */
  readonly clockJumped?: (step: number) => void;
}

interface Offer {
  readonly mac: Mac;
  readonly until: number;
}

/** Requests of one machine that wait for a write of its own; it sends each again anyway. */
const MAX_WAITING = 8;

/** Ranges whose free addresses are kept in order; a configuration has a handful. */
const MAX_POOLS = 256;

/** No jump of the clock leaves a lease more than this (or the longest that is given now), in ms: what it had left by a wrong clock is not known. */
const LONGEST = 7 * 86_400_000;

/**
 * The addresses given out. An address has one machine, always: memory changes only after the disk has, and while an
 * address is being written nobody else may have it, whatever the write becomes.
 */
export function createLeaseBook(options: LeaseBookOptions): LeaseBook {
  const { store, leases, clock, isSameNetwork, uptime = clock, longest = 0 } = options;
  const records = new Map<Ipv4, Lease>();
  const addressesOf = new Map<Mac, readonly Ipv4[]>();
  const offers = new Map<Ipv4, Offer>();
  const offeredTo = new Map<Mac, readonly Ipv4[]>();
  const pools = new Map<string, { readonly range: Ipv4Range; readonly free: FreeAddresses }>();
  /** Addresses being written, and whose they are meanwhile. */
  const writing = new Map<Ipv4, Mac>();
  /** Machines whose turn it is, each with those of its requests that wait: one at a time, in order. */
  const turns = new Map<Mac, (() => void)[]>();

  for (const lease of leases) remember(lease);
  /** Of all jumps of the clock so far. */
  let moved = 0;
  const follow = followClock({ clock, uptime, jumped: moveAll });

  /** A machine counts its lease's time by a clock of its own: it still has the address, whatever ours was set to. */
  function moveAll(step: number): void {
    moved += step;
    const kept: Lease[] = [];
    for (const record of records.values()) {
      const lease = movedBy(record, step);
      records.set(lease.address, lease);
      // What is being written is newer than this, and must not be written over.
      if (lease.state !== 'released' && !writing.has(lease.address)) kept.push(lease);
    }
    for (const [address, { mac, until }] of offers) offers.set(address, { mac, until: until + step });
    pools.clear();
    options.clockJumped?.(step);
    // Renewals write them again one by one; until then a restart must not find them run out.
    store.commitLeases(kept).catch(() => undefined);
  }

  function movedBy(lease: Lease, step: number): Lease {
    const latest = clock() + Math.max(longest, LONGEST);
    return { ...lease, expiresAt: Math.max(0, Math.min(lease.expiresAt + step, latest)) };
  }

  function remember(lease: Lease): void {
    const former = records.get(lease.address);
    if (former !== undefined && former.mac !== lease.mac) removeFrom(addressesOf, former.mac, lease.address);
    records.set(lease.address, lease);
    addTo(addressesOf, lease.mac, lease.address);
    reorder(lease.address);
  }

  function freeAt(address: Ipv4): number | undefined {
    const record = records.get(address);
    const offer = offers.get(address);
    if (record === undefined && offer === undefined) return undefined;
    return Math.max(record?.expiresAt ?? 0, offer?.until ?? 0);
  }

  function reorder(address: Ipv4): void {
    // An address that was offered and never taken is as free as one given back now.
    const at = freeAt(address) ?? clock();
    for (const { free } of pools.values()) free.setFreeAt(address, at);
  }

  function poolOf(range: Ipv4Range): FreeAddresses {
    const name = `${range.first}-${range.last}`;
    const known = pools.get(name);
    if (known !== undefined) return known.free;
    const free = createFreeAddresses(range);
    for (const address of [...records.keys(), ...offers.keys()])
      free.setFreeAt(address, freeAt(address) ?? 0);
    const [oldest] = pools.keys();
    if (pools.size >= MAX_POOLS && oldest !== undefined) pools.delete(oldest);
    pools.set(name, { range, free });
    return free;
  }

  function holderAt(address: Ipv4, now: number): AddressHolder | undefined {
    const record = records.get(address);
    if (record !== undefined && record.state !== 'released' && record.expiresAt > now) {
      return { mac: record.mac, state: record.state, until: record.expiresAt };
    }
    const offer = offers.get(address);
    if (offer !== undefined && offer.until > now)
      return { mac: offer.mac, state: 'offered', until: offer.until };
    const owner = writing.get(address);
    // How it ends is not known yet; until then it counts as an offer without an end of its own.
    return owner === undefined ? undefined : { mac: owner, state: 'offered', until: now + 1 };
  }

  /** Undefined: this machine may have it. */
  function whyNot(address: Ipv4, mac: Mac): TinderboxError | undefined {
    const owner = writing.get(address);
    if (owner !== undefined && owner !== mac) {
      return new TinderboxError('in-use', `${formatIpv4(address)} is being given to ${owner}`);
    }
    const holder = holderAt(address, clock());
    if (holder === undefined || (holder.mac === mac && holder.state !== 'declined')) return undefined;
    return new TinderboxError('in-use', `${formatIpv4(address)} is ${holder.state} (${holder.mac})`);
  }

  function withdrawOffer(mac: Mac, address: Ipv4): void {
    if (!removeFrom(offeredTo, mac, address)) return;
    offers.delete(address);
    reorder(address);
  }

  /** What the machine was offered in the network of an address, that one included. */
  function withdrawOffersBeside(mac: Mac, address: Ipv4): void {
    for (const other of offeredTo.get(mac) ?? [])
      if (other === address || isSameNetwork(other, address)) withdrawOffer(mac, other);
  }

  /** A lease that ran out is nobody's to give back: another machine's may be on its way to the disk already. */
  function isStillBound(lease: Lease, now: number): boolean {
    return lease.state === 'bound' && lease.expiresAt > now && !writing.has(lease.address);
  }

  /** Former leases of the machine in the network, which a new one there replaces. */
  function replacedBy(lease: Lease, now: number): Lease[] {
    const found: Lease[] = [];
    for (const address of addressesOf.get(lease.mac) ?? []) {
      const record = records.get(address);
      if (record === undefined || address === lease.address) continue;
      if (isSameNetwork(address, lease.address) && isStillBound(record, now)) found.push(record);
    }
    return found;
  }

  /**
   * Writes leases of one machine; memory follows when they are on disk, and then `written` is called. Claims the
   * addresses before it waits.
   */
  function write(mac: Mac, changed: readonly Lease[], written?: () => void): Promise<void> {
    for (const { address } of changed) writing.set(address, mac);
    const movedBefore = moved;
    const free = (): void => {
      for (const { address } of changed) writing.delete(address);
    };
    return store.commitLeases(changed).then(
      () => {
        const step = moved - movedBefore;
        for (const lease of changed) remember(step === 0 ? lease : movedBy(lease, step));
        free();
        written?.();
        return undefined;
      },
      (error: unknown) => {
        free();
        throw error;
      },
    );
  }

  function endTurn(mac: Mac): void {
    const next = turns.get(mac)?.shift();
    if (next === undefined) turns.delete(mac);
    else next();
  }

  function runInTurn(mac: Mac, run: () => Promise<void>): Promise<void> {
    let running: Promise<void>;
    try {
      running = run();
    } catch (error) {
      endTurn(mac);
      return Promise.reject(error);
    }
    return running.then(
      () => endTurn(mac),
      (error: unknown) => {
        endTurn(mac);
        throw error;
      },
    );
  }

  /**
   * One request of a machine after the other. The first runs at once, up to its own first wait: what it claims is
   * claimed before this returns. Few promises: this is run for each ACK of a storm.
   */
  function inTurn(mac: Mac, run: () => Promise<void>): Promise<void> {
    const waiting = turns.get(mac);
    if (waiting === undefined) {
      turns.set(mac, []);
      return runInTurn(mac, run);
    }
    if (waiting.length >= MAX_WAITING) {
      return Promise.reject(new TinderboxError('in-use', `${mac} asks faster than leases are written`));
    }
    return new Promise<void>((resolve) => waiting.push(resolve)).then(() => runInTurn(mac, run));
  }

  return {
    leaseOf(mac, isWanted) {
      follow();
      let best: Lease | undefined;
      for (const address of addressesOf.get(mac) ?? []) {
        const record = records.get(address);
        if (record === undefined || record.state === 'declined') continue;
        if (isWanted !== undefined && !isWanted(address)) continue;
        if (best === undefined || isBetter(record, best)) best = record;
      }
      return best;
    },

    offerOf(mac, isWanted) {
      follow();
      for (const address of offeredTo.get(mac) ?? []) {
        const offer = offers.get(address);
        if (offer === undefined || offer.until <= clock()) continue;
        if (isWanted === undefined || isWanted(address)) return { address, until: offer.until };
      }
      return undefined;
    },

    holderOf(address) {
      follow();
      return holderAt(address, clock());
    },
    isKnown: (address) => records.has(address),

    offer(address, mac, until) {
      follow();
      const refusal = whyNot(address, mac);
      if (refusal !== undefined) throw refusal;
      withdrawOffersBeside(mac, address);
      const former = offers.get(address);
      if (former !== undefined) removeFrom(offeredTo, former.mac, address);
      offers.set(address, { mac, until });
      addTo(offeredTo, mac, address);
      reorder(address);
    },

    bind: (lease) =>
      inTurn(lease.mac, () => {
        follow();
        const refusal = whyNot(lease.address, lease.mac);
        if (refusal !== undefined) throw refusal;
        const now = clock();
        const givenBack = replacedBy(lease, now).map((old) => releasedAt(old, now));
        return write(lease.mac, [lease, ...givenBack], () => withdrawOffersBeside(lease.mac, lease.address));
      }),

    release: (mac, address) =>
      inTurn(mac, () => {
        follow();
        withdrawOffer(mac, address);
        const record = records.get(address);
        if (record?.mac !== mac || !isStillBound(record, clock())) return Promise.resolve();
        return write(mac, [releasedAt(record, clock())]);
      }),

    decline: (address, mac, until) =>
      inTurn(mac, () => {
        follow();
        const record = records.get(address);
        const offered = offeredTo.get(mac)?.includes(address) === true;
        if (!offered && (record?.mac !== mac || record.state === 'declined')) return Promise.resolve();
        // Between an offer's end and now another machine may have got it.
        if (whyNot(address, mac) !== undefined) return Promise.resolve();
        const declined = {
          address,
          mac,
          state: 'declined',
          expiresAt: until,
          via: record?.via ?? '',
        } as const;
        return write(mac, [declined], () => withdrawOffer(mac, address));
      }),

    freeAddress(ranges, excluded, now, preferred) {
      follow();
      const taken = (address: Ipv4): boolean => writing.has(address) || excluded(address);
      if (
        preferred !== undefined &&
        ranges.some((range) => rangeContains(range, preferred)) &&
        !taken(preferred) &&
        holderAt(preferred, now) === undefined
      ) {
        return preferred;
      }
      const free = ranges.map(poolOf);
      for (const pool of free) {
        const address = pool.neverUsed(taken);
        if (address !== undefined) return address;
      }
      let best: { readonly address: Ipv4; readonly since: number } | undefined;
      for (const pool of free) {
        const found = pool.longestFree(taken, now);
        if (found !== undefined && (best === undefined || found.since < best.since)) best = found;
      }
      return best?.address;
    },

    *held() {
      follow();
      const now = clock();
      for (const address of new Set([...records.keys(), ...offers.keys(), ...writing.keys()]))
        if (holderAt(address, now) !== undefined) yield address;
    },

    counts() {
      follow();
      const now = clock();
      const counts = { bound: 0, offered: 0, declined: 0 };
      for (const record of records.values()) {
        if (record.state !== 'released' && record.expiresAt > now) counts[record.state]++;
      }
      for (const address of offers.keys()) {
        if (holderAt(address, now)?.state === 'offered') counts.offered++;
      }
      return counts;
    },
  };
}

/** Lists, since almost every machine has one address. */
function addTo(index: Map<Mac, readonly Ipv4[]>, mac: Mac, address: Ipv4): void {
  const addresses = index.get(mac);
  if (addresses === undefined) index.set(mac, [address]);
  else if (!addresses.includes(address)) index.set(mac, [...addresses, address]);
}

/** Returns whether it was there. */
function removeFrom(index: Map<Mac, readonly Ipv4[]>, mac: Mac, address: Ipv4): boolean {
  const addresses = index.get(mac);
  if (addresses?.includes(address) !== true) return false;
  if (addresses.length === 1) index.delete(mac);
  else
    index.set(
      mac,
      addresses.filter((other) => other !== address),
    );
  return true;
}

function releasedAt(lease: Lease, now: number): Lease {
  return { ...lease, state: 'released', expiresAt: Math.min(lease.expiresAt, now) };
}

function isBetter(a: Lease, b: Lease): boolean {
  if (a.state !== b.state) return a.state === 'bound';
  return a.expiresAt > b.expiresAt;
}
