import { randomBytes } from 'node:crypto';
import { open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface AtomicWriteOptions {
  /** Instead of the old file's; without either 0644. */
  readonly mode?: number;
  /** Of a file that was not there. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/**
 * Replaces a file's content as a whole: whoever reads it, and whatever happens to the power, finds the old text or the
 * new one. Keeps mode (unless one is given) and owner; a symbolic link stays one and its target is replaced. Throws what node:fs throws.
 */
export async function writeFileAtomically(
  file: string,
  text: string,
  { mode: given, owner }: AtomicWriteOptions = {},
): Promise<void> {
  const target = await realpath(file).catch(() => file);
  const folder = dirname(target);
  const old = await stat(target).catch(() => undefined);
  const mode = given ?? (old === undefined ? undefined : old.mode & 0o7777);
  // Hidden, so that nobody takes it for a part of the catalog.
  const temporary = join(folder, `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    {
      await using handle = await open(temporary, 'wx', (mode ?? 0o644) & 0o777);
      await handle.writeFile(text);
      const { uid, gid } = old ?? owner ?? {};
      // Only root may give a file away; for anybody else it is their own already.
      if (uid !== undefined && gid !== undefined) await handle.chown(uid, gid).catch(() => undefined);
      if (mode !== undefined) await handle.chmod(mode);
      await handle.sync();
    }
    await rename(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await using directory = await open(folder, 'r');
  await directory.sync();
}
