import { lstat, readlink, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { asOwnerOf } from './as-owner-of.ts';
import { MACHINES_FILE } from './catalog/load-catalog.ts';

/**
 * Edits machines.yaml with the rights of whom `profiles` belongs to (asOwnerOf), where root runs this. Where the file is
 * root's own link to another place, which that user may not write, root goes there itself: `edit` is told the file, so
 * that no other link is followed.
 */
export async function editAsOwner<Result>(
  profiles: string,
  edit: (options: { readonly file?: string }) => Promise<Result>,
): Promise<Result> {
  const file = process.geteuid?.() === 0 ? await elsewhereByRoot(profiles) : undefined;
  return file === undefined ? asOwnerOf(profiles, () => edit({})) : edit({ file });
}

async function elsewhereByRoot(profiles: string): Promise<string | undefined> {
  const link = join(profiles, MACHINES_FILE);
  const look = () => lstat(link, { bigint: true }).catch(() => undefined);
  const before = await look();
  if (before === undefined || !before.isSymbolicLink() || before.uid !== 0n) return undefined;
  const folder = await realpath(profiles);
  const file = resolve(folder, await readlink(link));
  // It may have been exchanged for another one in between; a rename changes this time of what is put back.
  const after = await look();
  if (after?.ino !== before.ino || after.ctimeNs !== before.ctimeNs) return undefined;
  return file.startsWith(`${folder}/`) ? undefined : file;
}
