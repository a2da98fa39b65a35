import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TinderboxError } from '../errors.ts';
import { syncFile } from './sync-file.ts';

/** Below paths.assets; a name with a dot in front is never served, and no image's. */
export const PULLED_FOLDER = '.pulled';

/** What was fetched since somebody asked for it. */
export interface PulledFile {
  /** As it was asked for: `/assets/flatcar/4230.2.0/kernel`, escaped. */
  readonly path: string;
  /** Its name in the folder. */
  readonly name: string;
  readonly size: number;
  /** What the other server said of it. */
  readonly etag?: string;
  readonly lastModified?: string;
  /** Milliseconds since the epoch, each. */
  readonly fetchedAt: number;
  readonly usedAt: number;
}

/** The files of the folder that nobody but this store puts there, within a bound. */
export interface PulledStore {
  readonly folder: string;
  nameOf(path: string): string;
  find(path: string): PulledFile | undefined;
  /** Resolves to false where somebody has removed it. */
  isThere(file: PulledFile): Promise<boolean>;
  used(path: string): void;
  /** After its bytes have got its name. */
  put(file: Omit<PulledFile, 'name' | 'usedAt'>): Promise<void>;
  drop(path: string): Promise<void>;
  /** A fetch begins: the bytes that an earlier one left of it. */
  begin(path: string): number;
  /**
   * Removes what was not asked for the longest until so many bytes fit, and promises them to `path`. Throws TinderboxError
   * `unavailable` where other fetches have them.
   */
  promise(path: string, bytes: number): Promise<void>;
  /** The fetch has ended; what it left unfinished counts, and goes first. */
  release(path: string): Promise<void>;
  /** Makes the disk emptier by one file; false: there is none. */
  removeOldest(): Promise<boolean>;
  files(): readonly PulledFile[];
  /** Held and unfinished. */
  bytes(): number;
}

/** Files of a few bytes each must not fill a table. */
const MOST_FILES = 10_000;
/** How exactly the disk knows when a file was used. In ms. */
const USE_STEP = 60_000;

export interface PulledStoreOptions {
  readonly folder: string;
  readonly maxBytes: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Makes the folder, and removes what a crash left half-done in it. Rejects with Node's error. */
export async function openPulledStore({ folder, maxBytes, now }: PulledStoreOptions): Promise<PulledStore> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const held = new Map<string, PulledFile>();
  const parts = new Map<string, number>();
  const promised = new Map<string, number>();
  const dated = new Map<string, number>();
  const known = await readPulled(folder);
  for (const file of known.toSorted((one, other) => one.usedAt - other.usedAt)) held.set(file.path, file);
  await tidy();

  /** What belongs to no file that is held, but parts that can be resumed. */
  async function tidy(): Promise<void> {
    const names = new Set([...held.values()].map(({ name }) => name));
    const all = await readdir(folder);
    for (const entry of all) {
      const [name = ''] = entry.split('.', 1);
      const isPart = entry.endsWith('.part') && all.includes(`${entry}.json`);
      if (isPart) parts.set(name, (await stat(join(folder, entry))).size);
      const isPartJson = entry.endsWith('.part.json') && all.includes(entry.slice(0, -'.json'.length));
      if (isPart || isPartJson || (names.has(name) && (entry === name || entry === `${name}.json`))) continue;
      await rm(join(folder, entry), { force: true, recursive: true });
    }
  }

  const heldBytes = (): number => sum([...held.values()].map(({ size }) => size));
  const bytes = (): number => heldBytes() + sum(parts.values());

  async function drop(path: string): Promise<void> {
    const file = held.get(path);
    if (file === undefined) return;
    held.delete(path);
    dated.delete(path);
    // The other way round a crash would leave a description of nothing, which is as good.
    await rm(join(folder, `${file.name}.json`), { force: true });
    await rm(join(folder, file.name), { force: true });
  }

  async function removeOldest(): Promise<boolean> {
    for (const name of parts.keys()) {
      parts.delete(name);
      for (const suffix of ['part', 'part.json'])
        await rm(join(folder, `${name}.${suffix}`), { force: true });
      return true;
    }
    const [oldest] = held.keys();
    if (oldest === undefined) return false;
    await drop(oldest);
    return true;
  }

