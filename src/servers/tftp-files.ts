import { realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { createSnapshots } from './tftp-snapshots.ts';

/** A file as it was at one moment. */
export interface TftpFile {
  readonly bytes: Uint8Array;
  /** As asked, normalised. */
  readonly name: string;
  /** Where it came from, without links, for events. */
  readonly path: string;
}

/**
 * `name` is normalised (normalizeFileName): relative, no `..`. Does not throw. `missing` tells what is not there from
 * what may not be read.
 */
export type TftpLookup = (
  name: string,
) => Promise<{ readonly file: TftpFile } | { readonly refused: string; readonly missing?: boolean }>;

export interface BootFilesOptions {
  /** The operator's folder (`paths.assets/ipxe`): any regular file in it and its folders. Looked in first. */
  readonly folder: string;
  /** The distribution's folders, in order: only `loaderNames` are served from them, since /boot holds more. */
  readonly distributionFolders: readonly string[];
  readonly loaderNames: readonly string[];
  /** Bytes kept in memory; 64 MB. */
  readonly cacheBytes?: number;
  /** Largest file; 256 MB. */
  readonly maxFileBytes?: number;
  /** Milliseconds, of a clock that does not jump. */
  readonly now?: () => number;
  /** The time of day in ms, as files have it. */
  readonly wallClock?: () => number;
}

export interface BootFiles {
  readonly lookup: TftpLookup;
  /** The file (without links) that a name stands for; undefined if none would be served. */
  find(name: string): Promise<string | undefined>;
}

/** Debian and Ubuntu; Fedora and Arch; Debian's `ipxe.efi` lives in /boot and is linked from the first. */
export const DISTRIBUTION_FOLDERS = ['/usr/lib/ipxe', '/usr/share/ipxe', '/boot'] as const;

/**
 * Milliseconds for which a name keeps standing for the same file: working that out costs as much as sending ten
 * blocks. A file that is replaced is noticed at once all the same; a link that is moved, or a file put in front of
 * the distribution's, within this time.
 */
const PLACE_HOLDS = 1_000;
const MOST_PLACES = 256;

type Place = { readonly path: string } | { readonly refused: string; readonly missing: boolean };

export function createBootFiles(options: BootFilesOptions): BootFiles {
  const snapshots = createSnapshots({
    cacheBytes: options.cacheBytes ?? 64 * 1024 * 1024,
    maxFileBytes: options.maxFileBytes ?? 256 * 1024 * 1024,
    wallClock: options.wallClock ?? Date.now,
  });
  const loaders = new Set(options.loaderNames);
  const now = options.now ?? (() => performance.now());
  const places = new Map<string, { readonly place: Place; readonly until: number }>();

  const locate = async (name: string): Promise<Place> => {
    const own = await resolveIn(options.folder, name);
    if (own !== undefined) {
      if (isWithin(own.root, own.path)) return { path: own.path };
      // A link from the operator's folder to a distribution's loader says nothing that the name alone would not.
      const folders = await resolveAll(options.distributionFolders);
      if (loaders.has(basename(own.path)) && folders.includes(dirname(own.path))) return { path: own.path };
      return { refused: `a link leads out of ${options.folder}`, missing: false };
    }
    if (!loaders.has(name)) return { refused: 'no such file', missing: true };
    const folders = await resolveAll(options.distributionFolders);
    for (const folder of folders) {
      const found = await resolveIn(folder, name);
      if (found === undefined) continue;
      if (folders.some((root) => isWithin(root, found.path))) return { path: found.path };
    }
    return { refused: 'no such file', missing: true };
  };

  const lookup: TftpLookup = async (name) => {
    // TFTP 4, once more, whoever calls: a name that leaves the root is never even looked for.
    if (name.includes('\0') || name.startsWith('/') || name.split('/').includes('..')) {
      return { refused: 'the name leaves the root', missing: false };
    }
    const known = places.get(name);
    const place = known !== undefined && now() < known.until ? known.place : await locate(name);
    if ('refused' in place) return place;
    if (place !== known?.place) {
      if (places.size >= MOST_PLACES) places.clear();
      places.set(name, { place, until: now() + PLACE_HOLDS });
    }
    const snapshot = await snapshots.read(place.path);
    if ('refused' in snapshot) return snapshot;
    return { file: { bytes: snapshot.bytes, name, path: place.path } };
  };

  return {
    lookup,
    async find(name) {
      const found = await lookup(name);
      return 'file' in found ? found.file.path : undefined;
    },
  };
}

/** Both without links; undefined if there is nothing of that name. */
async function resolveIn(folder: string, name: string): Promise<{ root: string; path: string } | undefined> {
  try {
    return { root: await realpath(folder), path: await realpath(join(folder, name)) };
  } catch {
    return undefined;
  }
}

async function resolveAll(folders: readonly string[]): Promise<string[]> {
  const resolved = await Promise.all(folders.map((folder) => realpath(folder).catch(() => undefined)));
  return resolved.filter((folder) => folder !== undefined);
}

function isWithin(root: string, path: string): boolean {
  return path.startsWith(root.endsWith(sep) ? root : root + sep);
}
