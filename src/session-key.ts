import { randomBytes } from 'node:crypto';
import { chmod, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SESSION_KEY_BYTES } from './boot/session-token.ts';
import { TinderboxError } from './errors.ts';
import type { Logger } from './logger.ts';

/**
 * The key that session URLs are signed with: made at the first start, owner-only, kept so that a machine that boots
 * while the daemon restarts finds its URLs valid. A folder or key that others may look at is closed to them, and the
 * log says so. Throws `internal` if the file holds something else, `refused` if the folder cannot be made private.
 */
export async function loadSessionKey(stateFolder: string, logger: Pick<Logger, 'warn'>): Promise<Uint8Array> {
  await closeToOthers(stateFolder, 0o700, logger);
  const file = join(stateFolder, 'session-key');
  const existing = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (existing === undefined) return createKey(file);
  if (existing.length !== SESSION_KEY_BYTES) {
    throw new TinderboxError(
      'internal',
      `${file} holds ${existing.length} bytes instead of ${SESSION_KEY_BYTES}`,
      {
        remedy: 'Remove it; machines that are booting right now have to start over.',
      },
    );
  }
  if (await closeToOthers(file, 0o600, logger)) {
    logger.warn(
      `whoever read ${file} can ask for configurations: remove it, and the next start makes another`,
    );
  }
  return existing;
}

/** Whether it had to be closed. What belongs to somebody else, or to everybody as /tmp does, is not touched. */
async function closeToOthers(path: string, mode: number, logger: Pick<Logger, 'warn'>): Promise<boolean> {
  const found = await stat(path);
  if ((found.mode & 0o077) === 0) return false;
  const octal = mode.toString(8).padStart(4, '0');
  const was = (found.mode & 0o7777).toString(8).padStart(4, '0');
  const shared = (found.mode & 0o1000) !== 0;
  const self = process.geteuid?.();
  if (shared || (found.uid !== self && self !== 0)) {
    throw new TinderboxError('refused', `paths.state: ${path} has the mode ${was}: others may look at it`, {
      remedy: shared
        ? 'Give Tinderbox a folder of its own for its state.'
        : `Run once: chown ${self} ${path}; chmod ${octal} ${path}`,
    });
  }
  await chmod(path, mode);
  logger.warn(`others could look at ${path}: its mode was ${was} and is ${octal} now`);
  return true;
}

async function createKey(file: string): Promise<Uint8Array> {
  const key = randomBytes(SESSION_KEY_BYTES);
  const temporary = join(dirname(file), `.session-key.${randomBytes(8).toString('hex')}`);
  try {
    await using handle = await open(temporary, 'wx', 0o600);
    await handle.writeFile(key);
    await handle.sync();
    await rename(temporary, file);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  // The name is only on disk when the folder is.
  await using folder = await open(dirname(file), 'r');
  await folder.sync();
  return key;
}
