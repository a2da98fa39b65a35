import { randomBytes } from 'node:crypto';
import { open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TinderboxError } from './errors.ts';

/**
 * Writes a file that only its owner may read, whole or not at all, and resolves when it is on disk. Throws `refused` if
 * it may not be written, `unavailable` if the disk is full.
 */
export async function writeSecretFile(file: string, content: Uint8Array | string): Promise<void> {
  const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(8).toString('hex')}`);
  try {
    await using handle = await open(temporary, 'wx', 0o600);
    await handle.writeFile(content);
    await handle.sync();
    await rename(temporary, file);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw explain(error, file);
  }
  // The name is only on disk when the folder is.
  await using folder = await open(dirname(file), 'r');
  await folder.sync();
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
