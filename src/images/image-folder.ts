import { mkdir, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { TinderboxError } from '../errors.ts';
import { type ImageManifest, isImageName, readManifest } from './image-manifest.ts';
import type { ImageArch, ImageVendor } from './vendor.ts';

export const CURRENT = 'current';

/** The image's name: its folder below assets/, and what roles write. */
export function imageNameOf({ name }: Pick<ImageVendor, 'name'>, arch: ImageArch): string {
  return arch === 'amd64' ? name : `${name}-${arch}`;
}

/** An unfinished pull: hidden, so that it is never served. */
export function stagingOf(imageFolder: string, version: string): string {
  return join(imageFolder, `.pull-${version}`);
}

export interface StoredVersion {
  readonly folder: string;
  readonly manifest: ImageManifest;
}

export interface StoredImage {
  readonly name: string;
  readonly folder: string;
  /** By name, in natural order: v1.9 before v1.10. */
  readonly versions: readonly StoredVersion[];
  /** What the link `current` names. */
  readonly current: string | undefined;
}

export interface ImageSelection {
  /** Also those of which there is nothing but what unfinished pulls and prunes left. */
  readonly unfinished?: boolean;
}

/** Every folder of assets/ that a pull put something in. Throws TinderboxError `refused` for a damaged manifest. */
export async function readImages(
  assets: string,
  selection: ImageSelection = {},
): Promise<readonly StoredImage[]> {
  const entries = await readdir(assets, { withFileTypes: true }).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return [];
    throw thrown;
  });
  const names = entries.filter((one) => one.isDirectory() && isImageName(one.name)).map(({ name }) => name);
  const images: StoredImage[] = [];
  for (const name of names.toSorted()) {
    const image = await readImage(assets, name);
    if (await isSelected(image, selection)) images.push(image);
  }
  return images;
}

async function isSelected(
  { versions, folder }: StoredImage,
  { unfinished }: ImageSelection,
): Promise<boolean> {
  return versions.length > 0 || (unfinished === true && (await findLeftOvers(folder)).length > 0);
}

/** Names in an image's folder: of what a pull, or a prune, that was interrupted left. */
export async function findLeftOvers(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => /^\.(pull|removed)-/.test(name));
}

export async function readImage(assets: string, name: string): Promise<StoredImage> {
  const folder = join(assets, name);
  const versions: StoredVersion[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (!entry.isDirectory() || !isImageName(entry.name)) continue;
    const manifest = await readManifest(join(folder, entry.name));
    // A copy under another name is none of ours to move or remove.
    if (manifest?.version === entry.name) versions.push({ folder: join(folder, entry.name), manifest });
  }
  const order = new Intl.Collator('en', { numeric: true });
  versions.sort((one, other) => order.compare(one.manifest.version, other.manifest.version));
  return { name, folder, versions, current: await readCurrent(folder) };
}

/** Undefined where there is no such link, or one that leads elsewhere. */
export async function readCurrent(imageFolder: string): Promise<string | undefined> {
  const target = await readlink(join(imageFolder, CURRENT)).catch(() => undefined);
  return target !== undefined && isImageName(target) ? target : undefined;
}

/** Throws TinderboxError `not-found`, with the names that there are. */
export async function requireImage(
  assets: string,
  name: string,
  selection: ImageSelection = {},
): Promise<StoredImage> {
  const image = isImageName(name) ? await readImage(assets, name) : undefined;
  if (image !== undefined && (await isSelected(image, selection))) return image;
  const names = (await readImages(assets, selection)).map((one) => one.name);
  throw new TinderboxError('not-found', `no image ${name} was pulled into ${assets}`, {
    remedy:
      names.length === 0
        ? 'None was pulled yet: tinderbox assets pull --help lists what can be.'
        : `There is: ${names.join(', ')}.`,
  });
}

/** Made, for everybody to read, if it is not there. A link in its place is the operator's. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
}
