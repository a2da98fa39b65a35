import type { Ipv4 } from '../../machine/ipv4.ts';
import { DhcpDecodeError } from './dhcp-decode-error.ts';
import { latin1FromBytes, writeLatin1 } from './latin1.ts';
import { OPTION } from './option-codes.ts';
import {
  collectedValue,
  collectOptions,
  encodedOptionsLength,
  encodeOptions,
  joinRepeats,
  type OptionCollector,
} from './options.ts';

export const BOOTREQUEST = 1;
export const BOOTREPLY = 2;

/** Options after merging repeats (RFC 3396): code → bytes, in the order of first appearance. */
export type DhcpOptions = ReadonlyMap<number, Uint8Array>;

/** A DHCP message (RFC 2131 section 2), decoded. */
export interface DhcpPacket {
  readonly op: number;
  readonly htype: number;
  readonly hlen: number;
  readonly hops: number;
  readonly xid: number;
  readonly secs: number;
  readonly flags: number;
  readonly ciaddr: Ipv4;
  readonly yiaddr: Ipv4;
  readonly siaddr: Ipv4;
  readonly giaddr: Ipv4;
  /** All 16 bytes. */
  readonly chaddr: Uint8Array;
  /** Empty where overload (option 52) used the field for options. */
  readonly sname: string;
  readonly file: string;
  readonly options: DhcpOptions;
}

/*
 *   0               1               2               3
 *   +---------------+---------------+---------------+---------------+
 *   | op            | htype         | hlen          | hops          |   0
 *   +---------------+---------------+---------------+---------------+
 *   | xid                                                           |   4
 *   +-------------------------------+-------------------------------+
 *   | secs                          | flags                         |   8
 *   +-------------------------------+-------------------------------+
 *   | ciaddr                                                        |  12
 *   | yiaddr                                                        |  16
 *   | siaddr                                                        |  20
 *   | giaddr                                                        |  24
 *   +---------------------------------------------------------------+
 *   | chaddr (16 bytes)                                             |  28
 *   | sname (64 bytes)                                              |  44
 *   | file (128 bytes)                                              | 108
 *   +---------------------------------------------------------------+
 *   | magic cookie: 99, 130, 83, 99                                 | 236
 *   | options (variable)                                            | 240
 *   +---------------------------------------------------------------+
 */
const CHADDR = 28;
const SNAME = 44;
const FILE = 108;
const COOKIE = 236;
const OPTIONS = 240;

/** What `file` holds beside its NUL; a longer name goes in option 67 alone. */
export const MAXIMUM_FILE_LENGTH = COOKIE - FILE - 1;
export const MAXIMUM_SNAME_LENGTH = FILE - SNAME - 1;

const MAGIC_COOKIE = 0x63825363;

/** RFC 1542 section 2.1: relays drop shorter ones. */
const MINIMUM_LENGTH = 300;

/** Option 52: which header fields hold options (RFC 2132 section 9.3). */
const OVERLOAD_FILE = 1;
const OVERLOAD_SNAME = 2;
const OVERLOAD_BOTH = 3;

/**
 * Throws DhcpDecodeError, and nothing else, on what is no DHCP message. Only the layout is judged: an unknown `op`, an
 * `hlen` other than 6 or a missing option 53 is for the caller to refuse, with a reason.
 *
 * Option values and `chaddr` are views of `bytes`, which must not be changed as long as the packet is in use. Option
 * 52 is layout: it is followed and left out of `options`.
 */
export function decodeDhcpPacket(bytes: Uint8Array): DhcpPacket {
  if (bytes.length < OPTIONS) {
    throw new DhcpDecodeError(
      'too-short',
      `a DHCP message has at least ${OPTIONS} bytes, not ${bytes.length}`,
    );
  }
  // A Buffer's views are Buffers; one plain type in, so that one plain type comes out.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = new DataView(bytes.buffer, bytes.byteOffset, OPTIONS);
  if (header.getUint32(COOKIE) !== MAGIC_COOKIE) {
    throw new DhcpDecodeError('bad-cookie', 'the magic cookie 99.130.83.99 is missing');
  }
  const collector: OptionCollector = { options: new Map(), repeats: undefined };
  collectOptions(collector, plain, OPTIONS, plain.length);
  const overload = followOverload(collector, plain);
  joinRepeats(collector);
  return {
    op: header.getUint8(0),
    htype: header.getUint8(1),
    hlen: header.getUint8(2),
    hops: header.getUint8(3),
    xid: header.getUint32(4),
    secs: header.getUint16(8),
    flags: header.getUint16(10),
    ciaddr: header.getUint32(12) as Ipv4,
    yiaddr: header.getUint32(16) as Ipv4,
    siaddr: header.getUint32(20) as Ipv4,
    giaddr: header.getUint32(24) as Ipv4,
    chaddr: plain.subarray(CHADDR, SNAME),
    sname: overload & OVERLOAD_SNAME ? '' : decodeField(plain, SNAME, FILE),
    file: overload & OVERLOAD_FILE ? '' : decodeField(plain, FILE, COOKIE),
    options: collector.options,
  };
}

