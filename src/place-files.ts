import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TinderboxError } from './errors.ts';
import type { LaidOutFile } from './render/lay-out-config.ts';

interface Staged {
  readonly target: string;
  readonly temporary: string;
}

/**
 * Puts files into a folder, which is made for its owner alone if it is not there: all of them, or none. Each is written
 * whole beside its place first, so that a disk that fills up is noticed before one of them counts; what was made
 * until then is removed again. `isNew` says which paths were not there before. Throws TinderboxError `unavailable` or
 * `refused`, which names the file.
 */
export async function placeFiles(
  folder: string,
  files: readonly Pick<LaidOutFile, 'path' | 'content' | 'mode'>[],
  isNew: (path: string) => boolean,
): Promise<void> {
  const staged: Staged[] = [];
  const folders: string[] = [];
  const placed: string[] = [];
  let at = folder;
  try {
    folders.push(...(await makeFolder(folder, 0o700)));
    for (const file of files) {
      at = join(folder, file.path);
      folders.push(...(await makeFolder(dirname(at), 0o755)));
      staged.push({ target: at, temporary: await stage(at, file) });
    }
    for (const [index, { target, temporary }] of staged.entries()) {
      at = target;
      await rename(temporary, target);
      const path = files[index]?.path ?? '';
      if (isNew(path)) placed.push(target);
    }
  } catch (thrown) {
    for (const { temporary } of staged) await unlink(temporary).catch(() => undefined);
    for (const target of placed) await unlink(target).catch(() => undefined);
    // The deepest first; one that somebody else put something into stays.
    for (const made of folders.toReversed()) await rmdir(made).catch(() => undefined);
    throw explain(thrown, at);
  }
}

async function stage(target: string, { content, mode }: Pick<LaidOutFile, 'content' | 'mode'>) {
  const temporary = join(dirname(target), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await using handle = await open(temporary, 'wx', 0o600);
    await handle.writeFile(content);
    await handle.chmod(mode);
    await handle.sync();
  } catch (thrown) {
    await unlink(temporary).catch(() => undefined);
    throw thrown;
  }
  return temporary;
}

/** Those that were made, the outermost first. */
async function makeFolder(folder: string, mode: number): Promise<readonly string[]> {
  const outermost = await mkdir(folder, { recursive: true, mode });
  if (outermost === undefined) return [];
  const made: string[] = [];
  for (let each = folder; each.length >= outermost.length; each = dirname(each)) made.unshift(each);
  return made;
}

function explain(thrown: unknown, file: string): unknown {
  if (thrown instanceof TinderboxError) return thrown;
  const { code } = thrown as NodeJS.ErrnoException;
  const fail = (kind: 'unavailable' | 'refused', why: string, remedy: string): TinderboxError =>
    new TinderboxError(kind, `${file} cannot be written: ${why}; nothing was changed`, {
      cause: thrown,
      remedy,
    });
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return fail('unavailable', 'the disk is full', 'Make room, then try again.');
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
    case 'EEXIST':
      return fail('refused', code, 'Give a folder that you may write: --out FOLDER.');
    default:
      return thrown;
  }
}
