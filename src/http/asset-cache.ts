import { type AssetFile, isUnchanged, openAsset } from './asset-file.ts';

/** A whole file in memory, shared by everybody who downloads it. */
export interface CachedAsset {
  readonly buffer: Buffer;
  /** Must be called once, when the bytes are no longer needed. */
  release(): void;
}

export interface AssetCache {
  /**
   * The file's bytes, read once however many ask at the same time. `no-room`: too large, or the memory is taken by
   * downloads under way; `changed`: the file is another version by now. Rejects with Node's error on a bad read.
   */
  acquire(file: AssetFile): Promise<CachedAsset | 'no-room' | 'changed'>;
  /** Bytes held, those of replaced versions that are still being sent included. Never above the limit. */
  heldBytes(): number;
}

interface Entry {
  readonly file: AssetFile;
  readonly loaded: Promise<Buffer | undefined>;
  users: number;
  /** False once another version has taken its place, or it could not be read. */
  listed: boolean;
}

/** One read asks for at most so much: a larger one only blocks a thread of the pool for longer. */
const READ_BYTES = 16 * 1024 * 1024;

export function createAssetCache(limitBytes: number): AssetCache {
  // In order of use, the least recent first.
  const entries = new Map<string, Entry>();
  let held = 0;

  const unlist = (entry: Entry): void => {
    if (!entry.listed) return;
    entry.listed = false;
    if (entries.get(entry.file.realPath) === entry) entries.delete(entry.file.realPath);
    if (entry.users === 0) held -= entry.file.size;
  };
  const release = (entry: Entry): void => {
    entry.users--;
    if (entry.users === 0 && !entry.listed) held -= entry.file.size;
  };
  const makeRoom = (bytes: number): boolean => {
    for (const entry of entries.values()) {
      if (held + bytes <= limitBytes) break;
      if (entry.users === 0) unlist(entry);
    }
    return held + bytes <= limitBytes;
  };
  const find = (file: AssetFile): Entry | undefined => {
    const entry = entries.get(file.realPath);
    if (entry !== undefined && entry.file.version !== file.version) unlist(entry);
    else if (entry !== undefined) {
      entries.delete(file.realPath);
      entries.set(file.realPath, entry);
      return entry;
    }
    if (file.size > limitBytes || !makeRoom(file.size)) return undefined;
    const fresh: Entry = { file, loaded: readWhole(file), users: 0, listed: true };
    entries.set(file.realPath, fresh);
    held += file.size;
    return fresh;
  };

  return {
    heldBytes: () => held,
    async acquire(file) {
      const entry = find(file);
      if (entry === undefined) return 'no-room';
      entry.users++;
      try {
        const buffer = await entry.loaded;
        if (buffer !== undefined) return { buffer, release: () => release(entry) };
      } catch (error) {
        unlist(entry);
        release(entry);
        throw error;
      }
      unlist(entry);
      release(entry);
      return 'changed';
    },
  };
}

/** Undefined if the file was not the same from the first byte to the last. */
async function readWhole(file: AssetFile): Promise<Buffer | undefined> {
  await using handle = await openAsset(file);
  if (handle === undefined) return undefined;
  const buffer = Buffer.allocUnsafeSlow(file.size);
  let at = 0;
  while (at < file.size) {
    const { bytesRead } = await handle.read(buffer, at, Math.min(READ_BYTES, file.size - at), at);
    if (bytesRead === 0) return undefined;
    at += bytesRead;
  }
  return (await isUnchanged(handle, file)) ? buffer : undefined;
}
