import { type Finding, ok, problem, warning } from './finding.ts';
import { formatSize } from './format-size.ts';

/** The beginning of a file that machines load, and its whole size in bytes. */
export interface ImageHead {
  readonly name: string;
  /** As many bytes as IMAGE_HEAD, or all of a smaller file. */
  readonly head: Uint8Array;
  readonly size: number;
}

/** Beyond it no magic lies. */
export const IMAGE_HEAD = 1024;

const AGAIN = 'Get it again, and compare its checksum with the one that is published.';
/** Debian's smallest x86 kernel has 7 MB, a tinyconfig one about 0.5 MB. */
const SMALLEST_KERNEL = 256 * 1024;
const SMALLEST_INITRD = 512;
/** undionly.kpxe has 70 kB, snponly.efi 200 kB. */
const SMALLEST_LOADER = 16 * 1024;

/** Linux: Documentation/arch/x86/boot.rst (`HdrS` at 0x202), arch/arm64/booting.rst (`ARM\x64` at 56), PE for EFI stubs. */
export function judgeKernel(image: ImageHead): Finding {
  const { name, head, size } = image;
  const wrong = noImage(image);
  if (wrong !== undefined) return wrong;
  if (size < SMALLEST_KERNEL) return problem(`${name} has ${size} bytes: too small for a kernel`, AGAIN);
  const kind = kernelKind(head);
  if (kind !== undefined) return ok(`${name}: ${kind}, ${formatSize(size)}`);
  const other = compressionOf(head) ?? (startsWith(head, '\x7fELF') ? 'an ELF file' : undefined);
  if (other === undefined)
    return warning(
      `${name} does not look like a kernel`,
      'Is it the right file? A kernel is a bzImage, a PE or an arm64 Image.',
    );
  return warning(
    `${name} looks like ${other}, not like a kernel that a loader can start`,
    'Are kernel and initrd exchanged? An x86 kernel is a bzImage (vmlinuz), not vmlinux.',
  );
}

/** gzip, xz, zstd, lz4, bzip2, lzma or a plain cpio archive: usr/gen_initramfs.sh and lib/decompress.c of Linux. */
export function judgeInitrd(image: ImageHead): Finding {
  const { name, head, size } = image;
  const wrong = noImage(image);
  if (wrong !== undefined) return wrong;
  if (size < SMALLEST_INITRD) return problem(`${name} has ${size} bytes: too small for an initrd`, AGAIN);
  const kind = compressionOf(head) ?? (isCpio(head) ? 'cpio' : undefined);
  if (kind !== undefined) return ok(`${name}: ${kind}, ${formatSize(size)}`);
  const kernel = kernelKind(head);
  if (kernel !== undefined)
    return problem(
      `${name} is a kernel (${kernel}), not an initrd`,
      'Are kernel and initrd exchanged in role.yaml?',
    );
  return warning(
    `${name} does not look like an initrd`,
    'Is it the right file? An initrd is a cpio archive, mostly compressed.',
  );
}

/** A boot loader: PE where its name ends in .efi. */
export function judgeLoader(image: ImageHead): Finding {
  const { name, head, size } = image;
  const wrong = noImage(image);
  if (wrong !== undefined) return wrong;
  if (size < SMALLEST_LOADER)
    return warning(`${name} has ${size} bytes: very small for a loader`, 'Install the package ipxe again.');
  if (/\.efi$/i.test(name) && !startsWith(head, 'MZ'))
    return problem(
      `${name} is no EFI program`,
      'Install the package ipxe again, or name another file under `loaders:`.',
    );
  return ok(`${name}, ${formatSize(size)}`);
}

/** What a failed download leaves behind. */
function noImage({ name, head, size }: ImageHead): Finding | undefined {
  if (size === 0) return problem(`${name} is empty`, AGAIN);
  const text = Buffer.from(head.subarray(0, 512)).toString('latin1').trimStart();
  if (/^<(!doctype|html|\?xml|head|body)/i.test(text))
    return problem(
      `${name} is an HTML or XML page, not an image: a server's error page was saved in its place`,
      AGAIN,
    );
  if (text.startsWith('version https://git-lfs'))
    return problem(`${name} is a pointer of Git LFS, not the file`, 'Fetch the file itself: git lfs pull.');
  if (/^(\{"|Not Found|404|Access ?Denied)/i.test(text) && size < 64 * 1024)
    return problem(`${name} is a server's error message, not an image`, AGAIN);
  return undefined;
}

function kernelKind(head: Uint8Array): string | undefined {
  if (startsWith(head, 'HdrS', 0x202))
    return startsWith(head, 'MZ') ? 'x86 bzImage with an EFI stub' : 'x86 bzImage';
  if (startsWith(head, 'ARM\x64', 56)) return 'arm64 Image';
  if (startsWith(head, 'RSC\x05', 56)) return 'RISC-V Image';
  if (startsWith(head, 'MZ')) return 'EFI program';
  return undefined;
}

const COMPRESSIONS: readonly (readonly [name: string, magic: string])[] = [
  ['gzip', '\x1f\x8b'],
  ['xz', '\xfd7zXZ\x00'],
  ['zstd', '\x28\xb5\x2f\xfd'],
  ['lz4', '\x02\x21\x4c\x18'],
  ['lz4', '\x04\x22\x4d\x18'],
  ['bzip2', 'BZh'],
  ['lzop', '\x89LZO'],
  ['lzma', '\x5d\x00\x00'],
];

function compressionOf(head: Uint8Array): string | undefined {
  return COMPRESSIONS.find(([, magic]) => startsWith(head, magic))?.[0];
}

function isCpio(head: Uint8Array): boolean {
  return startsWith(head, '070701') || startsWith(head, '070702');
}

function startsWith(bytes: Uint8Array, magic: string, at = 0): boolean {
  return Buffer.from(bytes.subarray(at, at + magic.length)).toString('latin1') === magic;
}
