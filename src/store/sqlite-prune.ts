import type { Database } from 'better-sqlite3';
import type { Mac } from '../machine/mac.ts';
import type { HistoryBatch } from './port.ts';

/** What the database keeps; the rest is deleted, oldest first. */
export interface StoreLimits {
  readonly events: number;
  /** Of these, alarms: they outlive the others, and must not push all of them out. */
  readonly alarms: number;
  readonly sessionsPerMachine: number;
  /** Beyond these: of those about which an alarm was raised. */
  readonly alarmedSessionsPerMachine: number;
  /** Those with an entry in machines.yaml outlive the others, and of these those that were given a role. */
  readonly machines: number;
  /** Records of who changed what; they outlive events, as alarms do. */
  readonly audit: number;
  /** Of these, wrong tokens. */
  readonly auditGuesses: number;
  /** Bytes of the database that are in use. Leases and machines are never deleted for it. */
  readonly bytes: number;
  /** Milliseconds. */
  readonly age: number;
  /** How long a clock that was set has to run before anything goes by age. In ms. */
  readonly settle: number;
}

const DAY = 86_400_000;

export const STORE_LIMITS: StoreLimits = {
  events: 200_000,
  alarms: 20_000,
  sessionsPerMachine: 50,
  alarmedSessionsPerMachine: 10,
  machines: 20_000,
  audit: 20_000,
  auditGuesses: 2_000,
  bytes: 500_000_000,
  age: 90 * DAY,
  settle: 3_600_000,
};

/** Rows deleted with one batch at most: pruning must not hold up the leases behind it. */
export const PRUNE_ROWS = 2_000;

/**
 * A session whose signing token is valid. With it would go which certificates it gave, and the token would be good once
 * more. The journal bounds how many there are.
 */
export const HAS_TOKEN = `(signing_until IS NOT NULL AND signing_until > @now AND (ended_as IS NULL OR ended_as <> 'superseded'))`;

/** Written so that the index of alarms answers it. */
export const IS_ALARM = `kind = 'security.alarm'`;

/** Bytes of the database that hold something; free pages are used again before the file grows. */
export function usedBytes(database: Database): number {
  const pragma = (name: string): number => database.pragma(name, { simple: true }) as number;
  return (pragma('page_count') - pragma('freelist_count')) * pragma('page_size');
}

export interface PruneOrder {
  /** Machines with a session that was not there before, or that has an alarm by now. */
  readonly grown: ReadonlySet<Mac>;
  /** A machine that stays, come what may. */
  readonly spared?: Mac;
}

/** Returns what is to run at the end of each batch's transaction. */
export function preparePruning(
  database: Database,
  limits: StoreLimits,
): (batch: HistoryBatch, order: PruneOrder) => void {
  const newestEvent = database.prepare('SELECT max(id) AS id FROM events').pluck();
  const oldEvents = database.prepare(
    `DELETE FROM events WHERE id IN
       (SELECT id FROM events WHERE id > @from AND id <= @upTo AND NOT ${IS_ALARM} ORDER BY id LIMIT @count)`,
  );
  /** What alarms stay behind; only they are older. */
  const oldestEvent = database
    .prepare(`SELECT id FROM events WHERE id > ? AND NOT ${IS_ALARM} ORDER BY id LIMIT 1`)
    .pluck();
  const countAlarms = database.prepare(`SELECT count(*) FROM events WHERE ${IS_ALARM}`).pluck();
  const oldAlarms = database.prepare(
    `DELETE FROM events WHERE id IN (SELECT id FROM events WHERE ${IS_ALARM} ORDER BY id LIMIT ?)`,
  );
  const oldSessions = (alarmed: boolean) =>
    database
      .prepare(
        `SELECT id FROM sessions WHERE mac = @mac AND alarmed_at IS ${alarmed ? 'NOT ' : ''}NULL AND NOT ${HAS_TOKEN}
         ORDER BY id DESC LIMIT -1 OFFSET @keep`,
      )
      .pluck();
  const oldQuiet = oldSessions(false);
  const oldAlarmed = oldSessions(true);
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
  /** Below it there are alarms only. */
  let from = 0;

  function pruneEvents(batch: HistoryBatch): void {
    const newest = newestEvent.get() as number;
    const most = Math.max(PRUNE_ROWS, 2 * batch.events.length);
    const isTooLarge = usedBytes(database) > limits.bytes;
    const upTo = isTooLarge ? newest : newest - limits.events;
    const count = isTooLarge ? Math.max(100, 2 * batch.events.length) : most;
    if (upTo <= from) return;
    oldEvents.run({ from, upTo, count });
    from = ((oldestEvent.get(from) as number | undefined) ?? from + 1) - 1;
  }

  return (batch, { grown, spared }) => {
    const times = [
      ...batch.machines.map(({ lastSeen }) => lastSeen),
      ...batch.sessions.map(({ updatedAt }) => updatedAt),
    ];
    const now = times.reduce((latest, at) => Math.max(latest, at), 0);
    if (batch.events.length > 0) pruneEvents(batch);
    if (batch.events.some(({ kind }) => kind === 'security.alarm')) {
      const surplus = (countAlarms.get() as number) - limits.alarms;
      if (surplus > 0) oldAlarms.run(Math.min(surplus, PRUNE_ROWS));
    }
    for (const mac of grown) {
      const old = [
        ...oldQuiet.all({ mac, keep: limits.sessionsPerMachine, now }),
        ...oldAlarmed.all({ mac, keep: limits.alarmedSessionsPerMachine, now }),
      ];
      for (const id of old) {
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
