import { encodeTexts, readOptions, readText, type TftpOptions } from './text.ts';

export const OPCODES = { read: 1, write: 2, data: 3, ack: 4, error: 5, optionsAck: 6 } as const;

/** RFC 1350 appendix I and RFC 2347 (8): those that a server of files to read has a use for. */
export const TFTP_ERRORS = {
  other: 0,
  notFound: 1,
  accessViolation: 2,
  illegalOperation: 4,
  unknownTransfer: 5,
  badOptions: 8,
} as const;

/** RRQ and WRQ. Name and mode as they came, except that bytes which are not UTF-8 read as U+FFFD. */
export interface TftpRequest {
  readonly kind: 'read' | 'write';
  readonly name: string;
  readonly mode: string;
  readonly options: TftpOptions;
}

/** Block numbers are the 16 bits of the wire: they wrap to 0 past 65535. */
export type TftpPacket =
  | TftpRequest
  | { readonly kind: 'data'; readonly block: number; readonly bytes: Uint8Array }
  | { readonly kind: 'ack'; readonly block: number }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  | { readonly kind: 'options-ack'; readonly options: TftpOptions };

/** What is no TFTP packet: the only thing that decoding throws. `reason` is short enough for a counter's name. */
export class TftpDecodeError extends Error {
  readonly reason: string;
  constructor(reason: string) {
    super(`not a TFTP packet: ${reason}`);
    this.name = 'TftpDecodeError';
    this.reason = reason;
  }
}

/**
 * Decodes a TFTP packet of any kind (RFC 1350 section 5, RFC 2347). Throws TftpDecodeError and nothing else.
 * Lenient where firmware is sloppy: a last text without its NUL, and bytes behind an ACK's four, are taken.
 */
export function decodeTftpPacket(bytes: Uint8Array): TftpPacket {
  // TFTP 7: datagrams of 0, 1 or 3 bytes are nothing (the npm server dies of one); two bytes are an empty packet.
  if (bytes.length < 4) throw new TftpDecodeError('too short');
  switch (readUint16(bytes, 0)) {
    case OPCODES.read:
      return decodeRequest('read', bytes);
    case OPCODES.write:
      return decodeRequest('write', bytes);
    case OPCODES.data:
      return { kind: 'data', block: readUint16(bytes, 2), bytes: bytes.subarray(4) };
    case OPCODES.ack:
      return { kind: 'ack', block: readUint16(bytes, 2) };
    case OPCODES.error:
      return { kind: 'error', code: readUint16(bytes, 2), message: readText(bytes, 4).text };
    case OPCODES.optionsAck:
      return { kind: 'options-ack', options: readOptions(bytes, 2) };
    default:
      throw new TftpDecodeError('unknown operation');
  }
}

/** RRQ and WRQ: opcode, name NUL, mode NUL, options. */
function decodeRequest(kind: 'read' | 'write', bytes: Uint8Array): TftpRequest {
  const name = readText(bytes, 2);
  if (name.text === '') throw new TftpDecodeError('no file name');
  if (name.next >= bytes.length) throw new TftpDecodeError('no mode');
  const mode = readText(bytes, name.next);
  return { kind, name: name.text, mode: mode.text, options: readOptions(bytes, mode.next) };
}

/** The inverse of decodeTftpPacket. A server's DATA goes out by writeDataHeader, without an object a block. */
export function encodeTftpPacket(packet: TftpPacket): Uint8Array {
  switch (packet.kind) {
    case 'read':
    case 'write':
      return encodeTexts(OPCODES[packet.kind], [packet.name, packet.mode, ...[...packet.options].flat()]);
    case 'data':
      return encodeData(packet.block, packet.bytes);
    case 'ack':
      return Uint8Array.of(0, OPCODES.ack, (packet.block >>> 8) & 255, packet.block & 255);
    case 'error':
      return encodeError(packet.code, packet.message);
    case 'options-ack':
      return encodeTexts(OPCODES.optionsAck, [...packet.options].flat());
  }
}

function encodeData(block: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + content.length);
  writeDataHeader(bytes, block);
  bytes.set(content, 4);
  return bytes;
}

function encodeError(code: number, message: string): Uint8Array {
  const bytes = encodeTexts(OPCODES.error, [`\0\0${message}`]);
  bytes[2] = (code >>> 8) & 255;
  bytes[3] = code & 255;
  return bytes;
}

/** The block number of an ACK that is `length` bytes at `start`, -1 for any other packet. On the path of every block, so it makes no objects. */
export function ackedBlock(bytes: Uint8Array, start = 0, length: number = bytes.length): number {
  if (length < 4 || bytes[start] !== 0 || bytes[start + 1] !== OPCODES.ack) return -1;
  return ((bytes[start + 2] as number) << 8) | (bytes[start + 3] as number);
}

/** Opcode 3 and the lower 16 bits of the block number, into four bytes of `target`. */
export function writeDataHeader(target: Uint8Array, block: number, start = 0): void {
  target[start] = 0;
  target[start + 1] = OPCODES.data;
  target[start + 2] = (block >>> 8) & 255;
  target[start + 3] = block & 255;
}

function readUint16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number);
}
