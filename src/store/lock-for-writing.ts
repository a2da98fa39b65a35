import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  openSync,
  statSync,
} from 'node:fs';
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
    withFile(name, (descriptor) => ftruncateSync(descriptor));
    return lock(name);
  }
}

/** Who restores with sudo is not who serves. */
function create(name: string): void {
  withFile(name, (descriptor) => {
    fchmodSync(descriptor, 0o600);
    const { uid, gid } = statSync(dirname(name));
    if (process.geteuid?.() === 0) fchownSync(descriptor, uid, gid);
  });
}

/** The folder is the service's, which root does not trust: a link there could name any file of this host. */
function withFile(name: string, use: (descriptor: number) => void): void {
  const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  let descriptor: number;
  try {
    descriptor = openSync(name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') throw noLock(name, error);
    throw error;
  }
  try {
    const found = fstatSync(descriptor);
    if (!found.isFile() || found.nlink > 1) throw noLock(name);
    use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function noLock(name: string, cause?: unknown): TinderboxError {
  return new TinderboxError('refused', `${name} is a link, or no file at all`, {
    remedy: 'Nobody makes one there by accident. See what it names, remove it, and try again.',
    ...(cause === undefined ? {} : { cause }),
  });
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
