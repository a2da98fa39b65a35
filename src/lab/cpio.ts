/** One member of an initramfs. Paths have no leading slash; parents come before their children. */
export type CpioEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly content: Uint8Array;
      readonly executable?: boolean;
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'device'; readonly path: string; readonly major: number; readonly minor: number };

const TYPES = { folder: 0o040755, file: 0o100644, link: 0o120777, device: 0o020600 } as const;

/**
 * An archive in the "newc" format that Linux unpacks as its initramfs (Documentation/driver-api/early-userspace/
 * buffer-format.rst): a header of `070701` and 13 numbers of 8 hexadecimal digits, the path with its NUL padded to 4,
 * the content padded to 4. Written here since making a device node on disk needs root. Same input, same bytes.
 */
export function buildCpio(entries: readonly CpioEntry[]): Buffer {
  const members = entries.map((entry, index) => encodeMember(entry, index + 1));
  const trailer = encodeHeader({ inode: 0, mode: 0, size: 0, major: 0, minor: 0, path: 'TRAILER!!!' });
  return Buffer.concat([...members.flat(), trailer]);
}

function encodeMember(entry: CpioEntry, inode: number): readonly Buffer[] {
  const content = contentOf(entry);
  const mode = TYPES[entry.kind] | (entry.kind === 'file' && entry.executable === true ? 0o111 : 0);
  const { major, minor } = entry.kind === 'device' ? entry : { major: 0, minor: 0 };
  return [encodeHeader({ inode, mode, size: content.length, major, minor, path: entry.path }), pad(content)];
}

function contentOf(entry: CpioEntry): Buffer {
  switch (entry.kind) {
    case 'file':
      return Buffer.from(entry.content);
    case 'link':
      return Buffer.from(entry.target);
    case 'folder':
    case 'device':
      return Buffer.alloc(0);
    default:
      return entry satisfies never;
  }
}

interface Header {
  readonly inode: number;
  readonly mode: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
  readonly path: string;
}

function encodeHeader({ inode, mode, size, major, minor, path }: Header): Buffer {
  const name = Buffer.from(`${path}\0`);
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const numbers = [inode, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name.length, 0];
  const digits = numbers.map((number) => number.toString(16).padStart(8, '0')).join('');
  return pad(Buffer.concat([Buffer.from(`070701${digits}`), name]));
}

function pad(bytes: Buffer): Buffer {
  const missing = (4 - (bytes.length % 4)) % 4;
  return missing === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(missing)]);
}
