import { parentPort, workerData } from 'node:worker_threads';
import { suspectDamage } from './open-sound.ts';
import { unpackLeases } from './pack-leases.ts';
import { openSqliteDatabase, type SqliteDatabase } from './sqlite-database.ts';
import { errorToMessage, sqliteError } from './sqlite-errors.ts';
import type { StoreAnswer, StoreCall, StoreThreadOptions } from './sqlite-messages.ts';

/** The thread that SQLite lives in: an fsync here holds up no packet there. */
const options = workerData as StoreThreadOptions;
const port = parentPort;
if (port === null) throw new Error('sqlite-worker.ts is the entry of a worker thread');

function answer(message: StoreAnswer): void {
  port?.postMessage(message);
}

function serve(database: SqliteDatabase): void {
  port?.on('message', (call: StoreCall) => {
    const started = performance.now();
    try {
      if (call.name === 'commitPacked') {
        database.commitLeases(unpackLeases(call.args[0]));
        return answer({ kind: 'done', value: undefined, ms: performance.now() - started });
      }
      const run = database[call.name] as (...args: readonly unknown[]) => unknown;
      const value = run(...call.args);
      answer({ kind: 'done', value, ms: performance.now() - started });
      // The thread ends by itself once nothing can be asked any more.
      if (call.name === 'close') port?.close();
    } catch (error) {
      fail(error);
    }
  });
}

function fail(thrown: unknown): void {
  const error = errorToMessage(sqliteError(thrown, options.file));
  if (error.damage === true) suspectDamage(options.file);
  answer({ kind: 'failed', error });
}

try {
  const database = openSqliteDatabase(options);
  serve(database);
  answer({ kind: 'opened', opening: database.opening() });
} catch (error) {
  fail(error);
}
