import { createAssetDemand } from './asset-demand.ts';
import { type AssetFile, openAsset } from './asset-file.ts';
import { type AssetFill, startFill } from './asset-fill.ts';
import type { AssetMemory, OpenAssetMemory } from './asset-memory.ts';

/** A file in memory, shared by everybody who downloads it; perhaps still on its way there. */
export interface CachedAsset {
  readonly memory: AssetMemory;
  readonly fill: Pick<AssetFill, 'filled' | 'failure' | 'onMore' | 'beyond'>;
  /** Must be called once, when the bytes are no longer needed. */
  release(): void;
}

export interface AssetCache {
  /**
   * The file, or what is there of it. It is read once however many ask, from the beginning on. `not-held`: it is not
   * worth a place (see `admits`), or there is none; `changed`: the file is another version by now. Rejects with Node's
   * error if it cannot be opened.
   */
  acquire(
    file: AssetFile,
    range: { readonly start: number; readonly end: number },
  ): Promise<CachedAsset | 'not-held' | 'changed'>;
  /** Bytes of all files with a place, those of replaced versions that are still being sent included. Never above the limit. */
  heldBytes(): number;
}

export interface AssetCacheOptions {
  readonly limitBytes: number;
  readonly openMemory: OpenAssetMemory;
  /** Milliseconds. */
  readonly clock: () => number;
}

/** So small a file is read at once, whichever part of it is asked for. */
const SMALL_BYTES = 1024 * 1024;
/** For who is asked for so often, others may have to go. */
const WANTED = 2;

interface Entry {
  readonly file: AssetFile;
  readonly opened: Promise<
    { readonly memory: AssetMemory; readonly fill: AssetFill } | 'changed' | 'no-memory'
  >;
  fill: AssetFill | undefined;
  memory: AssetMemory | undefined;
  /** Downloads, and the reading. */
  users: number;
  /** False once another version has taken its place, or it could not be read. */
  listed: boolean;
}

export function createAssetCache({ limitBytes, openMemory, clock }: AssetCacheOptions): AssetCache {
  // In order of use, the least recent first.
  const entries = new Map<string, Entry>();
  const demand = createAssetDemand(clock);
  let held = 0;

  const drop = (entry: Entry): void => {
    held -= entry.file.size;
    entry.memory?.close();
  };
  const unlist = (entry: Entry): void => {
    if (!entry.listed) return;
    entry.listed = false;
    if (entries.get(entry.file.realPath) === entry) entries.delete(entry.file.realPath);
    if (entry.users === 0) drop(entry);
  };
  const release = (entry: Entry): void => {
    entry.users--;
    if (entry.users === 0 && !entry.listed) drop(entry);
  };
  const whenOver = async (entry: Entry, fill: AssetFill): Promise<void> => {
    await fill.over;
    if (fill.failure() === undefined) entry.memory?.whole();
    else unlist(entry);
    release(entry);
  };
  const giveUp = (entry: Entry): void => {
    unlist(entry);
    release(entry);
  };
  /**
   * Where there is room, who asks first may have it. What somebody may still want goes only for a file that is wanted
   * more: one that was asked for twice within a minute or two, and oftener than what has to go for it.
   */
  const makeRoom = (file: AssetFile): boolean => {
    const fits = (): boolean => held + file.size <= limitBytes;
    if (fits()) return true;
    const asked = demand.of(file.realPath);
    if (asked < WANTED || file.size > limitBytes) return false;
    const idle = [...entries.values()].filter(
      (entry) => entry.users === 0 && demand.of(entry.file.realPath) < asked,
    );
    const freed = idle.reduce((sum, entry) => sum + entry.file.size, 0);
    if (held - freed + file.size > limitBytes) return false;
    for (const entry of idle) if (!fits()) unlist(entry);
    return true;
  };
  const begin = (file: AssetFile): Entry => {
    const open = async () => {
      const handle = await openAsset(file);
      if (handle === undefined) return 'changed';
      let memory: AssetMemory;
      try {
        memory = openMemory(file.size);
      } catch {
        await handle.close();
        return 'no-memory';
      }
      const fill = startFill(file, handle, memory);
      entry.memory = memory;
      entry.fill = fill;
      entry.users++;
      void whenOver(entry, fill);
      return { memory, fill };
    };
    const entry: Entry = {
      file,
      // It begins later: the entry has a name by then.
      opened: Promise.resolve().then(open),
      fill: undefined,
      memory: undefined,
      users: 0,
      listed: true,
    };
    entries.set(file.realPath, entry);
    held += file.size;
    return entry;
  };
  const find = (file: AssetFile, start: number, end: number): Entry | undefined => {
    const isWhole = start === 0 && end === file.size;
    if (isWhole) demand.note(file.realPath);
    const entry = entries.get(file.realPath);
    if (entry !== undefined && entry.file.version !== file.version) unlist(entry);
    else if (entry !== undefined) {
      // A part that is far from being there is sooner had from the disk.
      if (!isWhole && file.size > SMALL_BYTES && (entry.fill?.filled() ?? 0) < end) return undefined;
      entries.delete(file.realPath);
      entries.set(file.realPath, entry);
      return entry;
    }
    if (!isWhole && file.size > SMALL_BYTES) return undefined;
    return makeRoom(file) ? begin(file) : undefined;
  };

  return {
    heldBytes: () => held,
    async acquire(file, { start, end }) {
      const entry = find(file, start, end);
      if (entry === undefined) return 'not-held';
      entry.users++;
      try {
        const opened = await entry.opened;
        if (typeof opened === 'string') {
          giveUp(entry);
          return opened === 'changed' ? 'changed' : 'not-held';
        }
        // With its first bytes it is known that the file can be read.
        await opened.fill.beyond(start);
        const failure = opened.fill.failure();
        if (failure === undefined) return { ...opened, release: () => release(entry) };
        if (failure.kind === 'unreadable') throw failure.error;
      } catch (error) {
        giveUp(entry);
        throw error;
      }
      giveUp(entry);
      return 'changed';
    },
  };
}
