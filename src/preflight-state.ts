import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { refuseSharedFolder } from './close-to-others.ts';
import type { Config } from './config/port.ts';
import { type Problem, toTinderboxError } from './errors.ts';
import { refuseHalfRestored } from './restore-plan.ts';
import { listSetAside } from './store/set-aside.ts';
import { openStoreReadOnly } from './store/sqlite-store.ts';

/** The database's name in paths.state. */
export const DATABASE_FILE = 'tinderbox.db';

/** Whether the daemon can keep its state, as checkStateFolder says, and what lies there. Changes nothing. */
export async function checkState(config: Config): Promise<readonly Problem[]> {
  const half = await refuseHalfRestored(config.file).then(() => [], problemOf);
  if (half.length > 0) return half;
  const unwritable = await checkStateFolder(config);
  if (unwritable.length > 0) return unwritable;
  return [...(await checkShared(config)), ...(await checkDatabase(join(config.paths.state, DATABASE_FILE)))];
}

/** Whether the folder, or where it will be made, can be written: a disk may be read-only for now. */
export async function checkStateFolder(config: Config): Promise<readonly Problem[]> {
  const { state } = config.paths;
  try {
    const folder = await nearestFolder(state);
    if (!(await stat(folder)).isDirectory()) throw new Error(`${folder} is not a folder`);
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (thrown) {
    const message = `paths.state: ${state} cannot be written: ${toTinderboxError(thrown).message}`;
    const remedy =
      'Make it a folder of the user that runs tinderbox; if it is, run this as that user, or with sudo.';
    return [{ severity: 'error', file: config.file, message, remedy }];
  }
  return [];
}

function problemOf(thrown: unknown): readonly Problem[] {
  const { message, remedy } = toTinderboxError(thrown);
  return [{ severity: 'error', message, ...(remedy === undefined ? {} : { remedy }) }];
}

/** The daemon refuses it, before it makes anything there. */
async function checkShared({ file, paths: { state } }: Config): Promise<readonly Problem[]> {
  try {
    await refuseSharedFolder(state);
    return [];
  } catch (thrown) {
    const { message, remedy } = toTinderboxError(thrown);
    return [{ severity: 'error', file, message, ...(remedy === undefined ? {} : { remedy }) }];
  }
}

/** A database that is not ours to touch is known before anything is started. */
async function checkDatabase(file: string): Promise<readonly Problem[]> {
  const asides = listSetAside(file).map(
    (aside): Problem => ({
      severity: 'warning',
      file: aside,
      message: 'this database was damaged and is set aside; history began anew without it',
      remedy: `Look after the disk (dmesg, smartctl). If a backup is newer than what was lost: tinderbox restore. Then: rm ${aside}*`,
    }),
  );
  try {
    const reader = await openStoreReadOnly(file);
    await reader.close();
    return asides;
  } catch (thrown) {
    const { code, message, remedy } = toTinderboxError(thrown);
    // None yet, an older one or a locked one: the daemon makes, updates or waits for it, and says what it cannot.
    if (code !== 'newer-database' && code !== 'refused') return asides;
    return [...asides, { severity: 'error', message, ...(remedy === undefined ? {} : { remedy }) }];
  }
}

async function nearestFolder(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    return nearestFolder(dirname(path));
  }
}