/** Reads on in `file`, then `sname`, where option 52 says so; 0 where it is absent. */
function followOverload(collector: OptionCollector, bytes: Uint8Array): number {
  const value = collectedValue(collector, OPTION.overload);
  if (value === undefined) return 0;
  const overload = value[0];
  if (value.length !== 1 || overload === undefined || overload < 1 || overload > OVERLOAD_BOTH) {
    throw new DhcpDecodeError('bad-overload', 'option 52 is none of 1 (file), 2 (sname), 3 (both)');
  }
  if (overload & OVERLOAD_FILE) collectOptions(collector, bytes, FILE, COOKIE);
  if (overload & OVERLOAD_SNAME) collectOptions(collector, bytes, SNAME, FILE);
  collector.options.delete(OPTION.overload);
  collector.repeats?.delete(OPTION.overload);
  return overload;
}

/** Up to the first NUL; firmware that fills the field to its last byte sends none. */
function decodeField(bytes: Uint8Array, start: number, end: number): string {
  let stop = start;
  while (stop < end && bytes[stop] !== 0) stop += 1;
  return latin1FromBytes(bytes, start, stop);
}

/**
 * At least 300 bytes (RFC 1542 relays drop shorter ones). Option 53 goes first and 82 last, the others in their order;
 * numbers are cut to their field's width. Throws a RangeError on what has no place in a packet: a `file` above 127 or
 * an `sname` above 63 characters, text beyond Latin-1 or with a NUL inside, a `chaddr` of other than 16 bytes, option
 * codes 0, 52 and 255.
 */
export function encodeDhcpPacket(packet: DhcpPacket): Uint8Array {
  const bytes = takeRoom(Math.max(MINIMUM_LENGTH, OPTIONS + encodedOptionsLength(packet.options)));
  writeHeader(packet, bytes);
  encodeOptions(packet.options, bytes, OPTIONS);
  return bytes;
}

/** The same with options that are encoded already, in this order and without an end marker: of replies most are the same. */
export function encodeDhcpPacketWith(
  header: Omit<DhcpPacket, 'options'>,
  pieces: readonly Uint8Array[],
): Uint8Array {
  let at = OPTIONS;
  for (const piece of pieces) at += piece.length;
  const bytes = takeRoom(Math.max(MINIMUM_LENGTH, at + 1));
  writeHeader(header, bytes);
  at = OPTIONS;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  bytes[at] = OPTION.end;
  return bytes;
}

function writeHeader(packet: Omit<DhcpPacket, 'options'>, bytes: Uint8Array): void {
  checkField('sname', packet.sname, MAXIMUM_SNAME_LENGTH);
  checkField('file', packet.file, MAXIMUM_FILE_LENGTH);
  if (packet.chaddr.length !== SNAME - CHADDR) {
    throw new RangeError(`chaddr has 16 bytes, not ${packet.chaddr.length}`);
  }
  const header = new DataView(bytes.buffer, bytes.byteOffset, OPTIONS);
  header.setUint8(0, packet.op);
  header.setUint8(1, packet.htype);
  header.setUint8(2, packet.hlen);
  header.setUint8(3, packet.hops);
  header.setUint32(4, packet.xid);
  header.setUint16(8, packet.secs);
  header.setUint16(10, packet.flags);
  header.setUint32(12, packet.ciaddr);
  header.setUint32(16, packet.yiaddr);
  header.setUint32(20, packet.siaddr);
  header.setUint32(24, packet.giaddr);
  bytes.set(packet.chaddr, CHADDR);
  writeLatin1(packet.sname, bytes, SNAME);
  writeLatin1(packet.file, bytes, FILE);
  header.setUint32(COOKIE, MAGIC_COOKIE);
}

/** Zeroed, of Node's pool: a piece of memory for each packet costs more than all that is written to it. */
function takeRoom(length: number): Uint8Array {
  const { buffer, byteOffset } = Buffer.allocUnsafe(length);
  return new Uint8Array(buffer, byteOffset, length).fill(0);
}

function checkField(name: string, text: string, maximum: number): void {
  if (text.length > maximum) throw new RangeError(`${name} holds ${maximum} characters, not ${text.length}`);
  if (text.includes('\0')) throw new RangeError(`${name} ends at its first NUL and cannot hold one`);
}
