import { type FileHandle, open } from 'node:fs/promises';

/** A file that is being fetched, and whom its bytes are sent to meanwhile. */
export interface GrowingFile {
  /** What there is of it; fewer than before: it begins anew, with another version. `total`: of the whole. */
  note(available: number, total: number | undefined): void;
  /** No more comes. Whole: what is not sent yet is there to be read. */
  end(whole: boolean): void;
  /** Resolves when the size of the whole is known (true) or never will be. */
  readonly sized: Promise<boolean>;
  /** The version that comes now; undefined: how long it is is not known. */
  current(): GrowingVersion | undefined;
}

export interface GrowingVersion {
  readonly size: number;
  /** `path`: where it is. Rejects with Node's error. */
  follow(path: string): Promise<Follower>;
}

export interface Follower {
  /** As AssetSource's: waits for a byte; undefined if the version that this reader began with will not become whole. */
  read(at: number, end: number): Promise<Buffer | undefined>;
  close(): Promise<void>;
}

/** For each reader: a hall of them reads the same bytes, which the kernel has in memory. */
const CHUNK = 64 * 1024;

export function createGrowingFile(): GrowingFile {
  let available = 0;
  let total: number | undefined;
  let version = 0;
  let ended: 'whole' | 'broken' | undefined;
  let waiting: (() => void)[] = [];
  const sized = Promise.withResolvers<boolean>();

  function wake(): void {
    const woken = waiting;
    waiting = [];
    for (const resolve of woken) resolve();
  }

  return {
    note(bytes, size) {
      if (bytes < available || (total !== undefined && size !== total)) version++;
      available = bytes;
      total = size;
      if (size !== undefined) sized.resolve(true);
      wake();
    },
    end(whole) {
      ended = whole ? 'whole' : 'broken';
      if (whole) total ??= available;
      sized.resolve(whole);
      wake();
    },
    sized: sized.promise,
    current() {
      if (total === undefined) return undefined;
      // Whoever was told the size of this one must not get the bytes of the next.
      const of = version;
      return { size: total, follow: (path) => follow(path, of) };
    },
  };

  function isToCome(at: number, of: number): boolean {
    return version === of && at >= available && ended === undefined;
  }

  async function follow(path: string, of: number): Promise<Follower> {
    const handle: FileHandle = await open(path, 'r');
    const chunk = Buffer.allocUnsafeSlow(CHUNK);
    return {
      async read(at, end) {
        while (isToCome(at, of)) await new Promise<void>((resolve) => waiting.push(resolve));
        if (version !== of || at >= available) return undefined;
        const { bytesRead } = await handle.read(chunk, 0, Math.min(CHUNK, Math.min(end, available) - at), at);
        // It may have begun anew while this was read.
        return version === of && bytesRead > 0 ? chunk.subarray(0, bytesRead) : undefined;
      },
      close: () => handle.close(),
    };
  }
}
