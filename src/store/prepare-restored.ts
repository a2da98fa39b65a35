import { rmSync } from 'node:fs';
import Sqlite from 'better-sqlite3';
import { TinderboxError } from '../errors.ts';
import { backupName, inspectDatabase, migrate } from './migrations.ts';
import { noteIncomplete } from './open-sound.ts';
import { sqliteError } from './sqlite-errors.ts';
import { noteOnceUnknown } from './sqlite-once.ts';

/**
 * Makes a database of a backup ready to take its place: sound, with the newest schema, and knowing that leases were given
 * after it. Leaves nothing beside it. Throws `newer-database`, `refused`, `invalid-config`.
 */
export function prepareRestored(file: string, now: number): void {
  const database = new Sqlite(file, { fileMustExist: true });
  try {
    const { version } = inspectDatabase(database, file);
    const [first] = database.pragma('quick_check(1)') as { readonly quick_check: string }[];
    if (first?.quick_check !== 'ok') {
      throw new TinderboxError(
        'invalid-config',
        `the database in the backup is damaged: ${first?.quick_check}`,
        {
          remedy: 'Restore an older backup; nothing was changed.',
        },
      );
    }
    migrate(database, file);
    // The backup itself is the copy.
    rmSync(backupName(file, version), { force: true });
    noteIncomplete(database, now);
    noteOnceUnknown(database, now);
    database.pragma('journal_mode = DELETE');
  } catch (error) {
    throw sqliteError(error, file, 'opening');
  } finally {
    database.close();
  }
}
