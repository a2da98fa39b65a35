import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SESSION_KEY_BYTES } from './boot/session-token.ts';
import { TinderboxError } from './errors.ts';

/**
 * The key that session URLs are signed with: made at the first start, owner-only, kept so that a machine that boots
 * while the daemon restarts finds its URLs valid. Throws `internal` if the file holds something else.
 */
export async function loadSessionKey(stateFolder: string): Promise<Uint8Array> {
  const file = join(stateFolder, 'session-key');
  const existing = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (existing !== undefined) {
    if (existing.length === SESSION_KEY_BYTES) return existing;
    throw new TinderboxError(
      'internal',
      `${file} holds ${existing.length} bytes instead of ${SESSION_KEY_BYTES}`,
      {
        remedy: 'Remove it; machines that are booting right now have to start over.',
      },
    );
  }
  const key = randomBytes(SESSION_KEY_BYTES);
  const temporary = join(dirname(file), `.session-key.${process.pid}`);
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(key);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  return key;
}