  return {
    folder,
    nameOf,
    find: (path) => held.get(path),
    isThere: ({ name, size }) =>
      stat(join(folder, name)).then(
        (found) => found.isFile() && found.size === size,
        () => false,
      ),
    used(path) {
      const file = held.get(path);
      if (file === undefined) return;
      const at = now();
      held.delete(path);
      held.set(path, { ...file, usedAt: at });
      if (Math.abs(at - (dated.get(path) ?? 0)) < USE_STEP) return;
      dated.set(path, at);
      // Of its description: the file's own times are its version.
      utimes(join(folder, `${file.name}.json`), new Date(at), new Date(at)).catch(() => undefined);
    },
    async put(file) {
      const name = nameOf(file.path);
      const description = join(folder, `${name}.json`);
      await writeFile(`${description}.new`, JSON.stringify(file), { mode: 0o644 });
      await rename(`${description}.new`, description);
      await syncFile(folder);
      held.delete(file.path);
      held.set(file.path, { ...file, name, usedAt: now() });
      while (held.size > MOST_FILES && (await removeOldest()));
    },
    drop,
    begin(path) {
      const name = nameOf(path);
      const left = parts.get(name) ?? 0;
      parts.delete(name);
      promised.set(name, left);
      return left;
    },
    async promise(path, wanted) {
      const name = nameOf(path);
      if (wanted > maxBytes) {
        throw new TinderboxError(
          'refused',
          `${path} has ${wanted} bytes, and assets.pullThrough.maxBytes is ${maxBytes}`,
          { remedy: 'Raise maxBytes in tinderbox.yaml.' },
        );
      }
      promised.set(name, Math.max(wanted, promised.get(name) ?? 0));
      while (heldBytes() + sum(parts.values()) + sum(promised.values()) > maxBytes) {
        if (await removeOldest()) continue;
        throw new TinderboxError(
          'unavailable',
          `there is no room for ${path} (${wanted} bytes) while others are fetched: assets.pullThrough.maxBytes is ${maxBytes}`,
          { remedy: 'Raise maxBytes in tinderbox.yaml.' },
        );
      }
    },
    async release(path) {
      const name = nameOf(path);
      promised.delete(name);
      const left = await stat(join(folder, `${name}.part`)).catch(() => undefined);
      if (left === undefined) parts.delete(name);
      else parts.set(name, left.size);
    },
    removeOldest,
    files: () => [...held.values()],
    bytes,
  };
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((all, one) => all + one, 0);
}

/** Paths are up to 16 KiB long, and `a` is a file where `a/b` is one, too: names are digests. */
function nameOf(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 40);
}

/** Whole files with their descriptions, as they are on disk; whoever runs. */
export async function readPulled(folder: string): Promise<readonly PulledFile[]> {
  const entries = await readdir(folder).catch(() => []);
  const files: PulledFile[] = [];
  for (const entry of entries) {
    if (!/^[0-9a-f]{40}\.json$/.test(entry)) continue;
    const name = entry.slice(0, 40);
    const file = await readOne(folder, name).catch(() => undefined);
    if (file !== undefined) files.push(file);
  }
  return files;
}

async function readOne(folder: string, name: string): Promise<PulledFile | undefined> {
  const description = join(folder, `${name}.json`);
  const read = JSON.parse(await readFile(description, 'utf8')) as Partial<PulledFile>;
  const { path, size, etag, lastModified, fetchedAt } = read;
  const [found, described] = [await stat(join(folder, name)), await stat(description)];
  if (typeof path !== 'string' || nameOf(path) !== name || typeof fetchedAt !== 'number') return undefined;
  if (size !== found.size || !found.isFile()) return undefined;
  return {
    path,
    name,
    size,
    ...(typeof etag === 'string' ? { etag } : {}),
    ...(typeof lastModified === 'string' ? { lastModified } : {}),
    fetchedAt,
    usedAt: described.mtimeMs,
  };
}

/**
 * Removes them, and says how much that was. A daemon that runs notices, and fetches what is asked for anew; what it has not
 * whole yet stays its own, counts, and goes first when room is needed.
 */
export async function prunePulled(
  folder: string,
  dryRun: boolean,
): Promise<{ readonly files: number; readonly bytes: number }> {
  const files = await readPulled(folder);
  const bytes = files.reduce((all, { size }) => all + size, 0);
  if (!dryRun) {
    for (const { name } of files) {
      await rm(join(folder, `${name}.json`), { force: true });
      await rm(join(folder, name), { force: true });
    }
  }
  return { files: files.length, bytes };
}
