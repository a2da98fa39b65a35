import { statfs } from 'node:fs/promises';
import { createSpaceBudget, type SpaceBudget } from './disk-space.ts';
import type { PulledStore } from './pulled-store.ts';

/** The bound of the store and what the disk has: old files go for both, unless that would not help either. */
export function createBoundedSpace(store: PulledStore) {
  const disk = createSpaceBudget(store.folder);
  return {
    /** `written`: bytes of it that are on the disk already. */
    for: (path: string, written: () => number): SpaceBudget => ({
      async reserve(bytes, name) {
        await store.promise(path, written() + bytes);
        for (;;) {
          try {
            return await disk.reserve(bytes, name);
          } catch (thrown) {
            const { bavail, bsize } = await statfs(store.folder);
            if (bavail * bsize + store.bytes() < bytes || !(await store.removeOldest())) throw thrown;
          }
        }
      },
    }),
  };
}
