import type { FileHandle } from 'node:fs/promises';
import { type AssetFile, isUnchanged } from './asset-file.ts';
import type { AssetMemory } from './asset-memory.ts';

/** Why no more bytes come. */
export type FillEnd = { readonly kind: 'changed' } | { readonly kind: 'unreadable'; readonly error: Error };

/** A file on its way into memory, once for all who want it. */
export interface AssetFill {
  /** Bytes from the beginning that are there, all of the version that was asked for. */
  filled(): number;
  /** Undefined while it goes on, and when all is there. */
  failure(): FillEnd | undefined;
  /** Called each time that one of the two has changed. Returns what ends that. */
  onMore(listener: () => void): () => void;
  /** Resolves when more than `bytes` are there, or no more come. */
  beyond(bytes: number): Promise<void>;
  /** Resolves when it is over, either way. */
  readonly over: Promise<void>;
}

/** What all files that are being read hold together, about; and the most and the least of each. */
const ALL_BYTES = 16 * 1024 * 1024;
const LARGEST_READ = 1024 * 1024;
const LEAST_READ = 64 * 1024;
let fills = 0;

/**
 * Reads the file behind `handle`, which is closed afterwards, into `memory`. After each part it is asked whether the file
 * is still the same, before anybody is told of the part: so no reader need wait for the whole to know what it has.
 */
export function startFill(file: AssetFile, handle: FileHandle, memory: AssetMemory): AssetFill {
  const listeners = new Set<() => void>();
  let filled = 0;
  let failure: FillEnd | undefined;
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  const fill = async (): Promise<void> => {
    const share = Math.floor(ALL_BYTES / fills);
    const size = Math.min(Math.max(share, LEAST_READ), LARGEST_READ, Math.max(file.size, 1));
    const part = Buffer.allocUnsafeSlow(size);
    while (filled < file.size) {
      const { bytesRead } = await handle.read(part, 0, Math.min(size, file.size - filled), filled);
      if (bytesRead === 0 || !(await isUnchanged(handle, file))) {
        failure = { kind: 'changed' };
        return;
      }
      await memory.write(part.subarray(0, bytesRead), filled);
      filled += bytesRead;
      tell();
    }
  };
  const run = async (): Promise<void> => {
    fills++;
    try {
      await fill();
    } catch (error) {
      failure = { kind: 'unreadable', error: error as Error };
    } finally {
      fills--;
      await handle.close().catch(() => undefined);
      tell();
      listeners.clear();
    }
  };
  const onMore = (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  return {
    over: run(),
    filled: () => filled,
    failure: () => failure,
    onMore,
    beyond(bytes) {
      const isThere = (): boolean => filled > bytes || filled >= file.size || failure !== undefined;
      if (isThere()) return Promise.resolve();
      return new Promise((resolve) => {
        const stop = onMore(() => {
          if (!isThere()) return;
          stop();
          resolve();
        });
      });
    },
  };
}
