import { open } from 'node:fs/promises';
import { MAX_DOCUMENT_BYTES, tooLarge } from '../document/decode-text.ts';
import { describeFileError } from '../document/describe-file-error.ts';
import type { Problem } from '../errors.ts';

/** A pipe or a device in the place of a file would hold the reload up for ever: O_NONBLOCK and a look at its kind. */
const READ_FLAGS = 0o4000;

/** The bytes of a regular file of at most 1 MiB, or why not. */
export async function readProfileFile(
  file: string,
): Promise<{ readonly bytes: Buffer } | { readonly problem: Problem; readonly missing: boolean }> {
  try {
    await using handle = await open(file, READ_FLAGS);
    const stats = await handle.stat();
    if (stats.isDirectory()) throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
    if (!stats.isFile()) return refuse(file, 'this is no regular file');
    if (stats.size > MAX_DOCUMENT_BYTES) return { problem: tooLarge(file, stats.size), missing: false };
    return { bytes: await handle.readFile() };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return { problem: describeFileError(file, error), missing };
  }
}

function refuse(file: string, message: string): { problem: Problem; missing: boolean } {
  return { problem: { severity: 'error', message, file }, missing: false };
}
