import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
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
      {
        remedy: `Install that newer Tinderbox again, or restore the copy that it made when it updated the file (${file}.v${newest}.bak).`,
      },
    );
  }
  return { version, empty };
}

/** The copy that is made before the schema of an older database is changed. */
export function backupName(file: string, version: number): string {
  return `${file}.v${version}.bak`;
}

/**
 * Brings the schema up to date, all steps in one transaction: it takes effect whole or not at all. A database that
 * already holds something is copied first.
 */
export function migrate(database: Database, file: string, migrations: readonly string[] = MIGRATIONS): void {
  const { version, empty } = inspectDatabase(database, file, migrations.length);
  if (version === migrations.length) return;
  if (!empty) {
    const backup = backupName(file, version);
    // A copy from an earlier attempt that failed is as good; an unfinished one never gets the name.
    if (!existsSync(backup)) {
      rmSync(`${backup}.part`, { force: true });
      database.prepare('VACUUM INTO ?').run(`${backup}.part`);
      chmodSync(`${backup}.part`, 0o600);
      renameSync(`${backup}.part`, backup);
    }
  }
  const run = database.transaction(() => {
    for (const step of migrations.slice(version)) database.exec(step);
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.pragma(`user_version = ${migrations.length}`);
  });
  run.immediate();
}
