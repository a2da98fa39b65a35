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
  | {
      readonly bytes: Uint8Array;
      /** To be called when they are not used any more; once or more often. */
      readonly release: () => void;
    }
  /** `busy`: there is no room for it now. */
  | { readonly refused: string; readonly missing: boolean; readonly busy?: true };

export interface SnapshotsOptions {
  /** Bytes of files that are kept after their last transfer. */
  readonly cacheBytes: number;
  /** A larger file is refused: it is held in memory while it is sent. */
  readonly maxFileBytes: number;
  /** Bytes of all files that are kept or in use: who asks for files that nobody else has must not fill the memory. */
  readonly memoryBytes: number;
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
/** Milliseconds, and how often a file is looked at within them. */
const TURN = 1;
const LOOKS = 2;
const MOST_TURNS = 1024;

/** Reads each state of a file once, for however many clients; forgets the least recently used beyond `cacheBytes`. */
export function createSnapshots(options: SnapshotsOptions): Snapshots {
  // In the order of use: a Map keeps that of insertion.
  const kept = new Map<string, Snapshot>();
  // What is not kept is still shared by those who use it; a path may have several states in use.
  const users = new Map<Snapshot, number>();
  const lent = new Map<string, Snapshot>();
  const reading = new Map<string, Promise<Snapshot | Refusal>>();
  const look = createStats();
  let size = 0;
  let promised = 0;

  const forget = (path: string): void => {
    size -= kept.get(path)?.size ?? 0;
    kept.delete(path);
  };
  const keep = (snapshot: Snapshot): void => {
    forget(snapshot.path);
    if (snapshot.size > options.cacheBytes) return;
    kept.set(snapshot.path, snapshot);
    size += snapshot.size;
    makeRoom(options.cacheBytes);
  };
  const makeRoom = (most: number): void => {
    for (const oldest of kept.keys()) {
      if (size <= most) break;
      forget(oldest);
    }
  };
  const inUse = (): number => {
    let sum = promised;
    for (const snapshot of users.keys()) if (kept.get(snapshot.path) !== snapshot) sum += snapshot.size;
    return sum;
  };
  /** False: it does not fit beside what is in use. */
  const reserve = (bytes: number): boolean => {
    makeRoom(Math.max(0, options.memoryBytes - inUse() - bytes));
    // What was thrown out of the cache may be in use.
    if (inUse() + size + bytes > options.memoryBytes) return false;
    promised += bytes;
    return true;
  };

  const load = async (path: string): Promise<Snapshot | Refusal> => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const snapshot = await readOnce(path, options, { reserve, free: (bytes) => (promised -= bytes) });
      if (snapshot === undefined) continue;
      if ('refused' in snapshot) return snapshot;
      keep(snapshot);
      return snapshot;
    }
    return { refused: 'the file is being written', missing: false };
  };

  const lend = (snapshot: Snapshot): SnapshotAnswer => {
    users.set(snapshot, (users.get(snapshot) ?? 0) + 1);
    lent.set(snapshot.path, snapshot);
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      const left = (users.get(snapshot) ?? 1) - 1;
      if (left > 0) return void users.set(snapshot, left);
      users.delete(snapshot);
      if (lent.get(snapshot.path) === snapshot) lent.delete(snapshot.path);
    };
    return { bytes: snapshot.bytes, release };
  };

  return {
    async read(path) {
      const known = kept.get(path) ?? lent.get(path);
      if (known !== undefined) {
        const now = await look(path);
        if (now !== undefined && sameVersion(known, versionOf(now))) {
          if (kept.get(path) === known && kept.delete(path)) kept.set(path, known);
          return lend(known);
        }
      }
      let underWay = reading.get(path);
      if (underWay === undefined) {
        underWay = load(path).finally(() => reading.delete(path));
        reading.set(path, underWay);
      }
      const loaded = await underWay;
      return 'refused' in loaded ? loaded : lend(loaded);
    },
    size: () => size,
  };
}

/**
 * What a path is now: as seen after whoever asks had asked, but twice a millisecond at most, however many ask. A rack that
 * starts asks for one file thousands of times a second, and asking the disk was half of the work of answering.
 */
function createStats(): (path: string) => Promise<Stats | undefined> {
  const turns = new Map<string, { readonly until: number; looks: number }>();
  const waiting = new Map<string, Promise<Stats | undefined>>();
  const look = (path: string): Promise<Stats | undefined> => {
    if (turns.size >= MOST_TURNS) turns.clear();
    const at = performance.now();
    const turn = turns.get(path);
    if (turn !== undefined && at < turn.until) turn.looks++;
    else turns.set(path, { until: at + TURN, looks: 1 });
    return stat(path).catch(() => undefined);
  };
  return (path) => {
    const soon = waiting.get(path);
    if (soon !== undefined) return soon;
    const turn = turns.get(path);
    if (turn === undefined || turn.looks < LOOKS || performance.now() >= turn.until) return look(path);
    const later = sleep(TURN).then(() => {
      waiting.delete(path);
      return look(path);
    });
    waiting.set(path, later);
    return later;
  };
}

type Refusal = Extract<SnapshotAnswer, { readonly refused: string }>;

/** Of the memory for files. */
interface Room {
  readonly reserve: (bytes: number) => boolean;
  readonly free: (bytes: number) => void;
}

/** Undefined if the file changed under the reading. */
async function readOnce(
  path: string,
  { maxFileBytes, wallClock }: SnapshotsOptions,
  room: Room,
): Promise<Snapshot | Refusal | undefined> {
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
      if (!room.reserve(version.size)) {
        return {
          refused: `no memory for its ${version.size} bytes beside the files that are being sent`,
          missing: false,
          busy: true,
        };
      }
      try {
        const bytes = await file.readFile();
        const unchanged = bytes.length === version.size && sameVersion(version, versionOf(await file.stat()));
        return unchanged ? { ...version, path, bytes } : undefined;
      } finally {
        room.free(version.size);
      }
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
