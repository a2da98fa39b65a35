import type { Database } from 'better-sqlite3';
import { type ErrorMessage, errorToMessage, sqliteError } from './sqlite-errors.ts';
import type { SqliteReleases } from './sqlite-releases.ts';

/** A call of the release book. */
export type ReleaseCall = {
  [Name in keyof SqliteReleases]: {
    readonly name: Name;
    readonly args: Readonly<Parameters<SqliteReleases[Name]>>;
  };
}[keyof SqliteReleases];

export type ReleaseOutcome =
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly error: ErrorMessage };

/**
 * Runs calls that came together in one transaction, so that a rack's releases share the disk's turns: each of them has to
 * be synced before its first byte leaves. Where one of them fails, nothing of the group is kept, and they run one by one, so
 * that a call that fails changes nothing and touches no other. `file`: for errors.
 */
export function prepareReleaseGroup(
  database: Database,
  releases: SqliteReleases,
  file: string,
): (calls: readonly ReleaseCall[]) => readonly ReleaseOutcome[] {
  const run = ({ name, args }: ReleaseCall): unknown =>
    (releases[name] as (...args: readonly unknown[]) => unknown)(...args);
  const together = database.transaction((calls: readonly ReleaseCall[]) => calls.map(run));
  const alone = (call: ReleaseCall): ReleaseOutcome => {
    try {
      return { kind: 'done', value: run(call) };
    } catch (error) {
      return { kind: 'failed', error: errorToMessage(sqliteError(error, file)) };
    }
  };
  return (calls) => {
    if (calls.length > 1) {
      try {
        return together.immediate(calls).map((value) => ({ kind: 'done', value }));
      } catch {
        // Which of them it was shows below.
      }
    }
    return calls.map(alone);
  };
}
