import { closeSync, fchmodSync, fchownSync, openSync, statSync, truncateSync } from 'node:fs';
import { dirname } from 'node:path';
import Sqlite, { type Database } from 'better-sqlite3';
import { TinderboxError } from '../errors.ts';
import { BUSY_TIMEOUT } from './sqlite-reader.ts';

/**
 * Two daemons on one database would each give out addresses from memory. The kernel drops this lock with the process,
 * however it ends; readers are not kept out. Closing it gives it back. Throws `in-use`.
 */
export function lockForWriting(file: string): Database {
  const name = `${file}.lock`;
  create(name);
  try {
    return lock(name);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'SQLITE_BUSY') throw inUse(file, error);
    if (code !== 'SQLITE_NOTADB' && code !== 'SQLITE_CORRUPT') throw error;
    // Its content is worth nothing. Whoever held it would have been met before the content was looked at.
    truncateSync(name);
    return lock(name);
  }
}

/** Who restores with sudo is not who serves. */
function create(name: string): void {
  const descriptor = openSync(name, 'a', 0o600);
  try {
    fchmodSync(descriptor, 0o600);
    const { uid, gid } = statSync(dirname(name));
    if (process.geteuid?.() === 0) fchownSync(descriptor, uid, gid);
  } finally {
    closeSync(descriptor);
  }
}

function lock(name: string): Database {
  const database = new Sqlite(name, { timeout: BUSY_TIMEOUT });
  try {
    database.pragma('journal_mode = MEMORY');
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function inUse(file: string, cause: unknown): TinderboxError {
  return new TinderboxError('in-use', `another Tinderbox process has ${file} open`, {
    cause,
    remedy: 'Stop the other daemon first, or give this one its own paths.state.',
  });
}
