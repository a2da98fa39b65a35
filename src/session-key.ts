import { randomBytes } from 'node:crypto';
import { open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SESSION_KEY_BYTES } from './boot/session-token.ts';
import { closeToOthers } from './close-to-others.ts';
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
