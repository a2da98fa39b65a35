import { constants, type Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** What tells one state of a file from another. */
interface Version {
  readonly device: number;
  readonly inode: number;
  readonly size: number;
  readonly modified: number;
  readonly changed: number;
}

interface Snapshot extends Version {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export type SnapshotAnswer =
  | { readonly bytes: Uint8Array }
  | { readonly refused: string; readonly missing: boolean };

export interface SnapshotsOptions {
  /** Bytes of files that are kept after their last transfer. */
  readonly cacheBytes: number;
  /** A larger file is refused: it is held in memory while it is sent. */
  readonly maxFileBytes: number;
  /** The time of day in ms, as files have it. */
  readonly wallClock: () => number;
}

export interface Snapshots {
  /**
   * The content of a regular file, whole, as it was at one moment; never changed afterwards, so that a file which is
   * replaced during a transfer neither changes nor stalls it (TFTP 9). `path` has no links (realpath). Does not throw.
   */
  read(path: string): Promise<SnapshotAnswer>;
  /** Bytes that are kept. */
  size(): number;
}

/** A file that is written to while it is read is read again, so many times; a client asks again anyway. */
const ATTEMPTS = 10;
/**
 * A file younger than this may still be being written (truncated first, as `cp` does), and the kernel's file times
 * tick in steps of up to 10 ms: within one step two versions of one size look the same. In ms.
 */
const SETTLE_TIME = 100;

/** Reads each state of a file once, for however many clients; forgets the least recently used beyond `cacheBytes`. */
export function createSnapshots(options: SnapshotsOptions): Snapshots {
  // In the order of use: a Map keeps that of insertion.
  const kept = new Map<string, Snapshot>();
  // What is too large to keep is still shared by those who read it at the same time.
  const large = new Map<string, WeakRef<Snapshot>>();
  const reading = new Map<string, Promise<SnapshotAnswer>>();
  let size = 0;

  const forget = (path: string): void => {
    size -= kept.get(path)?.size ?? 0;
    kept.delete(path);
  };
  const keep = (snapshot: Snapshot): void => {
    forget(snapshot.path);
    large.delete(snapshot.path);
    if (snapshot.size > options.cacheBytes) {
      large.set(snapshot.path, new WeakRef(snapshot));
      return;
    }
    kept.set(snapshot.path, snapshot);
    size += snapshot.size;
    for (const oldest of kept.keys()) {
      if (size <= options.cacheBytes) break;
      forget(oldest);
    }
  };

  const load = async (path: string): Promise<SnapshotAnswer> => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const snapshot = await readOnce(path, options);
      if (snapshot === undefined) continue;
      if ('refused' in snapshot) return snapshot;
      keep(snapshot);
      return snapshot;
    }
    return { refused: 'the file is being written', missing: false };
  };

  return {
    async read(path) {
      const known = kept.get(path) ?? large.get(path)?.deref();
      if (known !== undefined) {
        const now = await stat(path).catch(() => undefined);
        if (now !== undefined && sameVersion(known, versionOf(now))) {
          if (kept.delete(path)) kept.set(path, known);
          return known;
        }
      }
      const underWay = reading.get(path);
      if (underWay !== undefined) return underWay;
      const answer = load(path).finally(() => reading.delete(path));
      reading.set(path, answer);
      return answer;
    },
    size: () => size,
  };
}

/** Undefined if the file changed under the reading. */
async function readOnce(
  path: string,
  { maxFileBytes, wallClock }: SnapshotsOptions,
): Promise<Snapshot | { refused: string; missing: boolean } | undefined> {
  try {
    // NONBLOCK, or opening a FIFO waits for its writer; NOFOLLOW: `path` had no links when it was checked.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const before = await file.stat();
      if (!before.isFile()) return { refused: 'not a regular file', missing: false };
      if (before.size > maxFileBytes) {
        return { refused: `larger than ${maxFileBytes} bytes: serve it over HTTP`, missing: false };
      }
      const version = versionOf(before);
      const age = wallClock() - version.modified;
      // Younger than now by much: another clock, not a fresh edit.
      if (age < SETTLE_TIME && age > -1000) {
        await sleep(SETTLE_TIME - Math.max(age, 0));
        return undefined;
      }
      const bytes = await file.readFile();
      const unchanged = bytes.length === version.size && sameVersion(version, versionOf(await file.stat()));
      return unchanged ? { ...version, path, bytes } : undefined;
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    return {
      refused: code === 'ENOENT' ? 'no such file' : `cannot be read (${code})`,
      missing: code === 'ENOENT',
    };
  }
}

function versionOf(stats: Stats): Version {
  return {
    device: stats.dev,
    inode: stats.ino,
    size: stats.size,
    modified: stats.mtimeMs,
    changed: stats.ctimeMs,
  };
}

function sameVersion(a: Version, b: Version): boolean {
  return (
    a.inode === b.inode &&
    a.size === b.size &&
    a.modified === b.modified &&
    a.changed === b.changed &&
    a.device === b.device
  );
}
