import { realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import type { Ipv4 } from '../machine/ipv4.ts';
import { createSnapshots, type SnapshotAnswer } from './tftp-snapshots.ts';

/**
 * What a file is to the machine that fetches it. script: made for it alone; text: what every machine gets; kernel,
 * initrd: of its session; asset: another file of /assets.
 */
export type TftpFileKind = 'loader' | 'text' | 'script' | 'kernel' | 'initrd' | 'asset';

/** A file as it was at one moment. */
export interface TftpFile {
  readonly bytes: Uint8Array;
  readonly kind: TftpFileKind;
  /** As asked, normalised. */
  readonly name: string;
  /** Where it came from, without links, for events. */
  readonly path: string;
  /** To be called when `bytes` are not used any more: until then they are in memory. */
  readonly release?: () => void;
}

/** Who asks, and where. */
export interface TftpAsker {
  readonly remote: Ipv4 | undefined;
  /** The address of ours that was asked. */
  readonly server: Ipv4;
  readonly via: string;
  /** The name as it was sent, as an event tells it. */
  readonly asked: string;
}

/**
 * `missing` tells what is not there from what may not be read; `harmless`: whoever asks does without; `busy`: whoever
 * asks again may get it.
 */
export type TftpFound =
  | { readonly file: TftpFile }
  | {
      readonly refused: string;
      readonly missing?: boolean;
      readonly harmless?: boolean;
      readonly busy?: boolean;
    };

/** `name` is normalised (normalizeFileName): relative, no `..`. */
export type TftpLookup = (name: string, asker: TftpAsker) => Promise<TftpFound>;

export interface BootFilesOptions {
  /** The operator's folder (`paths.assets/ipxe`): any regular file in it and its folders. Looked in first. */
  readonly folder: string;
  /** The distribution's folders, in order: only `loaderNames` are served from them, since /boot holds more. */
  readonly distributionFolders: readonly string[];
  readonly loaderNames: readonly string[];
  /** Files that packages have under other names than firmware asks for, in order; served after all others. */
  readonly packagedFiles?: ReadonlyMap<string, readonly string[]>;
  /** Bytes kept in memory; 64 MB. */
  readonly cacheBytes?: number;
  /** Largest file; 256 MB. */
  readonly maxFileBytes?: number;
  /** Bytes of all files in memory; 768 MB: the service has 1.5 GiB. */
  readonly memoryBytes?: number;
  /** Milliseconds, of a clock that does not jump. */
  readonly now?: () => number;
  /** The time of day in ms, as files have it. */
  readonly wallClock?: () => number;
}

export interface BootFiles {
  /** Does not throw. */
  readonly lookup: (name: string) => Promise<TftpFound>;
  /** The content of a file without links, from wherever; as it was at one moment. Does not throw. */
  readonly read: (path: string) => Promise<SnapshotAnswer>;
  /** Besides `loaderNames`: those that roles name, instead of those of before. */
  nameLoaders(names: readonly string[]): void;
  /** The file (without links) that a name stands for; undefined if none would be served. */
  find(name: string): Promise<string | undefined>;
}

/** Debian and Ubuntu; Fedora and Arch; Debian's `ipxe.efi` lives in /boot and is linked from the first. */
export const DISTRIBUTION_FOLDERS = ['/usr/lib/ipxe', '/usr/share/ipxe', '/boot'] as const;

/**
 * Debian's and Ubuntu's signed chain: firmware asks for the shim by its name in `loaders:`, the shim for GRUB by the
 * name that is compiled into it. Ubuntu's older shims are under `.dualsigned`.
 */
export const PACKAGED_FILES: ReadonlyMap<string, readonly string[]> = new Map(
  [
    ['x64', 'x86_64'],
    ['aa64', 'arm64'],
    ['ia32', 'i386'],
  ].flatMap(([efi = '', cpu = '']): [string, readonly string[]][] => [
    [`shim${efi}.efi`, [`/usr/lib/shim/shim${efi}.efi.signed`, `/usr/lib/shim/shim${efi}.efi.dualsigned`]],
    [`mm${efi}.efi`, [`/usr/lib/shim/mm${efi}.efi.signed`, `/usr/lib/shim/mm${efi}.efi`]],
    [`grub${efi}.efi`, [`/usr/lib/grub/${cpu}-efi-signed/grubnet${efi}.efi.signed`]],
  ]),
);

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
    memoryBytes: options.memoryBytes ?? 768 * 1024 * 1024,
    wallClock: options.wallClock ?? Date.now,
  });
  let loaders = new Set(options.loaderNames);
  const packaged = options.packagedFiles ?? new Map<string, readonly string[]>();
  const now = options.now ?? (() => performance.now());
  const places = new Map<string, { readonly place: Place; readonly until: number }>();

  const locate = async (name: string): Promise<Place> => {
    const own = await resolveIn(options.folder, name);
    if (own !== undefined) {
      if (isWithin(own.root, own.path)) return { path: own.path };
      // A link from the operator's folder to a distribution's loader says nothing that the name alone would not.
      const folders = await resolveAll(options.distributionFolders);
      if (loaders.has(basename(own.path)) && folders.includes(dirname(own.path))) return { path: own.path };
      if ((await resolveAll([...packaged.values()].flat())).includes(own.path)) return { path: own.path };
      return { refused: `a link leads out of ${options.folder}`, missing: false };
    }
    const packagedHere = await resolveAll(packaged.get(name) ?? []);
    if (packagedHere[0] !== undefined) return { path: packagedHere[0] };
    if (!loaders.has(name)) return { refused: 'no such file', missing: true };
    const folders = await resolveAll(options.distributionFolders);
    for (const folder of folders) {
      const found = await resolveIn(folder, name);
      if (found === undefined) continue;
      if (folders.some((root) => isWithin(root, found.path))) return { path: found.path };
    }
    return { refused: 'no such file', missing: true };
  };

  const lookup: BootFiles['lookup'] = async (name) => {
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
    return { file: { ...snapshot, kind: 'loader', name, path: place.path } };
  };

  return {
    lookup,
    read: (path) => snapshots.read(path),
    nameLoaders(names) {
      loaders = new Set([...options.loaderNames, ...names]);
    },
    async find(name) {
      const found = await lookup(name);
      if ('refused' in found) return undefined;
      found.file.release?.();
      return found.file.path;
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
