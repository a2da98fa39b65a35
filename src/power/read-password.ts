import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { TinderboxError } from '../errors.ts';

const OTHERS = 0o077;
/** Bytes: the longest password that any controller takes is far below. */
const MOST = 4_096;

/**
 * The first line of a file that nobody else may read. Throws `not-found`, or `refused` where others may read it, where it
 * is empty or no regular file. Errors name the file, never what is in it.
 */
export async function readPassword(file: string): Promise<string> {
  const { text, mode } = await readSecret(file);
  if ((mode & OTHERS) !== 0) {
    throw new TinderboxError('refused', `${file} holds a password, and other users may read it`, {
      remedy: `chmod 0600 ${file}`,
    });
  }
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line === '') throw new TinderboxError('refused', `${file} has no password in its first line`);
  return line;
}

async function readSecret(file: string): Promise<{ readonly text: string; readonly mode: number }> {
  try {
    // A pipe in its place would be waited for.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const { mode, size } = await handle.stat().then((stats) => {
      if (!stats.isFile()) throw new TinderboxError('refused', `${file} is no regular file`);
      return stats;
    });
    if (size > MOST) throw new TinderboxError('refused', `${file} is too large to be a password`);
    return { text: await handle.readFile('utf8'), mode };
  } catch (cause) {
    if (cause instanceof TinderboxError) throw cause;
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new TinderboxError(
      missing ? 'not-found' : 'refused',
      missing ? `there is no ${file}` : `${file} may not be read by the user that Tinderbox runs as`,
      { cause, remedy: 'Put the password there, in a file of mode 0600 of the user that Tinderbox runs as.' },
    );
  }
}
