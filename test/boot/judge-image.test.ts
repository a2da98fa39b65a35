import t from 'tap';
import type { Finding } from '../../src/boot/finding.ts';
import { IMAGE_HEAD, judgeInitrd, judgeKernel, judgeLoader } from '../../src/boot/judge-image.ts';

type Row = readonly [
  name: string,
  head: readonly (readonly [number, string])[],
  size: number,
  state: Finding['state'],
  text: RegExp,
];

function headOf(parts: Row[1], size: number): Uint8Array {
  const head = Buffer.alloc(Math.min(size, IMAGE_HEAD), 1);
  for (const [at, text] of parts) head.write(text, at, 'latin1');
  return head;
}

function judgeAll(rows: readonly Row[], judge: typeof judgeKernel, name: string): void {
  for (const [title, parts, size, state, text] of rows)
    t.match(judge({ name, head: headOf(parts, size), size }), { state, text }, `${name}: ${title}`);
}

const BIG = 8_000_000;
const HTML = [0, '\n<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">'] as const;

judgeAll(
  [
    ['a bzImage', [[0x202, 'HdrS']], BIG, 'ok', /x86 bzImage, 8\.0 MB$/],
    [
      'one with an EFI stub',
      [
        [0, 'MZ'],
        [0x202, 'HdrS'],
      ],
      BIG,
      'ok',
      /with an EFI stub/,
    ],
    [
      'an arm64 Image',
      [
        [0, 'MZ'],
        [56, 'ARM\x64'],
      ],
      BIG,
      'ok',
      /arm64 Image/,
    ],
    ['a RISC-V Image', [[56, 'RSC\x05']], BIG, 'ok', /RISC-V/],
    ['a unified kernel image', [[0, 'MZ']], BIG, 'ok', /EFI program/],
    ['an error page', [HTML], BIG, 'problem', /HTML or XML page/],
    ['an object store’s error', [[0, '<?xml version="1.0"?><Error>']], 300, 'problem', /HTML or XML page/],
    ['an error in JSON', [[0, '{"message":"Not Found"}']], 300, 'problem', /error message/],
    ['a pointer of Git LFS', [[0, 'version https://git-lfs.github.com/spec/v1']], 130, 'problem', /Git LFS/],
    ['nothing', [], 0, 'problem', /empty/],
    ['a download that broke off', [[0x202, 'HdrS']], 4096, 'problem', /4096 bytes: too small/],
    ['an initrd', [[0, '\x1f\x8b']], BIG, 'warning', /looks like gzip/],
    ['vmlinux', [[0, '\x7fELF']], BIG, 'warning', /looks like an ELF file/],
    ['something', [], BIG, 'warning', /does not look like a kernel/],
  ],
  judgeKernel,
  '/assets/vmlinuz',
);

judgeAll(
  [
    ['gzip', [[0, '\x1f\x8b']], BIG, 'ok', /gzip/],
    ['xz', [[0, '\xfd7zXZ\x00']], BIG, 'ok', /xz/],
    ['zstd', [[0, '\x28\xb5\x2f\xfd']], BIG, 'ok', /zstd/],
    ['cpio, as with microcode in front', [[0, '070701']], BIG, 'ok', /cpio/],
    ['lz4', [[0, '\x02\x21\x4c\x18']], BIG, 'ok', /lz4/],
    ['an error page', [HTML], BIG, 'problem', /HTML/],
    ['a kernel', [[0x202, 'HdrS']], BIG, 'problem', /is a kernel/],
    ['too small', [[0, '\x1f\x8b']], 100, 'problem', /100 bytes/],
    ['something', [], BIG, 'warning', /does not look like an initrd/],
  ],
  judgeInitrd,
  '/assets/initrd.gz',
);

judgeAll(
  [
    ['an EFI program', [[0, 'MZ']], 200_000, 'ok', /snponly\.efi, 200 kB/],
    ['no EFI program', [], 200_000, 'problem', /no EFI program/],
    ['an error page', [HTML], 200_000, 'problem', /HTML/],
    ['very small', [[0, 'MZ']], 1000, 'warning', /very small/],
  ],
  judgeLoader,
  'snponly.efi',
);
judgeAll([['a BIOS loader', [], 75_000, 'ok', /75 kB/]], judgeLoader, 'undionly.kpxe');
