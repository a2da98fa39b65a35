import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TinderboxError } from '../errors.ts';
import { findLeftOvers, readImage, type StoredImage, type StoredVersion } from './image-folder.ts';
import { lockImage } from './lock-image.ts';
import { syncFile } from './sync-file.ts';

export interface PruneOptions {
  readonly assets: string;
  readonly images: readonly StoredImage[];
  /** So many of the newest stay beside the current one. */
  readonly keep: number;
  /** Milliseconds for which a version stays after another one became current: scripts that name it are still about. */
  readonly grace: number;
  /** Whether a role names this version itself, with the reason. */
  readonly pinned: (image: string, version: string) => string | undefined;
  readonly dryRun: boolean;
  readonly now: number;
}

export interface PrunedImage {
  readonly image: string;
  readonly removed: readonly { readonly version: string; readonly bytes: number }[];
  readonly kept: readonly { readonly version: string; readonly reason: string }[];
}

/** Removes old versions and what unfinished pulls left. An image that is being pulled is left alone, and said so. */
export async function pruneImages(options: PruneOptions): Promise<readonly PrunedImage[]> {
  const pruned: PrunedImage[] = [];
  for (const image of options.images) {
    try {
      await using lock = options.dryRun ? undefined : await lockImage(image.folder);
      void lock;
      // Read again: a pull may have ended meanwhile.
      pruned.push(await pruneImage(await readImage(options.assets, image.name), options));
    } catch (thrown) {
      if (!(thrown instanceof TinderboxError) || thrown.code !== 'busy') throw thrown;
      const kept = image.versions.map(({ manifest }) => ({
        version: manifest.version,
        reason: 'another command works on the image',
      }));
      pruned.push({ image: image.name, removed: [], kept });
    }
  }
  return pruned;
}

async function pruneImage(image: StoredImage, options: PruneOptions): Promise<PrunedImage> {
  const removed: { version: string; bytes: number }[] = [];
  const kept: { version: string; reason: string }[] = [];
  const newest = image.versions
    .toSorted((one, other) => Date.parse(other.manifest.pulledAt) - Date.parse(one.manifest.pulledAt))
    .filter(({ manifest }) => manifest.version !== image.current)
    .slice(0, options.keep);
  for (const one of image.versions) {
    const { version } = one.manifest;
    const reason = await reasonToKeep(image, one, newest.includes(one), options);
    if (reason !== undefined) {
      kept.push({ version, reason });
      continue;
    }
    const bytes = one.manifest.files.reduce((sum, { size }) => sum + size, 0);
    if (!options.dryRun) await removeFolder(image.folder, version);
    removed.push({ version, bytes });
  }
  for (const name of await findLeftOvers(image.folder)) {
    const bytes = await sizeOf(join(image.folder, name));
    if (!options.dryRun) await rm(join(image.folder, name), { recursive: true, force: true });
    if (name.startsWith('.pull-'))
      removed.push({ version: `${name.slice('.pull-'.length)} (unfinished)`, bytes });
  }
  return { image: image.name, removed, kept };
}

async function reasonToKeep(
  image: StoredImage,
  { folder, manifest: { version } }: StoredVersion,
  isNewest: boolean,
  { pinned, grace, now, keep }: PruneOptions,
): Promise<string | undefined> {
  if (version === image.current) return 'current';
  const named = pinned(image.name, version);
  if (named !== undefined) return named;
  if (isNewest) return keep === 1 ? 'the newest beside the current one' : `one of the ${keep} newest`;
  const age = now - (await stat(folder)).mtimeMs;
  return age < grace
    ? 'it was current a moment ago: machines that have its script may still fetch it'
    : undefined;
}

/** First out of sight, in one step: a crash leaves no half version. */
async function removeFolder(imageFolder: string, version: string): Promise<void> {
  const hidden = join(imageFolder, `.removed-${version}`);
  await rm(hidden, { recursive: true, force: true });
  await rename(join(imageFolder, version), hidden);
  await syncFile(imageFolder);
  await rm(hidden, { recursive: true, force: true });
}

async function sizeOf(folder: string): Promise<number> {
  let sum = 0;
  for (const name of await readdir(folder, { recursive: true }))
    sum += (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0;
  return sum;
}
