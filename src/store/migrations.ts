import { chmodSync, closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Database } from 'better-sqlite3';
import { TinderboxError } from '../errors.ts';

/** `TBOX`: says whose file it is, to `file` and to us. */
export const APPLICATION_ID = 0x54424f58;

/**
 * One step a schema version, forward only: the first makes version 1. A step that has been released is never edited.
 * Events have no foreign keys: they are a log with bounds of its own.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE leases (
    address    INTEGER PRIMARY KEY,
    mac        TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('bound', 'released', 'declined')),
    expires_at INTEGER NOT NULL,
    via        TEXT    NOT NULL,
    hostname   TEXT
  ) STRICT;

  CREATE TABLE machines (
    mac          TEXT    PRIMARY KEY,
    uuid         TEXT,
    arch         TEXT,
    relay        INTEGER,
    address      INTEGER,
    serial       TEXT,
    asset        TEXT,
    manufacturer TEXT,
    product      TEXT,
    platform     TEXT,
    first_seen   INTEGER NOT NULL,
    last_seen    INTEGER NOT NULL,
    via          TEXT,
    hostname     TEXT
  ) STRICT;
  CREATE INDEX machines_by_last_seen ON machines (last_seen DESC, mac);

  CREATE TABLE sessions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    mac         TEXT    NOT NULL REFERENCES machines (mac) ON DELETE CASCADE,
    opened_at   INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    stage       TEXT    NOT NULL,
    stage_times TEXT    NOT NULL,
    ended_as    TEXT,
    ended_at    INTEGER,
    script_at   INTEGER,
    failed_at   INTEGER,
    role        TEXT,
    hostname    TEXT,
    address     INTEGER
  ) STRICT;
  CREATE INDEX sessions_by_machine ON sessions (mac, id DESC);
  CREATE INDEX sessions_open ON sessions (id) WHERE ended_as IS NULL;

  CREATE TABLE events (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    mac        TEXT,
    session_id INTEGER,
    kind       TEXT    NOT NULL,
    stage      TEXT,
    outcome    TEXT    NOT NULL,
    asked      TEXT    NOT NULL,
    answered   TEXT    NOT NULL,
    reasons    TEXT    NOT NULL,
    via        TEXT
  ) STRICT;
  CREATE INDEX events_by_machine ON events (mac, id);
  CREATE INDEX events_by_session ON events (session_id) WHERE session_id IS NOT NULL;
  `,
  `
  ALTER TABLE sessions ADD COLUMN last_stage TEXT;
  ALTER TABLE sessions ADD COLUMN boot_id TEXT;
  ALTER TABLE sessions ADD COLUMN former_boot_id TEXT;
  CREATE INDEX sessions_ready ON sessions (id) WHERE ended_as = 'ready';
  `,
  // What was given to a session goes with it: its URL is void then.
  `
  ALTER TABLE sessions ADD COLUMN signing_until INTEGER;

  CREATE TABLE releases (
    session_id   INTEGER PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    begun_at     INTEGER NOT NULL,
    address      INTEGER NOT NULL,
    completed_at INTEGER
  ) STRICT;

  CREATE TABLE certificates (
    session_id      INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    name            TEXT    NOT NULL,
    key_fingerprint TEXT    NOT NULL,
    serial          TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    given_at        INTEGER NOT NULL,
    not_after       INTEGER NOT NULL,
    PRIMARY KEY (session_id, name)
  ) STRICT, WITHOUT ROWID;
  `,
  // No foreign key: a place outlives a machine that is pruned.
  `
  ALTER TABLE sessions ADD COLUMN waiting_since INTEGER;
  CREATE TABLE admissions (
    mac  TEXT    PRIMARY KEY,
    rule TEXT    NOT NULL,
    at   INTEGER NOT NULL
  ) STRICT;
  `,
  'ALTER TABLE sessions ADD COLUMN alarmed_at INTEGER',
  // Who got it first: null for a client without an IPv4 address.
  `
  ALTER TABLE certificates ADD COLUMN address INTEGER;
  CREATE INDEX sessions_of_tokens ON sessions (mac, id) WHERE signing_until IS NOT NULL;
  `,
  // Machines that have an entry in machines.yaml, or had one when they were last seen: pruned last.
  'ALTER TABLE machines ADD COLUMN listed INTEGER NOT NULL DEFAULT 0',
  `
  ALTER TABLE sessions ADD COLUMN registration TEXT;
  ALTER TABLE sessions ADD COLUMN former_registration TEXT;
  `,
  // Facts about the database itself: `incomplete_since`, from when on it may not know of addresses in use.
  'CREATE TABLE notes (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT',
  // Alarms outlive other events, so that pruning asks for them alone.
  `CREATE INDEX events_alarms ON events (id) WHERE kind = 'security.alarm'`,
  'ALTER TABLE sessions ADD COLUMN stalled TEXT',
  'ALTER TABLE machines ADD COLUMN hardware TEXT',
  // Who changed what: bounded by its own limits, since it outlives machines and their events.
  `
  CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    via     TEXT    NOT NULL,
    address TEXT,
    action  TEXT    NOT NULL,
    target  TEXT,
    outcome TEXT    NOT NULL,
    detail  TEXT    NOT NULL
  ) STRICT;
  `,
  // What became of each `once:` of machines.yaml, which stays there as it was written.
  `
  ALTER TABLE machines ADD COLUMN labels TEXT;
  CREATE TABLE once_uses (
    mac     TEXT    PRIMARY KEY,
    role    TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    tries   INTEGER NOT NULL,
    session INTEGER,
    done_at INTEGER,
    unknown INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  `,
];

/** What a database file is to this program. Throws TinderboxError for one that it must not touch. */
export function inspectDatabase(
  database: Database,
  file: string,
  newest: number = MIGRATIONS.length,
): { readonly version: number; readonly empty: boolean } {
  const version = database.pragma('user_version', { simple: true }) as number;
  const owner = database.pragma('application_id', { simple: true }) as number;
  const empty = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
  if (owner !== APPLICATION_ID && !empty) {
    throw new TinderboxError('refused', `${file} is an SQLite database of another program`, {
      remedy: 'Point paths.state at a directory of its own, or move that file away.',
    });
  }
  if (version > newest) {
    throw new TinderboxError(
      'newer-database',
      `${file} was written by a newer Tinderbox: its schema is version ${version}, this program knows ${newest}`,
      { remedy: remedyForNewer(file, newest) },
    );
  }
  return { version, empty };
}

