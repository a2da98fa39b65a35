import { randomBytes } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SESSION_KEY_BYTES } from './boot/session-token.ts';
import { closeToOthers } from './close-to-others.ts';
import type { Logger } from './logger.ts';
import { writeSecretFile } from './write-secret-file.ts';

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
  await writeSecretFile(file, key);
  return key;
}

/** Whether Tinderbox ran here before. */
export async function hasSessionKey(stateFolder: string): Promise<boolean> {
  return access(join(stateFolder, SESSION_KEY_FILE)).then(
    () => true,
    () => false,
  );
}
