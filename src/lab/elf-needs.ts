/** What a program or a shared object asks of the loader. */
export interface ElfNeeds {
  /** The loader's own path (`/lib64/ld-linux-x86-64.so.2`); shared objects name none. */
  readonly interpreter?: string;
  /** Names as in `libc.so.6`, without a folder. */
  readonly libraries: readonly string[];
}

/** Program headers (System V ABI, chapter 5). */
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
/** Entries of the dynamic section. */
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

interface Segment {
  readonly type: number;
  /** In the file. */
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/**
 * Reads a 64-bit little-endian ELF file, which is what Debian's amd64 packages hold; undefined for anything else. Not
 * `ldd`: that runs the file, with the libraries of this host.
 */
export function readElfNeeds(content: Uint8Array): ElfNeeds | undefined {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  // 0x7f ELF, class 2: 64 bits, data 1: little-endian.
  if (bytes.length < 64 || bytes.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return undefined;
  const segments = readSegments(bytes);
  const interp = segments.find(({ type }) => type === PT_INTERP);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  return {
    ...(interp !== undefined && { interpreter: textAt(bytes, interp.offset) }),
    libraries: dynamic === undefined ? [] : readLibraries(bytes, dynamic, segments),
  };
}

function readSegments(bytes: Buffer): readonly Segment[] {
  const start = number(bytes, 32);
  const entrySize = bytes.readUInt16LE(54);
  const count = bytes.readUInt16LE(56);
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * entrySize;
    return {
      type: bytes.readUInt32LE(at),
      offset: number(bytes, at + 8),
      address: number(bytes, at + 16),
      size: number(bytes, at + 32),
    };
  });
}

function readLibraries(bytes: Buffer, dynamic: Segment, segments: readonly Segment[]): readonly string[] {
  const names: number[] = [];
  let table = 0;
  for (let at = dynamic.offset; at + 16 <= dynamic.offset + dynamic.size; at += 16) {
    const tag = number(bytes, at);
    if (tag === DT_NULL) break;
    if (tag === DT_NEEDED) names.push(number(bytes, at + 8));
    if (tag === DT_STRTAB) table = number(bytes, at + 8);
  }
  // The table's place is where it will be in memory.
  const home = segments.find(
    ({ type, address, size }) => type === PT_LOAD && address <= table && table < address + size,
  );
  if (home === undefined) return [];
  return names.map((name) => textAt(bytes, table - home.address + home.offset + name));
}

/** An offset, address or tag: none of them is beyond 2^53 in a file that fits into memory. */
function number(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function textAt(bytes: Buffer, at: number): string {
  return bytes.toString('latin1', at, bytes.indexOf(0, at));
}
