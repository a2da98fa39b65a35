import { createAssetCache } from './asset-cache.ts';
import { type AssetFile, isUnchanged, openAsset } from './asset-file.ts';

/** The bytes of one version of a file, while somebody downloads it. */
export interface AssetSource {
  readonly origin: 'memory' | 'disk';
  /**
   * At least one byte from `at` and none at or after `end`. Valid until the next call. Undefined if the file was
   * changed in place: what was sent so far must not be completed with bytes of another version.
   */
  read(at: number, end: number): Promise<Buffer | undefined> | Buffer;
  close(): Promise<void>;
}

/**
 * Slices of a shared buffer cost nothing; they are cut so that progress can be told and a slow client is noticed.
 * 4 MiB keeps a loopback client as busy as one write of the whole file does, 256 KiB did not (measured).
 */
const SLICE_BYTES = 4 * 1024 * 1024;
/** All downloads from disk together hold about so much, and each no less and no more than this. */
const DISK_BYTES = 16 * 1024 * 1024;
const LEAST_CHUNK = 32 * 1024;
const LARGEST_CHUNK = 256 * 1024;

export interface AssetSources {
  /** Undefined if the file is another version by now. Rejects with Node's error if it cannot be read. */
  open(file: AssetFile): Promise<AssetSource | undefined>;
}

/** Files come from memory as far as `cacheBytes` goes, else from disk. */
export function createAssetSources(cacheBytes: number): AssetSources {
  const cache = createAssetCache(cacheBytes);
  let onDisk = 0;

  /** The open descriptor keeps a file that was replaced by renaming; one rewritten in place is noticed. */
  const openFromDisk = async (file: AssetFile): Promise<AssetSource | undefined> => {
    const handle = await openAsset(file);
    if (handle === undefined) return undefined;
    onDisk++;
    const share = Math.floor(DISK_BYTES / onDisk);
    const size = Math.min(Math.max(share, LEAST_CHUNK), LARGEST_CHUNK, Math.max(file.size, 1));
    const chunk = Buffer.allocUnsafeSlow(size);
    return {
      origin: 'disk',
      async read(at, end) {
        const { bytesRead } = await handle.read(chunk, 0, Math.min(size, end - at), at);
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
    async open(file) {
      const cached = await cache.acquire(file);
      if (cached === 'changed') return undefined;
      if (cached === 'no-room') return openFromDisk(file);
      const { buffer } = cached;
      return {
        origin: 'memory',
        read: (at, end) => buffer.subarray(at, Math.min(at + SLICE_BYTES, end)),
        close: async () => cached.release(),
      };
    },
  };
}
