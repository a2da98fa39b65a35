import { randomBytes } from 'node:crypto';
import { access, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SESSION_KEY_BYTES } from './boot/session-token.ts';
import { closeToOthers } from './close-to-others.ts';
import { TinderboxError } from './errors.ts';
import type { Logger } from './logger.ts';

/** In paths.state. */
export const SESSION_KEY_FILE = 'session-key';

/**
 * The key that session URLs are signed with: made at the first start, owner-only, kept so that a machine that boots
 * while the daemon restarts finds its URLs valid. A folder or key that others may look at is closed to them, and the
 * log says so. What is no key (a power cut may leave an empty file) is replaced: machines that are booting right now start
 * over. Throws `refused` if the folder cannot be made private or written, `unavailable` if the disk is full.
 */
export async function loadSessionKey(stateFolder: string, logger: Pick<Logger, 'warn'>): Promise<Uint8Array> {
  await closeToOthers(stateFolder, 0o700, logger);
  const file = join(stateFolder, SESSION_KEY_FILE);
  const existing = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (existing === undefined) return createKey(file);
  if (existing.length !== SESSION_KEY_BYTES) {
    logger.warn(
      `${file} holds ${existing.length} bytes instead of ${SESSION_KEY_BYTES}: it is made anew; machines that are booting right now have to start over`,
    );
    return createKey(file);
  }
  if (await closeToOthers(file, 0o600, logger)) {
    logger.warn(
      `whoever read ${file} can ask for configurations: remove it, and the next start makes another`,
    );
  }
  return existing;
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
    throw explain(error, file);
  }
  // The name is only on disk when the folder is.
  await using folder = await open(dirname(file), 'r');
  await folder.sync();
  return key;
}

/** Whether Tinderbox ran here before. */
export async function hasSessionKey(stateFolder: string): Promise<boolean> {
  return access(join(stateFolder, SESSION_KEY_FILE)).then(
    () => true,
    () => false,
  );
}

function explain(thrown: unknown, file: string): unknown {
  switch ((thrown as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new TinderboxError('unavailable', `the disk is full: ${file} cannot be written`, {
        cause: thrown,
        remedy: `Free space on the file system that holds ${dirname(file)}, then start Tinderbox again.`,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new TinderboxError('refused', `${file} cannot be written (${(thrown as Error).message})`, {
        cause: thrown,
        remedy: `Give the daemon's user the right to write in ${dirname(file)}, and see that the file system is not mounted read-only.`,
      });
    default:
      return thrown;
  }
}
