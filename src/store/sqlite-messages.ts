import type { DatabaseOpening } from './open-sound.ts';
import type { PackedLeases } from './pack-leases.ts';
import type { SqliteDatabase, SqliteOptions } from './sqlite-database.ts';
import type { ErrorMessage } from './sqlite-errors.ts';

/** The calls that cross the border between the daemon's thread and the database's. One is under way at a time. */
export type StoreCall =
  | { readonly name: 'commitPacked'; readonly args: readonly [PackedLeases] }
  | {
      [Name in keyof SqliteDatabase]: {
        readonly name: Name;
        readonly args: Parameters<SqliteDatabase[Name]>;
      };
    }[keyof SqliteDatabase];

/** `opened` comes once, first; then one answer a call. */
export type StoreAnswer =
  | { readonly kind: 'opened'; readonly opening: DatabaseOpening }
  /** `ms`: what the thread took for it. */
  | { readonly kind: 'done'; readonly value: unknown; readonly ms: number }
  | { readonly kind: 'failed'; readonly error: ErrorMessage };

/** The thread's `workerData`. */
export type StoreThreadOptions = SqliteOptions;
