import { chmodSync, closeSync, fsyncSync, openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import Sqlite from 'better-sqlite3';
import type { CopyOrder } from './copy-database.ts';
import { inspectDatabase } from './migrations.ts';
import { type ErrorMessage, errorToMessage, sqliteError } from './sqlite-errors.ts';
import { BUSY_TIMEOUT } from './sqlite-reader.ts';

/** The thread of copy-database.ts. */
const { file, to } = workerData as CopyOrder;
try {
  copy();
  say(undefined);
} catch (error) {
  say(errorToMessage(sqliteError(error, file)));
}

function say(failure: ErrorMessage | undefined): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(failure);
}

/** VACUUM INTO reads one snapshot of the write-ahead log's; the copy has no free pages and no log beside it. */
function copy(): void {
  // Not read-only: such a connection, where no daemon runs, leaves the files of its write-ahead log behind.
  const database = new Sqlite(file, { fileMustExist: true, timeout: BUSY_TIMEOUT });
  try {
    inspectDatabase(database, file);
    // Before there is anything to read in it.
    closeSync(openSync(to, 'wx', 0o600));
    chmodSync(to, 0o600);
    database.prepare('VACUUM INTO ?').run(to);
  } finally {
    database.close();
  }
  const descriptor = openSync(to, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}
