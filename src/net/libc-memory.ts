import type * as Koffi from 'koffi';
import { hasKnownLayout } from './kernel-layout.ts';

export interface MemoryCalls {
  /**
   * Has the kernel hold LARGE_PAGE bytes of a file in memory, from `at` on, in one page; a part of them must be written.
   * What they are stays the same, also while others read or send them. `done` is called later: whether it did. Waits in a
   * thread of libuv.
   */
  readonly enlargePage: (fd: number, at: number, done: (isLarge: boolean) => void) => void;
}

/** A large page of every processor that has pages of 4 KiB. */
export const LARGE_PAGE = 2 * 1024 * 1024;

// asm-generic/mman.h, mman-common.h.
const PROT_NONE = 0;
const PROT_READ = 1;
const MAP_SHARED = 1;
const MAP_FIXED = 0x10;
const MAP_PLACE = 2 | 0x20 | 0x4000;
/** Since Linux 6.1, whatever /sys/kernel/mm/transparent_hugepage says (madvise(2)). */
const MADV_COLLAPSE = 25;
const FAILED = -1;

export function bindMemoryCalls(library: Koffi.LibraryHandle): MemoryCalls {
  const mmap = library.func(
    'intptr_t mmap(intptr_t address, size_t length, int protection, int flags, int fd, int64_t offset)',
  );
  const munmap = library.func('int munmap(intptr_t address, size_t length)');
  const madvise = library.func('int madvise(intptr_t address, size_t length, int advice)');

  // On 32 bits an offset has another width.
  const isKnown = hasKnownLayout();

  return {
    enlargePage(fd, at, done) {
      if (!isKnown) return done(false);
      // Only what lies at a multiple of its size can be one page: twice the room has such a place.
      const room = Number(mmap(0, 2 * LARGE_PAGE, PROT_NONE, MAP_PLACE, FAILED, 0));
      if (room === FAILED) return done(false);
      const place = Math.ceil(room / LARGE_PAGE) * LARGE_PAGE;
      const end = (isLarge: boolean): void => {
        munmap(room, 2 * LARGE_PAGE);
        done(isLarge);
      };
      if (Number(mmap(place, LARGE_PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, at)) === FAILED)
        return end(false);
      madvise.async(place, LARGE_PAGE, MADV_COLLAPSE, (error: unknown, result: number) =>
        end(error === null && result === 0),
      );
    },
  };
}
