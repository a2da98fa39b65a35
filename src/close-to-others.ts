import type { Stats } from 'node:fs';
import { chmod, stat } from 'node:fs/promises';
import { TinderboxError } from './errors.ts';
import type { Logger } from './logger.ts';

const OTHERS = 0o077;
const STICKY = 0o1000;

/**
 * Before anything secret is made in it. A folder that is not there yet is made by who needs it, for its owner only.
 * Throws `refused` if it cannot be made private.
 */
export async function closeStateFolder(folder: string, logger: Pick<Logger, 'warn'>): Promise<void> {
  if ((await statIfThere(folder)) !== undefined) await closeToOthers(folder, 0o700, logger);
}

/** The same for who changes nothing of it. Throws `refused` on a folder that everybody shares. */
export async function refuseSharedFolder(folder: string): Promise<void> {
  const found = await statIfThere(folder);
  if (found !== undefined && isShared(found)) throw refuse(folder, found, OWN_FOLDER);
}

/**
 * Whether it had to be closed. What belongs to somebody else, or to everybody as /tmp does, is not touched: `refused`.
 * `mode` is what it gets.
 */
export async function closeToOthers(
  path: string,
  mode: number,
  logger: Pick<Logger, 'warn'>,
): Promise<boolean> {
  const found = await stat(path);
  if ((found.mode & OTHERS) === 0) return false;
  const self = process.geteuid?.();
  if (isShared(found)) throw refuse(path, found, OWN_FOLDER);
  if (found.uid !== self && self !== 0) {
    throw refuse(path, found, `Run once: chown ${self} ${path}; chmod ${octal(mode)} ${path}`);
  }
  await chmod(path, mode);
  logger.warn(`others could look at ${path}: its mode was ${octal(found.mode)} and is ${octal(mode)} now`);
  return true;
}

const OWN_FOLDER = 'Give Tinderbox a folder of its own for its state.';

function isShared({ mode }: Stats): boolean {
  return (mode & STICKY) !== 0 && (mode & OTHERS) !== 0;
}

function refuse(path: string, { mode }: Stats, remedy: string): TinderboxError {
  const message = `paths.state: ${path} has the mode ${octal(mode)}: others may look at it`;
  return new TinderboxError('refused', message, { remedy });
}

const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  }
}
