import fc from 'fast-check';
import type { Ipv4 } from '../../../src/machine/ipv4.ts';
import type { DhcpPacket } from '../../../src/protocol/dhcp/packet.ts';

/** Where options start: header and cookie come before. */
const OPTIONS_OFFSET = 240;

/** How often the random tests run: their own number, or TINDERBOX_FUZZ_RUNS for a long search. */
export function fuzzRuns(usual: number): number {
  const asked = Number(process.env['TINDERBOX_FUZZ_RUNS'] ?? usual);
  if (!Number.isInteger(asked) || asked < 1)
    throw new Error('TINDERBOX_FUZZ_RUNS is a positive whole number');
  return asked;
}

/** A valid packet, to be varied. */
export function samplePacket(changes: Partial<DhcpPacket> = {}): DhcpPacket {
  return {
    op: 1,
    htype: 1,
    hlen: 6,
    hops: 0,
    xid: 0x12345678,
    secs: 4,
    flags: 0x8000,
    ciaddr: 0 as Ipv4,
    yiaddr: 0 as Ipv4,
    siaddr: 0 as Ipv4,
    giaddr: 0 as Ipv4,
    chaddr: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    sname: '',
    file: '',
    options: new Map([[53, Uint8Array.of(1)]]),
    ...changes,
  };
}

export interface RawAreas {
  /** What follows the cookie. */
  readonly options: readonly number[];
  readonly sname?: readonly number[];
  readonly file?: readonly number[];
}

/** A message with the given bytes in its option areas and nothing else in it. */
export function rawMessage(areas: RawAreas): Uint8Array {
  const bytes = new Uint8Array(OPTIONS_OFFSET + areas.options.length);
  bytes.set(areas.sname ?? [], 44);
  bytes.set(areas.file ?? [], 108);
  bytes.set([99, 130, 83, 99], 236);
  bytes.set(areas.options, OPTIONS_OFFSET);
  return bytes;
}

const address = fc.nat(0xffffffff).map((value) => value as Ipv4);

function field(maxLength: number): fc.Arbitrary<string> {
  return fc
    .array(fc.integer({ min: 1, max: 255 }), { maxLength })
    .map((codes) => String.fromCharCode(...codes));
}

/** Every code that can be sent; values that need none, one or several pieces. */
const option = fc.tuple(
  fc.integer({ min: 1, max: 254 }).filter((code) => code !== 52),
  fc.oneof(
    { weight: 8, arbitrary: fc.uint8Array({ maxLength: 40 }) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 250, maxLength: 800, size: 'max' }) },
  ),
);

/** Packets as encodeDhcpPacket would order them: 53 first, 82 last. */
export const anyPacket: fc.Arbitrary<DhcpPacket> = fc
  .record({
    op: fc.nat(255),
    htype: fc.nat(255),
    hlen: fc.nat(255),
    hops: fc.nat(255),
    xid: fc.nat(0xffffffff),
    secs: fc.nat(0xffff),
    flags: fc.nat(0xffff),
    ciaddr: address,
    yiaddr: address,
    siaddr: address,
    giaddr: address,
    chaddr: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    sname: field(63),
    file: field(127),
    options: fc.uniqueArray(option, { selector: ([code]) => code, maxLength: 20 }),
  })
  .map((packet) => ({ ...packet, options: new Map(packet.options.toSorted(byPlace)) }));

function byPlace([left]: readonly [number, Uint8Array], [right]: readonly [number, Uint8Array]): number {
  return place(left) - place(right);
}

function place(code: number): number {
  return code === 53 ? 0 : code === 82 ? 2 : 1;
}
