import type { Database } from 'better-sqlite3';
import type { Mac } from '../machine/mac.ts';
import type { HistoryBatch } from './port.ts';

/** What the database keeps; the rest is deleted, oldest first. */
export interface StoreLimits {
  readonly events: number;
  readonly sessionsPerMachine: number;
  /** Those with an entry in machines.yaml outlive the others, and of these those that were given a role. */
  readonly machines: number;
}

export const STORE_LIMITS: StoreLimits = { events: 200_000, sessionsPerMachine: 50, machines: 20_000 };

/** Rows deleted with one batch at most: pruning must not hold up the leases behind it. */
const PRUNE_ROWS = 2_000;

/**
 * A session whose signing token is valid. With it would go which certificates it gave, and the token would be good once
 * more. The journal bounds how many there are.
 */
const HAS_TOKEN = `(signing_until IS NOT NULL AND signing_until > @now AND (ended_as IS NULL OR ended_as <> 'superseded'))`;

/** Returns what is to run at the end of each batch's transaction. `spared`: a machine that stays, come what may. */
export function preparePruning(
  database: Database,
  limits: StoreLimits,
): (batch: HistoryBatch, spared?: Mac) => void {
  const newestEvent = database.prepare('SELECT max(id) AS id FROM events').pluck();
  const oldEvents = database.prepare(
    'DELETE FROM events WHERE id IN (SELECT id FROM events WHERE id <= ? ORDER BY id LIMIT ?)',
  );
  const oldSessions = database
    .prepare(
      `SELECT id FROM sessions WHERE mac = @mac AND NOT ${HAS_TOKEN} ORDER BY id DESC LIMIT -1 OFFSET @keep`,
    )
    .pluck();
  const dropSession = database.prepare('DELETE FROM sessions WHERE id = ?');
  const dropSessionEvents = database.prepare('DELETE FROM events WHERE session_id = ?');
  const countMachines = database.prepare('SELECT count(*) FROM machines').pluck();
  const oldMachines = database
    .prepare(
      `SELECT mac FROM machines WHERE mac IS NOT @spared
         AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.mac = machines.mac AND ${HAS_TOKEN})
       ORDER BY listed, hostname IS NOT NULL, last_seen LIMIT @count`,
    )
    .pluck();
  const dropMachine = database.prepare('DELETE FROM machines WHERE mac = ?');
  const dropMachineEvents = database.prepare('DELETE FROM events WHERE mac = ?');

  return (batch, spared) => {
    const times = [
      ...batch.machines.map(({ lastSeen }) => lastSeen),
      ...batch.sessions.map(({ updatedAt }) => updatedAt),
    ];
    const now = times.reduce((latest, at) => Math.max(latest, at), 0);
    if (batch.events.length > 0) {
      oldEvents.run(
        (newestEvent.get() as number) - limits.events,
        Math.max(PRUNE_ROWS, 2 * batch.events.length),
      );
    }
    for (const mac of new Set(batch.sessions.map((session) => session.mac))) {
      for (const id of oldSessions.all({ mac, keep: limits.sessionsPerMachine, now })) {
        dropSessionEvents.run(id);
        dropSession.run(id);
      }
    }
    if (batch.machines.length === 0) return;
    const surplus = (countMachines.get() as number) - limits.machines;
    if (surplus <= 0) return;
    const count = Math.min(surplus, Math.max(100, 2 * batch.machines.length));
    for (const mac of oldMachines.all({ spared: spared ?? null, count, now })) {
      dropMachineEvents.run(mac);
      dropMachine.run(mac);
    }
  };
}
