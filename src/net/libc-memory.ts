import type * as Koffi from 'koffi';
import { hasKnownLayout } from './kernel-layout.ts';

export interface MemoryCalls {
  /**
   * Has the kernel hold a file in memory in pages of LARGE_PAGE bytes, as far as it fills them. Its bytes stay what they are,
   * also while others read or send them; a page that is just being sent stays small. Whether all are large now. Takes a
   * second for some GiB, and meanwhile this process can hardly map memory (mmap_lock).
   */
  readonly enlargePages: (fd: number, bytes: number) => boolean;
}

/** A large page of every processor that has pages of 4 KiB. */
export const LARGE_PAGE = 2 * 1024 * 1024;

// asm-generic/mman.h, mman-common.h.
const PROT_NONE = 0;
const PROT_READ = 1;
const MAP_PLACE = 2 | 0x20 | 0x4000;
/** Populated: before Linux 6.18 there was an error where no page table was yet. */
const MAP_SHARED_HERE = 1 | 0x10 | 0x8000;
/** Since Linux 6.1, whatever /sys/kernel/mm/transparent_hugepage says but `deny` (madvise(2)). */
const MADV_COLLAPSE = 25;
const FAILED = -1;

export function bindMemoryCalls(library: Koffi.LibraryHandle): MemoryCalls {
  const mmap = library.func(
    'intptr_t mmap(intptr_t address, size_t length, int protection, int flags, int fd, int64_t offset)',
  );
  const munmap = library.func('int munmap(intptr_t address, size_t length)');
  const madvise = library.func('int madvise(intptr_t address, size_t length, int advice)');

  return {
    enlargePages(fd, bytes) {
      const length = Math.floor(bytes / LARGE_PAGE) * LARGE_PAGE;
      // On 32 bits an offset has another width.
      if (length === 0 || !hasKnownLayout()) return false;
      // Only what lies at a multiple of its size can be one page.
      const room = Number(mmap(0, length + LARGE_PAGE, PROT_NONE, MAP_PLACE, FAILED, 0));
      if (room === FAILED) return false;
      try {
        const place = Math.ceil(room / LARGE_PAGE) * LARGE_PAGE;
        if (Number(mmap(place, length, PROT_READ, MAP_SHARED_HERE, fd, 0)) === FAILED) return false;
        return madvise(place, length, MADV_COLLAPSE) === 0;
      } finally {
        munmap(room, length + LARGE_PAGE);
      }
    },
  };
}
