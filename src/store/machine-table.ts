import type { MachineFacts } from '../machine/facts.ts';
import type { Hardware } from '../machine/hardware.ts';
import type { Mac } from '../machine/mac.ts';
import type { BootSession } from '../machine/session.ts';
import { createOldestFirst } from './oldest-first.ts';
import type { MachineRecord, Observation, StoredMachine } from './port.ts';

/**
 * 0: a stranger; 1: it asked for a network boot; 2: it got its script and is recorded; 3: the operator named it, with an
 * entry in machines.yaml or a signing token. Forgotten in this order.
 */
export type Rank = 0 | 1 | 2 | 3;

/** A session, and what was recorded of it. */
export interface SessionSlot {
  session: BootSession | undefined;
  sessionEvents: number;
  /** Of syslog. */
  sessionLines: number;
  /** Beyond these. */
  evidence: { readonly [Kind in NonNullable<Observation['evidence']>]: number };
}

/** A machine in memory, with its newest boot session. Changed in place: this is touched with each packet. */
export interface MachineEntry extends SessionSlot {
  readonly mac: Mac;
  facts: MachineFacts;
  readonly firstSeen: number;
  lastSeen: number;
  via: string | undefined;
  hostname: string | undefined;
  hardware: Hardware | undefined;
  rank: Rank;
  /** False: in memory only, as one of too many new machines. */
  recorded: boolean;
  /** Events without a session in the hour that began then. */
  hourBegan: number;
  hourEvents: number;
  hourLines: number;
}

export function newSlot(): SessionSlot {
  return { session: undefined, sessionEvents: 0, sessionLines: 0, evidence: NO_EVIDENCE };
}

export const NO_EVIDENCE: SessionSlot['evidence'] = { alarm: 0, giving: 0 };

export function newEntry(mac: Mac, at: number): MachineEntry {
  return {
    mac,
    facts: { mac },
    firstSeen: at,
    lastSeen: at,
    via: undefined,
    hostname: undefined,
    hardware: undefined,
    rank: 0,
    recorded: false,
    ...newSlot(),
    hourBegan: at,
    hourEvents: 0,
    hourLines: 0,
  };
}

export function toRecord(entry: MachineEntry): MachineRecord {
  return {
    ...entry.facts,
    firstSeen: entry.firstSeen,
    lastSeen: entry.lastSeen,
    ...(entry.via === undefined ? {} : { via: entry.via }),
    ...(entry.hostname === undefined ? {} : { hostname: entry.hostname }),
    ...(entry.hardware === undefined ? {} : { hardware: entry.hardware }),
  };
}

export function toStored(entry: MachineEntry): StoredMachine {
  return { ...toRecord(entry), ...(entry.rank === 3 ? { listed: true } : {}) };
}

export interface MachineTable {
  get(mac: Mac): MachineEntry | undefined;
  /** Adds or moves up: the one seen last, among those of its rank. */
  touch(entry: MachineEntry, rank: Rank): void;
  remove(mac: Mac): void;
  entries(): Iterable<MachineEntry>;
  size(): number;
}

/** So many machines at most: the lowest rank, then the one not seen for the longest time, is forgotten first. */
export function createMachineTable(limit: number, forgotten: (entry: MachineEntry) => void): MachineTable {
  const all = new Map<Mac, MachineEntry>();
  type Ranked = Map<Mac, MachineEntry>;
  const byRank: readonly [Ranked, Ranked, Ranked, Ranked] = [new Map(), new Map(), new Map(), new Map()];

  const oldestByRank = byRank.map((ranked) => createOldestFirst(ranked));

  function forgetOne(): void {
    for (const [rank, oldest] of oldestByRank.entries()) {
      const mac = oldest();
      const entry = mac === undefined ? undefined : all.get(mac);
      if (entry === undefined) continue;
      byRank[rank]?.delete(entry.mac);
      all.delete(entry.mac);
      forgotten(entry);
      return;
    }
  }

  return {
    get: (mac) => all.get(mac),
    touch(entry, rank) {
      // Before it is in, so that it is not the one.
      if (!all.has(entry.mac) && all.size >= limit) forgetOne();
      byRank[entry.rank].delete(entry.mac);
      entry.rank = rank;
      byRank[rank].set(entry.mac, entry);
      all.set(entry.mac, entry);
    },
    remove(mac) {
      const entry = all.get(mac);
      if (entry === undefined) return;
      byRank[entry.rank].delete(mac);
      all.delete(mac);
    },
    entries: () => all.values(),
    size: () => all.size,
  };
}

/** How far a machine of the database got, by what is known of it: only `/ipxe` gives names and platforms. */
export function rankOf(record: MachineRecord): Rank {
  if (record.hostname !== undefined || record.platform !== undefined) return 2;
  return record.arch === undefined ? 0 : 1;
}
