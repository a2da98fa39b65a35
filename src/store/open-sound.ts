import { chmodSync, closeSync, existsSync, lstatSync, openSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { migrate } from './migrations.ts';
import { type Salvage, salvage } from './salvage.ts';
import { setAside } from './set-aside.ts';
import { isDamage, isUnreadable } from './sqlite-errors.ts';
import { isOnceUnknown, noteOnceUnknown, PUT_ONCE } from './sqlite-once.ts';
import { BUSY_TIMEOUT } from './sqlite-reader.ts';

/** How the database was found. */
export interface DatabaseOpening {
  /** There was none, or none that could be used. */
  readonly created: boolean;
  /**
   * Milliseconds since the epoch: leases that were given before may be unknown, since the database is new, or comes from
   * a backup. Absent: it knows all of them.
   */
  readonly incompleteSince?: number;
  /** It may not know that a `once:` was used up, for the same reasons, but for a new one. */
  readonly isOnceUnknown?: true;
  /** A damaged database that was moved away, why, and what could be saved of it. */
  readonly damaged?: { readonly file: string; readonly reason: string; readonly savedLeases: number };
}

/**
 * A connection to a sound database with the newest schema; one that is damaged is moved away first. The lock must be
 * held. Throws what SQLite and node:fs throw, and what `migrate` does.
 */
export function openSound(
  file: string,
  now: number,
): { readonly database: Database; readonly opening: DatabaseOpening } {
  removeUnfinished(file);
  const reason = findDamage(file);
  if (reason === undefined) {
    rmSync(suspicionOf(file), { force: true });
    const database = connect(file);
    try {
      const { created } = migrate(database, file);
      if (created) noteIncomplete(database, now);
      const unknown = isOnceUnknown(database) ? { isOnceUnknown: true as const } : {};
      return { database, opening: { created, ...readIncomplete(database), ...unknown } };
    } catch (error) {
      database.close();
      throw error;
    }
  }
  const saved = salvage(file, now);
  const aside = setAside(file, now);
  rmSync(suspicionOf(file), { force: true });
  const database = connect(file);
  try {
    migrate(database, file);
    database.transaction(() => {
      put(database, saved);
      noteIncomplete(database, now);
      noteOnceUnknown(database, now);
    })();
    const damaged = { file: aside, reason, savedLeases: saved.leases.length };
    return { database, opening: { created: true, incompleteSince: now, isOnceUnknown: true, damaged } };
  } catch (error) {
    database.close();
    throw error;
  }
}

const suspicionOf = (file: string): string => `${file}.suspect`;

/**
 * Has the next opening look harder: damage showed at work that a quick check may not see, such as an index that lacks a
 * row. Without this the service would end at the same place again after each start. Never throws.
 */
export function suspectDamage(file: string): void {
  try {
    closeSync(openSync(suspicionOf(file), 'a', 0o600));
  } catch {
    // A disk that takes no file has told so by more than this.
  }
}

/** Says of a database that it may not know every lease: from now on. */
export function noteIncomplete(database: Database, now: number): void {
  database.prepare('INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)').run('incomplete_since', now);
}

function readIncomplete(database: Database): Pick<DatabaseOpening, 'incompleteSince'> {
  const value = database.prepare("SELECT value FROM notes WHERE name = 'incomplete_since'").pluck().get();
  return typeof value === 'number' ? { incompleteSince: value } : {};
}

/**
 * Undefined for a sound one and for none. Reads all of it, and of one that is suspected compares the indexes, too: 0.2 s for 80 MB from the kernel's cache, and 200,000 events
 * make no more; damage that shows later would end the service in the middle of its work.
 */
function findDamage(file: string): string | undefined {
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  if (found.isDirectory()) return 'it is a folder';
  let database: Database | undefined;
  try {
    database = connect(file);
    const check = existsSync(suspicionOf(file)) ? 'integrity_check' : 'quick_check';
    const verdict = String(database.pragma(`${check}(1)`, { simple: true }));
    return verdict === 'ok' ? undefined : verdict.replace('*** in database main ***', '').trim();
  } catch (error) {
    if (isDamage(error)) return (error as Error).message;
    if (isUnreadable(error)) return `a part of it cannot be read: ${(error as Error).message}`;
    throw error;
  } finally {
    database?.close();
  }
}

function connect(file: string): Database {
  // SQLite gives -wal and -shm the mode of the database, so it is enough to be first.
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
  return new Sqlite(file, { timeout: BUSY_TIMEOUT });
}

function put(database: Database, { leases, admissions, onceUses }: Salvage): void {
  const lease = database.prepare(
    `INSERT OR REPLACE INTO leases (address, mac, state, expires_at, via, hostname)
     VALUES (@address, @mac, @state, @expires_at, @via, @hostname)`,
  );
  const admission = database.prepare(
    'INSERT OR REPLACE INTO admissions (mac, rule, at) VALUES (@mac, @rule, @at)',
  );
  for (const row of leases) lease.run(row);
  for (const row of admissions) admission.run(row);
  const once = database.prepare(PUT_ONCE);
  for (const row of onceUses) once.run(row);
}

/** Copies that a killed process did not finish: of migrations and of backups. */
function removeUnfinished(file: string): void {
  const folder = dirname(file);
  for (const name of readdirSync(folder)) {
    if (name.startsWith(`${basename(file)}.`) && /\.part(-journal)?$/.test(name))
      rmSync(join(folder, name), { recursive: true, force: true });
  }
}
