import { createAssetCache } from './asset-cache.ts';
import { type AssetFile, isUnchanged, openAsset } from './asset-file.ts';
import type { AssetFill } from './asset-fill.ts';
import type { OpenAssetMemory } from './asset-memory.ts';

/** The bytes of one version of a file, while somebody downloads it. */
export interface AssetSource {
  readonly origin: 'memory' | 'disk';
  /** What another thread may send by itself; undefined: it must be `read` here. */
  readonly lent: LentAsset | undefined;
  /**
   * At least one byte from `at` and none at or after `end`. Valid until the next call. Undefined if the file was
   * changed in place: what was sent so far must not be completed with bytes of another version. Rejects with Node's
   * error if it cannot be read.
   */
  read(at: number, end: number): Promise<Buffer | undefined>;
  close(): Promise<void>;
}

export interface LentAsset {
  /** Open until the source is closed. */
  readonly descriptor: number;
  /** `as-it-is`: the bytes never change. */
  readonly way: 'as-it-is' | 'copied';
  /** So many bytes before the end of what is asked for must be `read`: by that it is known whether they are all of one version. */
  readonly keptBack: number;
  /** How much of it is there; absent: all. */
  readonly fill?: Pick<AssetFill, 'filled' | 'failure' | 'onMore'>;
}

/** All downloads from disk that are sent from the main thread hold about so much, and each no less and no more than this. */
const DISK_BYTES = 16 * 1024 * 1024;
const LEAST_CHUNK = 32 * 1024;
const LARGEST_CHUNK = 256 * 1024;
/** A slice of what the heap holds: with more, whoever waits for the main thread waits for longer. */
const SLICE_BYTES = 256 * 1024;

export interface AssetSources {
  /** Undefined if the file is another version by now. Rejects with Node's error if it cannot be read. */
  open(
    file: AssetFile,
    range: { readonly start: number; readonly end: number },
  ): Promise<AssetSource | undefined>;
}

export interface AssetSourcesOptions {
  readonly cacheBytes: number;
  readonly openMemory: OpenAssetMemory;
  /** Milliseconds. */
  readonly clock: () => number;
}

/** Files come from memory as far as `cacheBytes` goes, else from disk. */
export function createAssetSources({ cacheBytes, openMemory, clock }: AssetSourcesOptions): AssetSources {
  const cache = createAssetCache({ limitBytes: cacheBytes, openMemory, clock });
  let onDisk = 0;

  /** The open descriptor keeps a file that was replaced by renaming; one rewritten in place is noticed. */
  const openFromDisk = async (file: AssetFile): Promise<AssetSource | undefined> => {
    const handle = await openAsset(file);
    if (handle === undefined) return undefined;
    onDisk++;
    const share = Math.floor(DISK_BYTES / onDisk);
    const size = Math.min(Math.max(share, LEAST_CHUNK), LARGEST_CHUNK, Math.max(file.size, 1));
    let chunk: Buffer | undefined;
    return {
      origin: 'disk',
      lent: { descriptor: handle.fd, way: 'copied', keptBack: LEAST_CHUNK },
      async read(at, end) {
        chunk ??= Buffer.allocUnsafeSlow(Math.min(size, end - at));
        const { bytesRead } = await handle.read(chunk, 0, Math.min(chunk.length, end - at), at);
        if (bytesRead === 0) return undefined;
        // Asked once, before the bytes that would make the download look whole.
        if (at + bytesRead === end && !(await isUnchanged(handle, file))) return undefined;
        return chunk.subarray(0, bytesRead);
      },
      async close() {
        onDisk--;
        await handle.close();
      },
    };
  };

  return {
    async open(file, range) {
      const cached = await cache.acquire(file, range);
      if (cached === 'changed') return undefined;
      if (cached === 'not-held') return openFromDisk(file);
      const { memory, fill } = cached;
      return {
        origin: 'memory',
        lent:
          memory.descriptor === undefined
            ? undefined
            : { descriptor: memory.descriptor, way: 'as-it-is', keptBack: 0, fill },
        async read(at, end) {
          await fill.beyond(at);
          const failure = fill.failure();
          if (failure?.kind === 'unreadable') throw failure.error;
          if (failure !== undefined) return undefined;
          return memory.read(at, Math.min(end, fill.filled(), at + SLICE_BYTES));
        },
        close: async () => cached.release(),
      };
    },
  };
}
