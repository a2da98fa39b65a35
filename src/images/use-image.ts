import { randomBytes } from 'node:crypto';
import { lstat, readdir, readlink, rename, rm, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { TinderboxError } from '../errors.ts';
import { CURRENT, readCurrent, type StoredImage } from './image-folder.ts';
import type { ImageManifest } from './image-manifest.ts';
import { syncFile } from './sync-file.ts';

export interface UsedImage {
  readonly image: string;
  readonly version: string;
  /** What was current before, if anything was. */
  readonly before: string | undefined;
}

/**
 * Makes a version the current one: roles that name `/assets/<image>/<file>` boot it from now on. The caller holds the
 * image's lock. Files that were put there by hand are never touched: then nothing changes. Throws TinderboxError
 * `not-found` for a version that is not there, `conflict` where a file stands in the place of a link.
 */
export async function useImage(image: StoredImage, version: string, now: Date): Promise<UsedImage> {
  const wanted = image.versions.find(({ manifest }) => manifest.version === version);
  if (wanted === undefined) {
    const there = image.versions.map(({ manifest }) => manifest.version);
    throw new TinderboxError('not-found', `there is no version ${version} of ${image.name}`, {
      remedy: `There is: ${there.join(', ')}.`,
    });
  }
  const links = linkNames(wanted.manifest);
  await refuseFilesInTheWay(image, [CURRENT, ...links]);
  const before = await readCurrent(image.folder);
  // First the links, then what they lead to: whoever is interrupted leaves the old version or the new one.
  for (const name of links) await placeLink(image.folder, name, `${CURRENT}/${name}`);
  await placeLink(image.folder, CURRENT, version);
  await syncFile(image.folder);
  for (const name of await ownLinks(image.folder)) {
    if (!links.includes(name)) await rm(join(image.folder, name), { force: true });
  }
  const former = image.versions.find(({ manifest }) => manifest.version === before);
  // Since when machines get another one: prune spares what their scripts may still name.
  if (former !== undefined && before !== version) await utimes(former.folder, now, now);
  return { image: image.name, version, before };
}

/** Files by their own name; of what lies in a folder, the folder. */
function linkNames({ files }: ImageManifest): readonly string[] {
  return [...new Set(files.map(({ name }) => name.split('/')[0] ?? name))];
}

/** What `use` made: links to `current/…` of the same name. */
async function ownLinks(folder: string): Promise<readonly string[]> {
  const names: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const target = await readlink(join(folder, entry.name)).catch(() => '');
    if (target === `${CURRENT}/${entry.name}`) names.push(entry.name);
  }
  return names;
}

async function refuseFilesInTheWay(image: StoredImage, names: readonly string[]): Promise<void> {
  const inTheWay: string[] = [];
  for (const name of names) {
    const found = await lstat(join(image.folder, name)).catch(() => undefined);
    if (found === undefined) continue;
    const target = found.isSymbolicLink() ? await readlink(join(image.folder, name)) : undefined;
    const own =
      name === CURRENT ? (await readCurrent(image.folder)) !== undefined : target === `${CURRENT}/${name}`;
    if (!own) inTheWay.push(name);
  }
  if (inTheWay.length === 0) return;
  const paths = inTheWay.map((name) => join(image.folder, name));
  const aside = join(image.folder, 'by-hand');
  throw new TinderboxError(
    'conflict',
    `${paths.join(', ')} ${paths.length === 1 ? 'was' : 'were'} put there by hand: machines go on booting that`,
    { remedy: `Move it aside, then use the version: mkdir -p ${aside} && mv ${paths.join(' ')} ${aside}/` },
  );
}

async function placeLink(folder: string, name: string, target: string): Promise<void> {
  const path = join(folder, name);
  if ((await readlink(path).catch(() => undefined)) === target) return;
  const temporary = join(folder, `.${name}.${randomBytes(6).toString('hex')}`);
  await symlink(target, temporary);
  try {
    await rename(temporary, path);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
}
