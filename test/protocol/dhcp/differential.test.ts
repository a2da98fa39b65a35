import { createRequire } from 'node:module';
import t from 'tap';
import { formatIpv4, type Ipv4 } from '../../../src/machine/ipv4.ts';
import { type DhcpPacket, decodeDhcpPacket, encodeDhcpPacket } from '../../../src/protocol/dhcp/packet.ts';
import { fuzzRuns } from './sample-packets.ts';

/*
 * The npm package `dhcp` as a second opinion. Behind this adapter it reads and writes every option as raw bytes, so
 * that its layout is compared and not its types. Its known faults are kept out of the packets: it skips a byte after
 * each pad, lets the last of repeats win, knows nothing of overload, and demands an Ethernet address.
 */
interface SecondOpinion {
  readonly op: number;
  readonly hops: number;
  readonly xid: number;
  readonly secs: number;
  readonly flags: number;
  readonly ciaddr: string;
  readonly yiaddr: string;
  readonly siaddr: string;
  readonly giaddr: string;
  readonly chaddr: string;
  readonly sname: string;
  readonly file: string;
  readonly options: Readonly<Record<string, Uint8Array>>;
}
// oxlint-disable no-underscore-dangle -- the package's own names
interface SequentialBuffer {
  readonly _data: Buffer;
  _r: number;
  _w: number;
}

const require = createRequire(import.meta.url);
const protocol = require('dhcp/lib/protocol.js') as {
  parse(bytes: Uint8Array): SecondOpinion;
  format(packet: SecondOpinion): SequentialBuffer;
};
const dictionary = require('dhcp/lib/options.js') as { opts: Record<number, unknown> };
const { prototype } = require('dhcp/lib/seqbuffer.js') as { prototype: Record<string, unknown> };

for (let code = 1; code < 255; code += 1) dictionary.opts[code] = { name: String(code), type: 'UInt8s' };
// The type UInt8s counts an array's elements; a typed array is told by its own length.
prototype['getUInt8s'] = function getRaw(this: SequentialBuffer, length: number): Uint8Array {
  const value = this._data.subarray(this._r, this._r + length);
  this._r += length;
  return value;
};
prototype['addUInt8s'] = function addRaw(this: SequentialBuffer, value: readonly number[]): void {
  this._data.set(value, this._w);
  this._w += value.length;
};

function toSecondOpinion(packet: DhcpPacket): SecondOpinion {
  const { ciaddr, yiaddr, siaddr, giaddr, chaddr, options, ...same } = packet;
  return {
    ...same,
    ciaddr: formatIpv4(ciaddr),
    yiaddr: formatIpv4(yiaddr),
    siaddr: formatIpv4(siaddr),
    giaddr: formatIpv4(giaddr),
    chaddr: hex(chaddr.subarray(0, 6))
      .toUpperCase()
      .replace(/..(?=.)/g, '$&-'),
    options: Object.fromEntries([...options].map(([code, value]) => [code, Array.from(value)])) as never,
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** Mulberry32: fast, and the same packets for the same seed. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000) * below);
  };
}

function randomPacket(below: (bound: number) => number): DhcpPacket {
  const address = (): Ipv4 => below(0x100000000) as Ipv4;
  // Beyond ASCII the package reads UTF-8.
  const text = (maximum: number): string =>
    String.fromCharCode(...Array.from({ length: below(maximum + 1) }, () => 1 + below(127)));
  const options = new Map<number, Uint8Array>();
  for (let wanted = below(12); wanted > 0; wanted -= 1) {
    const code = 1 + below(254);
    const length = below(10) === 0 ? below(256) : below(24);
    if (code !== 52)
      options.set(
        code,
        Uint8Array.from({ length }, () => below(256)),
      );
  }
  const chaddr = new Uint8Array(16);
  for (let at = 0; at < 6; at += 1) chaddr[at] = below(256);
  return {
    op: below(256),
    htype: 1,
    hlen: 6,
    hops: below(256),
    xid: below(0x100000000),
    secs: below(0x10000),
    flags: below(0x10000),
    ciaddr: address(),
    yiaddr: address(),
    siaddr: address(),
    giaddr: address(),
    chaddr,
    sname: below(2) === 0 ? '' : text(63),
    file: below(2) === 0 ? '' : text(127),
    options,
  };
}

/** The package's 1,500-byte buffer must hold it. */
function fits(packet: DhcpPacket): boolean {
  return [...packet.options.values()].reduce((sum, value) => sum + 2 + value.length, 241) <= 1500;
}

/** Every field in one string; options by code, since the package forgets their order. */
function opinion({
  op,
  hops,
  xid,
  secs,
  flags,
  ciaddr,
  yiaddr,
  siaddr,
  giaddr,
  chaddr,
  sname,
  file,
  options,
}: SecondOpinion): string {
  const fields = [op, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file];
  for (const [code, value] of Object.entries(options)) fields.push(code, hex(Uint8Array.from(value)));
  return fields.join('|');
}

t.test('the npm package reads what we write, and we read what it writes', async (t) => {
  const runs = fuzzRuns(100_000);
  const seed = Number(process.env['TINDERBOX_FUZZ_SEED'] ?? Date.now() % 0x100000000);
  const below = randomNumbers(seed);
  let compared = 0;
  for (let run = 0; run < runs; run += 1) {
    const packet = randomPacket(below);
    if (!fits(packet)) continue;
    compared += 1;
    const asTheirs = toSecondOpinion(packet);
    const expected = opinion(asTheirs);
    const written = encodeDhcpPacket(packet);
    const theirs = protocol.parse(Buffer.from(written));
    const formatted = protocol.format(asTheirs);
    const ours = toSecondOpinion(decodeDhcpPacket(formatted._data.subarray(0, formatted._w)));
    if (opinion(theirs) !== expected || opinion(ours) !== expected) {
      t.equal(opinion(theirs), expected, `they read what we wrote; TINDERBOX_FUZZ_SEED=${seed}, run ${run}`);
      t.equal(opinion(ours), expected, `we read what they wrote; TINDERBOX_FUZZ_SEED=${seed}, run ${run}`);
      return;
    }
  }
  t.ok(compared > runs * 0.9, `${compared} of ${runs} packets agree`);
});
