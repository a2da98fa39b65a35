import type { Database } from 'better-sqlite3';
import type { HistorySize } from './port.ts';
import { HAS_TOKEN, IS_ALARM, PRUNE_ROWS, type StoreLimits, usedBytes } from './sqlite-prune.ts';
import { trustClock } from './trust-clock.ts';

/** What goes by age and by size; each call does a little, so that a lease never waits long behind it. */
export interface SqliteTidy {
  /** `now`: milliseconds since the epoch. True: there is more to do. */
  tidyHistory(now: number): boolean;
  measureHistory(): HistorySize;
}

/** Alarms, the boots that raised them, and who changed what stay so many times as long as the rest. */
const ALARMS_STAY = 4;
/** Of one call. */
const SESSIONS = 500;
const MACHINES = 200;
/** Pages given back by one call: each may have to be moved. */
const PAGES = 500;
/** Free pages that are kept for what comes; in all, and as a part of the file. */
const SPARE_PAGES = 1_000;
const SPARE_PART = 0.2;
/** Laying the file out anew takes milliseconds up to here. */
const SMALL_FILE = 5_000;

/**
 * So that pages can be given back later, which SQLite must know from the start. A file that has grown without it is left
 * as it is, since laying it out anew would keep leases waiting: its free pages are used again, but it does not shrink.
 */
export function makeShrinkable(database: Database): void {
  const pragma = (name: string): number => database.pragma(name, { simple: true }) as number;
  if (pragma('auto_vacuum') === 2 || pragma('page_count') > SMALL_FILE) return;
  try {
    database.pragma('auto_vacuum = INCREMENTAL');
    database.exec('VACUUM');
  } catch {
    // A disk without room for the copy; next time.
  }
}

export interface TidyClock {
  /** The time of day now: milliseconds since the epoch. */
  readonly startedAt: number;
  /** Milliseconds that never jump. */
  readonly uptime: () => number;
}

export function prepareTidying(database: Database, limits: StoreLimits, clock: TidyClock): SqliteTidy {
  const firstEvents = `SELECT id FROM events WHERE NOT ${IS_ALARM} ORDER BY id LIMIT ${PRUNE_ROWS}`;
  const dropOldEvents = database.prepare(`DELETE FROM events WHERE id IN (${firstEvents}) AND at < ?`);
  const dropFirstEvents = database.prepare(`DELETE FROM events WHERE id IN (${firstEvents})`);
  const dropOldAlarms = database.prepare(
    `DELETE FROM events WHERE id IN (SELECT id FROM events WHERE ${IS_ALARM} ORDER BY id LIMIT ${PRUNE_ROWS}) AND at < ?`,
  );
  const dropOldAudit = database.prepare(
    `DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY id LIMIT ${PRUNE_ROWS}) AND at < ?`,
  );
  const oldestEvent = database
    .prepare(`SELECT at FROM events WHERE NOT ${IS_ALARM} ORDER BY id LIMIT 1`)
    .pluck();
  const lastOfSweep = database
    .prepare('SELECT max(id) FROM (SELECT id FROM sessions WHERE id > ? ORDER BY id LIMIT ?)')
    .pluck();
  // The newest of a machine stays: it says what the machine is.
  const oldSessions = database
    .prepare(
      `SELECT id FROM sessions WHERE id > @from AND id <= @upTo
         AND updated_at < CASE WHEN alarmed_at IS NULL THEN @cutoff ELSE @alarmCutoff END AND NOT ${HAS_TOKEN}
         AND EXISTS (SELECT 1 FROM sessions newer WHERE newer.mac = sessions.mac AND newer.id > sessions.id
           AND newer.signing_until IS NULL)`,
    )
    .pluck();
  const dropSession = database.prepare('DELETE FROM sessions WHERE id = ?');
  const dropSessionEvents = database.prepare('DELETE FROM events WHERE session_id = ?');
  // One that was given a role runs for years without a packet, beside another DHCP server.
  const oldMachines = database
    .prepare(
      `SELECT mac FROM machines WHERE last_seen < @cutoff AND listed = 0 AND hostname IS NULL
         AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.mac = machines.mac
           AND (${HAS_TOKEN} OR alarmed_at >= @alarmCutoff))
       ORDER BY last_seen LIMIT ${MACHINES}`,
    )
    .pluck();
  const dropMachine = database.prepare('DELETE FROM machines WHERE mac = ?');
  const dropMachineEvents = database.prepare('DELETE FROM events WHERE mac = ?');
  const counts = database.prepare(
    `SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM sessions) AS sessions,
       (SELECT count(*) FROM machines) AS machines, (SELECT at FROM events ORDER BY id LIMIT 1) AS oldest`,
  );
  const pragma = (name: string): number => database.pragma(name, { simple: true }) as number;
  const lastRecord = database.prepare('SELECT max(last_seen) FROM machines').pluck().get() as number | null;
  const mayGoByAge = trustClock({ ...clock, lastRecord: lastRecord ?? undefined, settle: limits.settle });
  /** The sessions up to here were looked at in this round. */
  let swept = 0;

  function sweepSessions(now: number, cutoff: number, alarmCutoff: number): boolean {
    const upTo = lastOfSweep.get(swept, SESSIONS) as number | null;
    if (upTo === null) {
      swept = 0;
      return false;
    }
    for (const id of oldSessions.all({ from: swept, upTo, cutoff, alarmCutoff, now })) {
      dropSessionEvents.run(id);
      dropSession.run(id);
    }
    swept = upTo;
    return true;
  }

  const prune = database.transaction((now: number): boolean => {
    const byAge = mayGoByAge(now);
    const cutoff = byAge ? now - limits.age : 0;
    const alarmCutoff = byAge ? now - ALARMS_STAY * limits.age : 0;
    const isTooLarge = usedBytes(database) > limits.bytes;
    const events = (isTooLarge ? dropFirstEvents.run() : dropOldEvents.run(cutoff)).changes;
    const alarms = dropOldAlarms.run(alarmCutoff).changes;
    const audit = dropOldAudit.run(alarmCutoff).changes;
    // A boot whose events are gone for want of room says little, and would fill the room that was made.
    const emptied = isTooLarge ? ((oldestEvent.get() as number | undefined) ?? now) : cutoff;
    const more = sweepSessions(now, Math.max(cutoff, emptied), alarmCutoff);
    const machines = oldMachines.all({ cutoff, alarmCutoff, now });
    for (const mac of machines) {
      dropMachineEvents.run(mac);
      dropMachine.run(mac);
    }
    return (
      more ||
      events === PRUNE_ROWS ||
      alarms === PRUNE_ROWS ||
      audit === PRUNE_ROWS ||
      machines.length === MACHINES
    );
  });

  function giveBackPages(): boolean {
    if (pragma('auto_vacuum') !== 2) return false;
    const spare = Math.max(SPARE_PAGES, SPARE_PART * pragma('page_count'));
    if (pragma('freelist_count') <= spare + PAGES) return false;
    // Read to its end, or it stops after the first page.
    database.pragma(`incremental_vacuum(${PAGES})`);
    return true;
  }

  return {
    tidyHistory(now) {
      const pruning = prune.immediate(now);
      return giveBackPages() || pruning;
    },
    measureHistory() {
      const { oldest, ...rows } = counts.get() as Omit<HistorySize, 'bytes' | 'used' | 'oldestEvent'> & {
        readonly oldest: number | null;
      };
      return {
        bytes: pragma('page_count') * pragma('page_size'),
        used: usedBytes(database),
        ...rows,
        ...(oldest === null ? {} : { oldestEvent: oldest }),
      };
    },
  };
}
