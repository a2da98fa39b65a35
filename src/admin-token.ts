import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdminToken } from './admin/port.ts';
import { closeToOthers } from './close-to-others.ts';
import type { Logger } from './logger.ts';
import { writeSecretFile } from './write-secret-file.ts';

/** In paths.state. */
export const ADMIN_TOKEN_FILE = 'admin-token';

/** 256 bits: what cannot be guessed, however many guesses are let through. */
const TOKEN_BYTES = 32;
const TOKEN = /^[\w-]{43}$/;

/**
 * What opens the admin plane over TCP: made at the first start, owner-only. A file that others may look at is closed to
 * them, and the log says so; what is no token (a power cut may leave an empty file) is replaced. Throws as
 * `writeSecretFile` does.
 */
export async function openAdminToken(
  stateFolder: string,
  logger: Pick<Logger, 'warn'>,
  random: (bytes: number) => Buffer = randomBytes,
): Promise<AdminToken> {
  const file = join(stateFolder, ADMIN_TOKEN_FILE);
  const make = async (): Promise<string> => {
    const made = random(TOKEN_BYTES).toString('base64url');
    await writeSecretFile(file, `${made}\n`);
    return made;
  };
  const found = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const kept = found?.trimEnd();
  if (kept !== undefined && !TOKEN.test(kept)) logger.warn(`${file} holds no token: it is made anew`);
  let token = kept !== undefined && TOKEN.test(kept) ? kept : await make();
  if (await closeToOthers(file, 0o600, logger)) {
    logger.warn(`whoever read ${file} can use the admin plane: tinderbox token --renew makes another`);
  }
  return {
    show: () => token,
    showForMetrics: () => forMetrics(token),
    matches: (candidate) => isEqual(candidate, token),
    matchesForMetrics: (candidate) => isEqual(candidate, forMetrics(token)),
    async renew() {
      token = await make();
      return token;
    },
  };
}

/** Another token, which the first cannot be computed from. */
function forMetrics(token: string): string {
  return createHmac('sha256', token).update('metrics').digest('base64url');
}

/** Takes as long whatever the candidate is: of both, the hash is compared. */
function isEqual(candidate: string, token: string): boolean {
  return timingSafeEqual(hashOf(candidate), hashOf(token));
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