/** Copies of older schemas that are kept, the one just made and the newest; each is as large as the database. */
const KEPT_COPIES = 3;

/** The copy that is made before the schema of an older database is changed. */
export function backupName(file: string, version: number): string {
  return `${file}.v${version}.bak`;
}

/** The copies that earlier migrations left, by the version of their schema, oldest first. */
export function listCopies(file: string): readonly { readonly version: number; readonly file: string }[] {
  const prefix = `${basename(file)}.v`;
  return namesIn(dirname(file))
    .flatMap((name) => {
      const version = /^(\d+)\.bak$/.exec(name.startsWith(prefix) ? name.slice(prefix.length) : '')?.[1];
      return version === undefined ? [] : [{ version: Number(version), file: join(dirname(file), name) }];
    })
    .toSorted((a, b) => a.version - b.version);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function remedyForNewer(file: string, newest: number): string {
  const copy = listCopies(file).findLast(({ version }) => version <= newest)?.file;
  const other =
    copy === undefined
      ? `or move ${file} away: leases that machines renew are learned again, history is lost`
      : `or put back the copy that was made before the update, without what came after it: mv ${file} ${file}.newer; rm -f ${file}-wal ${file}-shm; cp -p ${copy} ${file}`;
  return `Install that newer Tinderbox again, ${other}.`;
}

/**
 * Brings the schema up to date, all steps in one transaction: it takes effect whole or not at all. A database that
 * already holds something is copied first. Returns whether it is a new one.
 */
export function migrate(
  database: Database,
  file: string,
  migrations: readonly string[] = MIGRATIONS,
): { readonly created: boolean } {
  const { version, empty } = inspectDatabase(database, file, migrations.length);
  if (version === migrations.length) return { created: false };
  if (!empty) copyBefore(database, file, version);
  const run = database.transaction(() => {
    for (const step of migrations.slice(version)) database.exec(step);
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.pragma(`user_version = ${migrations.length}`);
  });
  run.immediate();
  return { created: empty };
}

/**
 * Made anew each time: one that is there may be of an update that was taken back long ago. An unfinished one never gets
 * the name.
 */
function copyBefore(database: Database, file: string, version: number): void {
  const copy = backupName(file, version);
  const part = `${copy}.part`;
  rmSync(part, { recursive: true, force: true });
  try {
    database.prepare('VACUUM INTO ?').run(part);
    chmodSync(part, 0o600);
    syncPath(part);
    renameSync(part, copy);
  } catch (error) {
    rmSync(part, { recursive: true, force: true });
    throw error;
  }
  syncPath(dirname(copy));
  // Where an older database was put back its copy is the oldest by version, and the only one of what is changed now.
  const others = listCopies(file).filter((one) => one.version !== version);
  for (const old of others.slice(0, 1 - KEPT_COPIES)) rmSync(old.file, { force: true });
}

/** A file, or a folder with the names in it. */
function syncPath(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
