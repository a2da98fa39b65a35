import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { TinderboxError } from '../errors.ts';
import { CONFIG_FORMATS, type ConfigFormat } from '../machine/role.ts';
import { IMAGE_ARCHES, type ImageArch } from './vendor.ts';

export const MANIFEST_FILE = 'image.json';
/** Bytes; one that a pull wrote has some hundred a file. */
const MANIFEST_LIMIT = 4 * 1024 * 1024;

export interface ManifestFile {
  /** Below the version's folder. */
  readonly name: string;
  readonly size: number;
  /** Lower-case hex. */
  readonly sha512: string;
  readonly url: string;
  /** How it was known to be the vendor's: a sentence. */
  readonly proof: string;
}

/** `assets/<image>/<version>/image.json`: what a pull put there, and how it was proven. */
export interface ImageManifest {
  readonly image: string;
  readonly vendor: string;
  readonly channel: string;
  readonly version: string;
  readonly arch: ImageArch;
  /** What configurations its system reads; [] for what is no system. */
  readonly formats: readonly ConfigFormat[];
  readonly files: readonly ManifestFile[];
  /** Empty: checksums over HTTPS only. */
  readonly signedBy: readonly { readonly fingerprint: string; readonly owner: string }[];
  readonly mirror: string;
  /** ISO 8601. */
  readonly pulledAt: string;
}

/** Of a version's folder; undefined where nothing was pulled. Throws TinderboxError `refused` if it is damaged. */
export async function readManifest(folder: string): Promise<ImageManifest | undefined> {
  const file = join(folder, MANIFEST_FILE);
  let text = '';
  try {
    // Not waiting for whoever might write into a pipe that lies there.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await handle.stat();
    if (found.isFile() && found.size <= MANIFEST_LIMIT) text = await handle.readFile('utf8');
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw thrown;
  }
  try {
    const read: unknown = JSON.parse(text);
    if (isManifest(read)) return read;
  } catch {
    // Said below.
  }
  throw new TinderboxError('refused', `${file} is damaged`, {
    remedy: `Remove ${folder}, then pull that version again.`,
  });
}

function isManifest(value: unknown): value is ImageManifest {
  if (typeof value !== 'object' || value === null) return false;
  const { image, vendor, channel, version, arch, formats, files, signedBy, mirror, pulledAt } =
    value as Partial<Record<keyof ImageManifest, unknown>>;
  return (
    [image, vendor, channel, version, mirror, pulledAt].every((text) => typeof text === 'string') &&
    (IMAGE_ARCHES as readonly unknown[]).includes(arch) &&
    Array.isArray(formats) &&
    formats.every((format) => (CONFIG_FORMATS as readonly unknown[]).includes(format)) &&
    Array.isArray(signedBy) &&
    signedBy.every(
      (one: unknown) => typeof (one as { fingerprint?: unknown } | null)?.fingerprint === 'string',
    ) &&
    Array.isArray(files) &&
    files.every(isFile)
  );
}

function isFile(value: unknown): value is ManifestFile {
  const { name, size, sha512 } = (value ?? {}) as Partial<ManifestFile>;
  return (
    typeof name === 'string' &&
    isImagePath(name) &&
    Number.isSafeInteger(size) &&
    typeof sha512 === 'string' &&
    /^[0-9a-f]{128}$/.test(sha512)
  );
}

/** Fit for a folder of its own, and for a URL as it stands. */
export function isImageName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$/.test(text) && text !== 'current';
}

/** A file below a version's folder: few names, none of them special. */
export function isImagePath(text: string): boolean {
  const names = text.split('/');
  return names.length <= 4 && names.every(isImageName) && text !== MANIFEST_FILE;
}
