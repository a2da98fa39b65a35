import { open, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TinderboxError } from '../errors.ts';

const LOCK_FILE = '.machines.yaml.lock';
/** An edit takes some milliseconds: an older lock is what a killed process left. */
const STALE_AFTER = 10_000;
const RETRY_AFTER = 20;
const GIVE_UP_AFTER = 15_000;

/**
 * Holds `profiles/` for one edit by a program, in this process or another one. Throws TinderboxError `busy` if
 * somebody else holds it for 15 seconds.
 */
export async function lockProfiles(dir: string): Promise<AsyncDisposable> {
  const file = join(dir, LOCK_FILE);
  const deadline = Date.now() + GIVE_UP_AFTER;
  while (!(await create(file))) {
    await removeStale(file);
    if (Date.now() > deadline) {
      throw new TinderboxError('busy', `somebody else is editing ${dir}: ${file} exists`, {
        remedy: `Try again; remove ${file} if nobody is.`,
      });
    }
    await sleep(RETRY_AFTER);
  }
  return { [Symbol.asyncDispose]: () => unlink(file).catch(() => undefined) };
}

async function create(file: string): Promise<boolean> {
  try {
    await using handle = await open(file, 'wx', 0o600);
    await handle.writeFile(`${process.pid}\n`);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Renamed first: of two that find the same old lock only one succeeds, and neither deletes a new one by path. */
async function removeStale(file: string): Promise<void> {
  const old = await stat(file).catch(() => undefined);
  if (old === undefined || Date.now() - old.mtimeMs < STALE_AFTER) return;
  const aside = `${file}.${process.pid}`;
  try {
    await rename(file, aside);
    await unlink(aside);
  } catch {
    // Another one was faster.
  }
}
