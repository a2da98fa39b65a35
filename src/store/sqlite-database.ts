import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Database } from 'better-sqlite3';
import type { Mac } from '../machine/mac.ts';
import type { OnceUse } from '../machine/once.ts';
import type { BootSession } from '../machine/session.ts';
import { lockForWriting } from './lock-for-writing.ts';
import { type DatabaseOpening, openSound } from './open-sound.ts';
import type { AdmissionRecord, HistoryBatch, Lease, SessionOwner, StoredState } from './port.ts';
import { prepareAudit, type SqliteAudit } from './sqlite-audit.ts';
import { guarded, sqliteError } from './sqlite-errors.ts';
import { prepareOnce, type SqliteOnce } from './sqlite-once.ts';
import { preparePruning, STORE_LIMITS, type StoreLimits } from './sqlite-prune.ts';
import { buildReader, type SqliteReader } from './sqlite-reader.ts';
import { prepareReleaseGroup, type ReleaseCall, type ReleaseOutcome } from './sqlite-release-group.ts';
import { prepareReleases, type SqliteReleases } from './sqlite-releases.ts';
import {
  type EventRow,
  eventToRow,
  type LeaseRow,
  leaseFromRow,
  type MachineRow,
  machineFromRow,
  machineToRow,
  type SessionRow,
  sessionFromRow,
  sessionToRow,
} from './sqlite-rows.ts';
import { makeShrinkable, prepareTidying, type SqliteTidy } from './sqlite-tidy.ts';

/**
 * `disk`: a lease is synced before its commit returns, and survives the loss of power. `process`: it survives the
 * end of the process only.
 */
export type Durability = 'disk' | 'process';

export interface SqliteOptions {
  readonly file: string;
  readonly durability: Durability;
  readonly limits?: Partial<StoreLimits>;
  /** Milliseconds since the epoch: when a database that is made now begins. */
  readonly openedAt?: number;
  /** Milliseconds that never jump; for tests, and not across the border of a thread. */
  readonly uptime?: () => number;
}

/** The store port, synchronous, in the thread that calls it. Everything throws TinderboxError and nothing else. */
export interface SqliteDatabase extends SqliteReader, SqliteReleases, SqliteTidy, SqliteAudit, SqliteOnce {
  load(): StoredState;
  commitLeases(leases: readonly Lease[]): void;
  appendHistory(batch: HistoryBatch): void;
  forgetMachine(mac: Mac): boolean;
  putAdmission(admission: AdmissionRecord): void;
  dropAdmission(mac: Mac): void;
  /** How it was found when it was opened. */
  opening(): DatabaseOpening;
  /** Calls of the release book that came together; see sqlite-release-group.ts. Throws nothing. */
  releaseGroup(calls: readonly ReleaseCall[]): readonly ReleaseOutcome[];
}

/**
 * Opens or creates the database: folder 0700 (if it has to make it), files 0600, schema up to date. A damaged one is set
 * aside, and a new one takes its place; `opening` says so.
 */
export function openSqliteDatabase(options: SqliteOptions): SqliteDatabase {
  const { file, openedAt = Date.now() } = options;
  const opened: Database[] = [];
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    opened.push(lockForWriting(file));
    const { database, opening } = openSound(file, openedAt);
    opened.push(database);
    return createSqliteDatabase(database, options, () => closeAll(opened), opening);
  } catch (error) {
    closeAll(opened);
    throw sqliteError(error, file, 'opening');
  }
}

/** The last opened first: the lock goes when nothing is left to protect. */
function closeAll(opened: readonly Database[]): void {
  for (const each of opened.toReversed()) each.close();
}

