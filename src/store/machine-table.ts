import type { MachineFacts } from '../machine/facts.ts';
import type { Hardware } from '../machine/hardware.ts';
import type { Mac } from '../machine/mac.ts';
import type { BootSession } from '../machine/session.ts';
import type { MachineRecord, Observation, StoredMachine } from './port.ts';
import { createRankedTable, type Rank, type Ranked, type RankedTable, unlisted } from './ranked-table.ts';

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
export interface MachineEntry extends SessionSlot, Ranked<MachineEntry> {
  readonly mac: Mac;
  facts: MachineFacts;
  readonly firstSeen: number;
  lastSeen: number;
  via: string | undefined;
  hostname: string | undefined;
  hardware: Hardware | undefined;
  /** False: in memory only, as one of too many new machines. */
  recorded: boolean;
  /** Events without a session in the hour that began then. */
  hourBegan: number;
  hourEvents: number;
  hourLines: number;
  /**
   * The batch of the store with what a daemon that is killed must know of it when it comes back, and the session as it was
   * then. 0: nothing but what the database had.
   */
  dueBatch: number;
  dueSession: BootSession | undefined;
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
    ...unlisted(),
    recorded: false,
    ...newSlot(),
    hourBegan: at,
    hourEvents: 0,
    hourLines: 0,
    dueBatch: 0,
    dueSession: undefined,
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

export type MachineTable = RankedTable<Mac, MachineEntry>;

/**
 * So many machines at most. Rank 2: it got its script and is recorded; 3: the operator named it, with an entry in
 * machines.yaml or a signing token.
 */
export function createMachineTable(limit: number, forgotten: (entry: MachineEntry) => void): MachineTable {
  return createRankedTable({ limit, keyOf: ({ mac }: MachineEntry) => mac, forgotten });
}

/** How far a machine of the database got, by what is known of it: only `/ipxe` gives names and platforms. */
export function rankOf(record: MachineRecord): Rank {
  if (record.hostname !== undefined || record.platform !== undefined) return 2;
  return record.arch === undefined ? 0 : 1;
}
