import { parentPort, workerData } from 'node:worker_threads';
import { suspectDamage } from './open-sound.ts';
import { unpackLeases } from './pack-leases.ts';
import { openSqliteDatabase, type SqliteDatabase } from './sqlite-database.ts';
import { errorToMessage, sqliteError } from './sqlite-errors.ts';
import type { StoreAnswer, StoreCall, StoreThreadOptions } from './sqlite-messages.ts';
import type { ReleaseOutcome } from './sqlite-release-group.ts';

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
      if (call.name === 'releaseGroup') noticeDamage(value as readonly ReleaseOutcome[]);
      answer({ kind: 'done', value, ms: performance.now() - started });
      // The thread ends by itself once nothing can be asked any more.
      if (call.name === 'close') port?.close();
    } catch (error) {
      fail(error);
    }
  });
}

/** Of calls that failed by themselves, in a group that did not. */
function noticeDamage(outcomes: readonly ReleaseOutcome[]): void {
  if (outcomes.some((outcome) => outcome.kind === 'failed' && outcome.error.damage === true))
    suspectDamage(options.file);
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
