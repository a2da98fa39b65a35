/**
 * One 512-byte header of POSIX ustar, and the pax record for a name that does not fit in it: what `tar` reads everywhere.
 *
 *   0 name 100 | 100 mode 8 | 108 uid 8 | 116 gid 8 | 124 size 12 | 136 mtime 12 | 148 checksum 8 | 156 type 1
 *   157 link 100 | 257 "ustar\0" "00" | 265 user 32 | 297 group 32 | 329 device 16 | 345 prefix 155
 */
export const BLOCK = 512;

export type TarKind = 'file' | 'folder' | 'link' | 'names';

export interface TarHeader {
  readonly name: string;
  readonly kind: TarKind;
  readonly mode: number;
  /** Bytes that follow. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** Of a symbolic link. */
  readonly target?: string;
}

const TYPES = { file: '0', link: '2', folder: '5', names: 'x' } as const satisfies Record<TarKind, string>;
const NAME = 100;

/** The header, behind a pax one where name or target need it. */
export function encodeTarHeader(header: TarHeader): Buffer {
  const { name, target = '' } = header;
  const records: string[] = [];
  if (Buffer.byteLength(name) > NAME) records.push(paxRecord('path', name));
  if (Buffer.byteLength(target) > NAME) records.push(paxRecord('linkpath', target));
  if (records.length === 0) return encodeBlock(header);
  const body = Buffer.from(records.join(''));
  const names = encodeBlock({ ...header, name: 'pax', kind: 'names', size: body.length, target: '' });
  return Buffer.concat([names, padded(body), encodeBlock(header)]);
}

/** Content is followed by zeros up to a whole block. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** Throws an Error that says what is wrong. Undefined for a block of zeros: the archive ends there. */
export function decodeTarHeader(block: Buffer): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  if (block.toString('latin1', 257, 262) !== 'ustar') throw new Error('this is no tar archive');
  if (Number.parseInt(textAt(block, 148, 8), 8) !== checksumOf(block))
    throw new Error('a tar header is damaged');
  const type = block.toString('latin1', 156, 157);
  const kind = (Object.keys(TYPES) as TarKind[]).find((each) => TYPES[each] === type);
  if (kind === undefined) throw new Error(`the archive holds an entry of the unknown type ${type}`);
  const prefix = textAt(block, 345, 155);
  const name = textAt(block, 0, NAME);
  const target = textAt(block, 157, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    kind,
    mode: numberAt(block, 100, 8),
    size: numberAt(block, 124, 12),
    mtime: numberAt(block, 136, 12),
    ...(target === '' ? {} : { target }),
  };
}

/** `LENGTH key=value\n`, the length being that of the whole record. */
export function decodePax(body: Buffer): { readonly path?: string; readonly linkpath?: string } {
  const found: { path?: string; linkpath?: string } = {};
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = Number(body.toString('latin1', at, space));
    if (!Number.isSafeInteger(length) || length <= space - at || at + length > body.length)
      throw new Error('a record of names is damaged');
    const [key = '', ...value] = body.toString('utf8', space + 1, at + length - 1).split('=');
    if (key === 'path' || key === 'linkpath') found[key] = value.join('=');
    at += length;
  }
  return found;
}

function encodeBlock({ name, kind, mode, size, mtime, target = '' }: TarHeader): Buffer {
  const block = Buffer.alloc(BLOCK);
  Buffer.from(name).copy(block, 0, 0, NAME);
  block.write(octal(mode, 7), 100, 'latin1');
  // Owners are by name in the manifest: numbers differ from host to host.
  block.write(octal(0, 7), 108, 'latin1');
  block.write(octal(0, 7), 116, 'latin1');
  block.write(octal(size, 11), 124, 'latin1');
  block.write(octal(Math.floor(mtime), 11), 136, 'latin1');
  block.write(TYPES[kind], 156, 'latin1');
  Buffer.from(target).copy(block, 157, 0, 100);
  block.write('ustar\x0000', 257, 'latin1');
  block.write(`${octal(checksumOf(block), 6)}\0 `, 148, 'latin1');
  return block;
}

/** Its own eight bytes count as spaces. */
function checksumOf(block: Buffer): number {
  let sum = 8 * 0x20;
  for (const [index, byte] of block.entries()) if (index < 148 || index >= 156) sum += byte;
  return sum;
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  if (String(length).length > String(bytes).length) length = bytes + String(length).length;
  return `${length}${rest}`;
}

function padded(body: Buffer): Buffer {
  return Buffer.concat([body, Buffer.alloc(paddingOf(body.length))]);
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');

function textAt(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? length : end);
}

function numberAt(block: Buffer, at: number, length: number): number {
  const value = Number.parseInt(textAt(block, at, length).trim(), 8);
  if (!Number.isSafeInteger(value)) throw new Error('a number in a tar header is damaged');
  return value;
}
