import { randomUUID } from 'node:crypto';
import { link, open, readFile, rename, stat, unlink } from 'node:fs/promises';
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
  const own = `${process.pid} ${randomUUID()}\n`;
  const deadline = performance.now() + GIVE_UP_AFTER;
  while (!(await create(file, own))) {
    await removeStale(file);
    if (performance.now() > deadline) {
      throw new TinderboxError('busy', `somebody else is editing ${dir}: ${file} exists`, {
        remedy: `Try again; remove ${file} if nobody is.`,
      });
    }
    await sleep(RETRY_AFTER);
  }
  return { [Symbol.asyncDispose]: () => release(file, own) };
}

/** Who took so long that somebody else has taken over leaves the lock of that one alone. */
async function release(file: string, own: string): Promise<void> {
  const held = await readFile(file, 'utf8').catch(() => undefined);
  if (held === own) await unlink(file).catch(() => undefined);
}

async function create(file: string, own: string): Promise<boolean> {
  try {
    await using handle = await open(file, 'wx', 0o600);
    await handle.writeFile(own);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Renamed first and looked at again: of two that find the same old lock, the slower one must not delete a new one. */
async function removeStale(file: string): Promise<void> {
  const old = await stat(file).catch(() => undefined);
  // Whichever way: one from before the clock was set back would stand for ever.
  if (old === undefined || Math.abs(Date.now() - old.mtimeMs) < STALE_AFTER) return;
  const aside = `${file}.${process.pid}`;
  try {
    await rename(file, aside);
    if ((await stat(aside)).ino !== old.ino) await link(aside, file);
    await unlink(aside);
  } catch {
    // Another one was faster.
  }
}
