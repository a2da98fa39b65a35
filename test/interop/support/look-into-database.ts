import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { formatIpv4, type Ipv4 } from '../../../src/machine/ipv4.ts';

export interface DatabaseFacts {
  /** `ok` if it is. */
  readonly integrity: string;
  /** MAC and dotted address of each bound lease. */
  readonly leases: readonly { readonly mac: string; readonly address: string }[];
  /** `id mac` of each boot session. */
  readonly sessions: ReadonlySet<string>;
  /** Of each session, whether its configuration with secrets is known to have been sent whole. */
  readonly releases: ReadonlyMap<number, boolean>;
  readonly count: (table: 'machines' | 'sessions' | 'events' | 'leases') => number;
}

/** What the daemon has written in its state folder, whether it runs or not. */
export function lookIntoDatabase<T>(state: string, look: (facts: DatabaseFacts) => T): T {
  const database = new Sqlite(join(state, 'tinderbox.db'), { readonly: true });
  try {
    const leases = database.prepare(`SELECT mac, address FROM leases WHERE state = 'bound'`).all();
    const releases = database.prepare('SELECT session_id AS id, completed_at AS at FROM releases').all();
    const sessions = database.prepare('SELECT id, mac FROM sessions').all() as { id: number; mac: string }[];
    return look({
      sessions: new Set(sessions.map(({ id, mac }) => `${id} ${mac}`)),
      integrity: String(database.pragma('integrity_check', { simple: true })),
      leases: (leases as { mac: string; address: Ipv4 }[]).map(({ mac, address }) => ({
        mac,
        address: formatIpv4(address),
      })),
      releases: new Map(
        (releases as { id: number; at: number | null }[]).map(({ id, at }) => [id, at !== null]),
      ),
      count: (table) => (database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n,
    });
  } finally {
    database.close();
  }
}
