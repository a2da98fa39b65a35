import { randomBytes } from 'node:crypto';
import { open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Replaces a file's content as a whole: whoever reads it, and whatever happens to the power, finds the old text or the
 * new one. Keeps mode and owner; a symbolic link stays one and its target is replaced. Throws what node:fs throws.
 */
export async function writeFileAtomically(file: string, text: string): Promise<void> {
  const target = await realpath(file).catch(() => file);
  const folder = dirname(target);
  const old = await stat(target).catch(() => undefined);
  // Hidden, so that nobody takes it for a part of the catalog.
  const temporary = join(folder, `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    {
      await using handle = await open(temporary, 'wx', old === undefined ? 0o644 : old.mode & 0o777);
      await handle.writeFile(text);
      if (old !== undefined) {
        // Only root may give a file away; for anybody else it is their own already.
        await handle.chown(old.uid, old.gid).catch(() => undefined);
        await handle.chmod(old.mode & 0o7777);
      }
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