/** The statements over a connection whose schema is up to date. `close` ends what the caller opened. */
export function createSqliteDatabase(
  database: Database,
  options: SqliteOptions,
  close: () => void,
  opening: DatabaseOpening = { created: false },
): SqliteDatabase {
  const { file, durability, openedAt = Date.now(), uptime = () => performance.now() } = options;
  makeShrinkable(database);
  database.pragma('journal_mode = WAL');
  database.pragma('foreign_keys = ON');
  // The WAL is cut back to this after a checkpoint; without it a burst's size stays on disk for ever.
  database.pragma(`journal_size_limit = ${16 * 1024 * 1024}`);
  const limits: StoreLimits = { ...STORE_LIMITS, ...options.limits };

  // By place and not by name, which would be looked up for each value: there are thousands of these a second.
  const putLease = database.prepare<[number, string, string, number, string, string | null]>(
    `INSERT INTO leases (address, mac, state, expires_at, via, hostname)
     VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (address) DO UPDATE SET mac = excluded.mac, state = excluded.state,
       expires_at = excluded.expires_at, via = excluded.via, hostname = excluded.hostname`,
  );
  const putMachine = database.prepare<MachineRow>(
    `INSERT INTO machines (mac, uuid, arch, relay, address, serial, asset, manufacturer, product, platform,
       first_seen, last_seen, via, hostname, hardware, labels, listed)
     VALUES (@mac, @uuid, @arch, @relay, @address, @serial, @asset, @manufacturer, @product, @platform,
       @first_seen, @last_seen, @via, @hostname, @hardware, @labels, @listed)
     ON CONFLICT (mac) DO UPDATE SET uuid = excluded.uuid, arch = excluded.arch, relay = excluded.relay,
       address = excluded.address, serial = excluded.serial, asset = excluded.asset,
       manufacturer = excluded.manufacturer, product = excluded.product, platform = excluded.platform,
       first_seen = excluded.first_seen, last_seen = excluded.last_seen, via = excluded.via,
       hostname = excluded.hostname, hardware = excluded.hardware, labels = excluded.labels, listed = excluded.listed`,
  );
  const putSession = database.prepare<SessionRow>(
    `INSERT INTO sessions (id, mac, opened_at, updated_at, stage, stage_times, ended_as, ended_at, script_at, failed_at,
       stalled, alarmed_at, waiting_since, signing_until, last_stage, boot_id, former_boot_id, registration, former_registration,
       role, hostname, address)
     VALUES (@id, @mac, @opened_at, @updated_at, @stage, @stage_times, @ended_as, @ended_at, @script_at, @failed_at,
       @stalled, @alarmed_at, @waiting_since, @signing_until, @last_stage, @boot_id, @former_boot_id, @registration, @former_registration,
       @role, @hostname, @address)
     ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at, stage = excluded.stage, stage_times = excluded.stage_times,
       ended_as = excluded.ended_as, ended_at = excluded.ended_at, script_at = excluded.script_at,
       failed_at = excluded.failed_at, stalled = excluded.stalled, alarmed_at = excluded.alarmed_at, waiting_since = excluded.waiting_since,
       signing_until = excluded.signing_until, last_stage = excluded.last_stage, boot_id = excluded.boot_id,
       former_boot_id = excluded.former_boot_id, registration = excluded.registration,
       former_registration = excluded.former_registration, role = excluded.role, hostname = excluded.hostname, address = excluded.address`,
  );
  const hasSession = database.prepare('SELECT 1 FROM sessions WHERE id = ?').pluck();
  const putEvent = database.prepare<EventRow>(
    `INSERT INTO events (at, mac, session_id, kind, stage, outcome, asked, answered, reasons, via)
     VALUES (@at, @mac, @session_id, @kind, @stage, @outcome, @asked, @answered, @reasons, @via)`,
  );
  const putAdmission = database.prepare<AdmissionRecord>(
    `INSERT INTO admissions (mac, rule, at) VALUES (@mac, @rule, @at)
     ON CONFLICT (mac) DO UPDATE SET rule = excluded.rule, at = excluded.at`,
  );
  const dropAdmission = database.prepare<[string]>('DELETE FROM admissions WHERE mac = ?');
  const dropMachine = database.prepare('DELETE FROM machines WHERE mac = ?');
  const dropMachineEvents = database.prepare('DELETE FROM events WHERE mac = ?');
  const once = prepareOnce(database);
  const appendAudit = prepareAudit(database, limits);
  const prune = preparePruning(database, limits);
  const tidy = prepareTidying(database, limits, { startedAt: openedAt, uptime });

  const writeLeases = database.transaction((leases: readonly Lease[]) => {
    for (const { address, mac, state, expiresAt, via, hostname = null } of leases)
      putLease.run(address, mac, state, expiresAt, via, hostname);
  });
  /** Returns the machines that may have one too many by these. Most sessions are only carried on. */
  const writeSessions = (sessions: readonly BootSession[]): ReadonlySet<Mac> => {
    const grown = new Set<Mac>();
    for (const session of sessions) {
      if (session.alarmedAt !== undefined || hasSession.get(session.id) === undefined) grown.add(session.mac);
      putSession.run(sessionToRow(session));
    }
    return grown;
  };
  const writeHistory = database.transaction((batch: HistoryBatch) => {
    for (const machine of batch.machines) putMachine.run(machineToRow(machine));
    const grown = writeSessions(batch.sessions);
    for (const event of batch.events) putEvent.run(eventToRow(event));
    prune(batch, { grown });
  });

  // Its sessions go with it (ON DELETE CASCADE).
  const removeMachine = database.transaction((mac: Mac): boolean => {
    const events = dropMachineEvents.run(mac).changes;
    return dropMachine.run(mac).changes + events > 0;
  });

  const releases = prepareReleases(database, ({ machine, session }: SessionOwner) => {
    putMachine.run(machineToRow(machine));
    const sessions = [session];
    const grown = writeSessions(sessions);
    prune({ machines: [machine], sessions, events: [] }, { grown, spared: machine.mac });
  });

  const releaseGroup = prepareReleaseGroup(database, releases, file);

  // NORMAL leaves syncing the WAL to checkpoints; FULL syncs it at each commit, and with it whatever NORMAL commits
  // wrote before. So only leases pay for the disk (https://www.sqlite.org/pragma.html#pragma_synchronous).
  let synced: boolean | undefined;
  function setSynced(wanted: boolean): void {
    if (synced === wanted) return;
    database.exec(`PRAGMA synchronous = ${wanted ? 'FULL' : 'NORMAL'}`);
    synced = wanted;
  }

  const reader = buildReader(database, file, close);
  return {
    ...reader,
    opening: () => opening,
    load: guarded(file, () => {
      const row = database
        .prepare(
          `SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'sessions'), 0),
                      coalesce((SELECT max(id) FROM sessions), 0)) + 1 AS next`,
        )
        .get() as { next: number };
      return {
        leases: (database.prepare('SELECT * FROM leases ORDER BY address').all() as LeaseRow[]).map(
          leaseFromRow,
        ),
        machines: (
          database.prepare('SELECT * FROM machines ORDER BY last_seen DESC, mac').all() as MachineRow[]
        ).map(machineFromRow),
        openSessions: (
          database
            .prepare(
              `SELECT * FROM sessions WHERE ended_as IS NULL OR (ended_as = 'ready'
                 AND NOT EXISTS (SELECT 1 FROM sessions newer WHERE newer.mac = sessions.mac AND newer.id > sessions.id
                   AND newer.signing_until IS NULL))
               OR (signing_until IS NOT NULL AND ended_as <> 'superseded')
               ORDER BY id`,
            )
            .all() as SessionRow[]
        ).map(sessionFromRow),
        nextSessionId: row.next,
        admissions: reader.listAdmissions(),
        onceUses: reader.listOnceUses(),
      };
    }),
    commitLeases: guarded(file, (leases: readonly Lease[]) => {
      setSynced(durability === 'disk');
      writeLeases.immediate(leases);
    }),
    appendHistory: guarded(file, (batch: HistoryBatch) => {
      setSynced(false);
      writeHistory.immediate(batch);
    }),
    releaseOf: guarded(file, (sessionId: number) => releases.releaseOf(sessionId)),
    certificateOf: guarded(file, (...args: Parameters<SqliteReleases['certificateOf']>) =>
      releases.certificateOf(...args),
    ),
    beginRelease: guarded(file, (...args: Parameters<SqliteReleases['beginRelease']>) => {
      setSynced(true);
      return releases.beginRelease(...args);
    }),
    completeRelease: guarded(file, (sessionId: number, at: number) => {
      setSynced(true);
      releases.completeRelease(sessionId, at);
    }),
    giveCertificate: guarded(file, (...args: Parameters<SqliteReleases['giveCertificate']>) => {
      setSynced(true);
      return releases.giveCertificate(...args);
    }),
    releaseGroup: guarded(file, (calls: readonly ReleaseCall[]) => {
      setSynced(true);
      return releaseGroup(calls);
    }),
    appendAudit: guarded(file, (records: Parameters<SqliteAudit['appendAudit']>[0]) => {
      setSynced(false);
      appendAudit(records);
    }),
    forgetMachine: guarded(file, (mac: Mac) => {
      setSynced(false);
      return removeMachine.immediate(mac);
    }),
    tidyHistory: guarded(file, (now: number) => {
      setSynced(false);
      return tidy.tidyHistory(now);
    }),
    measureHistory: guarded(file, () => tidy.measureHistory()),
    putAdmission: guarded(file, (admission: AdmissionRecord) => {
      setSynced(durability === 'disk');
      putAdmission.run(admission);
    }),
    dropAdmission: guarded(file, (mac: Mac) => {
      setSynced(durability === 'disk');
      dropAdmission.run(mac);
    }),
    // What is lost of these has a disk wiped again.
    putOnceUse: guarded(file, (use: OnceUse) => {
      setSynced(true);
      once.putOnceUse(use);
    }),
    dropOnceUse: guarded(file, (mac: Mac) => {
      setSynced(true);
      once.dropOnceUse(mac);
    }),
    holdOnceUses: guarded(file, (uses: readonly OnceUse[]) => {
      setSynced(true);
      once.holdOnceUses(uses);
    }),
  };
}
