import fc from 'fast-check';
import t from 'tap';
import { TinderboxError } from '../../../src/errors.ts';
import { ipv4FromBytes } from '../../../src/machine/ipv4.ts';
import { DhcpDecodeError } from '../../../src/protocol/dhcp/dhcp-decode-error.ts';
import { decodeDhcpPacket, encodeDhcpPacket } from '../../../src/protocol/dhcp/packet.ts';
import { anyPacket, fuzzRuns, rawMessage, samplePacket } from './sample-packets.ts';

/** The error that decoding `bytes` ends in; undefined where it does not. Any other error fails the test. */
function refusal(bytes: Uint8Array): DhcpDecodeError | undefined {
  try {
    decodeDhcpPacket(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof DhcpDecodeError) return error;
    throw error;
  }
}

const HEADER = [
  'op',
  'htype',
  'hlen',
  'hops',
  'xid',
  'secs',
  'flags',
  'ciaddr',
  'yiaddr',
  'siaddr',
  'giaddr',
  'sname',
  'file',
] as const;

/** Code 7 is as good as any; its values count up, so that a lost or moved byte shows. */
function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251);
}

t.test('every header field stands where RFC 2131 draws it', async (t) => {
  const bytes = new Uint8Array(240);
  for (let at = 0; at < 236; at += 1) bytes[at] = at + 1;
  bytes.set([99, 130, 83, 99], 236);
  const packet = decodeDhcpPacket(bytes);
  t.match(packet, { op: 1, htype: 2, hlen: 3, hops: 4, xid: 0x05060708, secs: 0x090a, flags: 0x0b0c });
  t.equal(packet.ciaddr, ipv4FromBytes(Uint8Array.of(13, 14, 15, 16)));
  t.equal(packet.yiaddr, ipv4FromBytes(Uint8Array.of(17, 18, 19, 20)));
  t.equal(packet.siaddr, ipv4FromBytes(Uint8Array.of(21, 22, 23, 24)));
  t.equal(packet.giaddr, ipv4FromBytes(Uint8Array.of(25, 26, 27, 28)));
  t.strictSame([...packet.chaddr], [...bytes.subarray(28, 44)]);
  t.equal(
    packet.sname,
    Buffer.from(bytes.subarray(44, 108)).toString('latin1'),
    'all 64 bytes, without a NUL',
  );
  t.equal(
    packet.file,
    Buffer.from(bytes.subarray(108, 236)).toString('latin1'),
    'all 128 bytes, without a NUL',
  );
  t.equal(packet.options.size, 0, 'and no options at all is a message still');
});

t.test('addresses above 127.255.255.255 stay positive', async (t) => {
  const packet = samplePacket({ xid: 0xfffffffe, yiaddr: ipv4FromBytes(Uint8Array.of(255, 255, 255, 254)) });
  const decoded = decodeDhcpPacket(encodeDhcpPacket(packet));
  t.equal(decoded.yiaddr, 0xfffffffe);
  t.equal(decoded.xid, 0xfffffffe);
});

t.test('sname and file end at their first NUL and are Latin-1', async (t) => {
  const bytes = rawMessage({ options: [255], sname: [0x61, 0xe9, 0, 0x62], file: [0x80, 0x9f, 0, 0x63] });
  const { sname, file } = decodeDhcpPacket(bytes);
  t.equal(sname, 'a\u00e9');
  t.equal(file, '\u0080\u009f');
});

t.test('a Buffer somewhere inside a larger one decodes as its own bytes', async (t) => {
  const message = encodeDhcpPacket(samplePacket());
  const pool = Buffer.alloc(1000, 0xee);
  pool.set(message, 123);
  const decoded = decodeDhcpPacket(pool.subarray(123, 123 + message.length));
  t.strictSame(decoded, samplePacket());
  t.equal(decoded.chaddr.constructor, Uint8Array);
});

const malformed = [
  { name: 'nothing', bytes: new Uint8Array(), reason: 'too-short' },
  {
    name: 'one byte less than header and cookie',
    bytes: rawMessage({ options: [] }).subarray(0, 239),
    reason: 'too-short',
  },
  { name: 'no cookie', bytes: new Uint8Array(300), reason: 'bad-cookie' },
  {
    name: 'the cookie in the wrong byte order',
    bytes: rawMessage({ options: [] }).with(236, 100),
    reason: 'bad-cookie',
  },
  { name: 'a code without a length', bytes: rawMessage({ options: [53] }), reason: 'truncated-option' },
  {
    name: 'a value one byte short',
    bytes: rawMessage({ options: [12, 3, 1, 2] }),
    reason: 'truncated-option',
  },
  {
    name: 'a length of 255 at the end',
    bytes: rawMessage({ options: [53, 1, 1, 12, 255] }),
    reason: 'truncated-option',
  },
  { name: 'overload 0', bytes: rawMessage({ options: [52, 1, 0, 255] }), reason: 'bad-overload' },
  { name: 'overload 4', bytes: rawMessage({ options: [52, 1, 4, 255] }), reason: 'bad-overload' },
  { name: 'overload without a value', bytes: rawMessage({ options: [52, 0, 255] }), reason: 'bad-overload' },
  {
    name: 'overload of two bytes',
    bytes: rawMessage({ options: [52, 2, 1, 1, 255] }),
    reason: 'bad-overload',
  },
  {
    name: 'overload said twice',
    bytes: rawMessage({ options: [52, 1, 1, 52, 1, 1, 255] }),
    reason: 'bad-overload',
  },
  {
    name: 'an option of an overloaded file that reaches into the cookie',
    bytes: rawMessage({ options: [52, 1, 1, 255], file: [12, 127] }),
    reason: 'truncated-option',
  },
  {
    name: 'an option of an overloaded sname that reaches into file',
    bytes: rawMessage({ options: [52, 1, 2, 255], sname: [12, 63] }),
    reason: 'truncated-option',
  },
] as const;

t.test('what is no DHCP message is refused with its reason', async (t) => {
  for (const { name, bytes, reason } of malformed) {
    const error = refusal(bytes);
    t.equal(error?.reason, reason, name);
    t.equal(error instanceof TinderboxError && error.code, 'malformed-packet', name);
  }
});

const areas = [
  {
    name: 'a pad is one byte',
    options: [0, 0, 53, 1, 1, 0, 12, 1, 97, 255],
    found: [
      [53, [1]],
      [12, [97]],
    ],
  },
  { name: 'nothing counts after the end', options: [53, 1, 1, 255, 12, 200], found: [[53, [1]]] },
  { name: 'a missing end is accepted', options: [53, 1, 1], found: [[53, [1]]] },
  { name: 'an empty option is there', options: [80, 0, 255], found: [[80, []]] },
  {
    name: 'repeats are joined where the first stood',
    options: [12, 1, 97, 53, 1, 1, 12, 2, 98, 99, 255],
    found: [
      [12, [97, 98, 99]],
      [53, [1]],
    ],
  },
  { name: 'option 52 is followed, not shown', options: [52, 1, 3, 255], found: [] },
] as const;

t.test('the option area reads as RFC 2132 and RFC 3396 say', async (t) => {
  for (const { name, options, found } of areas) {
    const decoded = [...decodeDhcpPacket(rawMessage({ options })).options].map(([code, value]) => [
      code,
      [...value],
    ]);
    t.strictSame(decoded, found, name);
  }
});

const file = [12, 1, 98, 60, 1, 1, 255, 7];
const sname = [12, 1, 99, 61, 1, 2, 255, 7];
const overloads = [
  {
    overload: 1,
    found: [
      [12, [97, 98]],
      [60, [1]],
    ],
    sname: '\x0c\x01c=\x01\x02\xff\x07',
    file: '',
  },
  {
    overload: 2,
    found: [
      [12, [97, 99]],
      [61, [2]],
    ],
    sname: '',
    file: '\x0c\x01b<\x01\x01\xff\x07',
  },
  {
    overload: 3,
    found: [
      [12, [97, 98, 99]],
      [60, [1]],
      [61, [2]],
    ],
    sname: '',
    file: '',
  },
];

t.test('overload reads on in file, then in sname, and leaves those fields empty', async (t) => {
  for (const { overload, found, ...fields } of overloads) {
    const packet = decodeDhcpPacket(rawMessage({ options: [12, 1, 97, 52, 1, overload, 255], file, sname }));
    t.strictSame(
      [...packet.options].map(([code, value]) => [code, [...value]]),
      found,
      `overload ${overload}`,
    );
    t.match(packet, fields, `overload ${overload}`);
  }
});

t.test('an overload inside an overloaded field changes nothing', async (t) => {
  const packet = decodeDhcpPacket(rawMessage({ options: [52, 1, 1, 255], file: [52, 1, 3, 255], sname }));
  t.equal(packet.options.size, 0);
  t.equal(packet.sname, '\x0c\x01c=\x01\x02\xff\x07');
});

t.test('a datagram of thousands of repeats is joined once', async (t) => {
  const repeats = 21_000;
  const packet = decodeDhcpPacket(
    rawMessage({ options: Array.from({ length: repeats }, (_, index) => [43, 1, index & 255]).flat() }),
  );
  t.equal(packet.options.get(43)?.length, repeats);
  t.equal(packet.options.get(43)?.[20_999], 20_999 & 255);
});

t.test('a message is padded to 300 bytes after its end, and no further', async (t) => {
  const short = encodeDhcpPacket(samplePacket());
  t.equal(short.length, 300);
  t.strictSame([...short.subarray(236, 245)], [99, 130, 83, 99, 53, 1, 1, 255, 0]);
  const long = encodeDhcpPacket(samplePacket({ options: new Map([[12, counting(100)]]) }));
  t.equal(long.length, 240 + 102 + 1);
  t.equal(long.at(-1), 255);
});

t.test('option 53 is written first and 82 last, the others in their order', async (t) => {
  const value = Uint8Array.of(1);
  const options = new Map([82, 60, 12, 53, 3].map((code) => [code, value]));
  const written = encodeDhcpPacket(samplePacket({ options })).subarray(240);
  t.strictSame(
    [0, 3, 6, 9, 12, 15].map((at) => written[at]),
    [53, 60, 12, 3, 82, 255],
  );
});

t.test('a value above 255 bytes is written in pieces (RFC 3396)', async (t) => {
  const pieces = [
    { length: 0, lengths: [0] },
    { length: 255, lengths: [255] },
    { length: 256, lengths: [255, 1] },
    { length: 510, lengths: [255, 255] },
    { length: 700, lengths: [255, 255, 190] },
  ];
  for (const { length, lengths } of pieces) {
    const value = counting(length);
    const written = encodeDhcpPacket(samplePacket({ options: new Map([[7, value]]) }));
    let at = 240;
    for (const expected of lengths) {
      t.strictSame([written[at], written[at + 1]], [7, expected], `${length} bytes`);
      at += 2 + expected;
    }
    t.equal(written[at], 255, `${length} bytes`);
    t.strictSame(decodeDhcpPacket(written).options.get(7), value, `${length} bytes`);
  }
});

t.test('what has no place in a packet is refused', async (t) => {
  t.doesNotThrow(() => encodeDhcpPacket(samplePacket({ file: 'f'.repeat(127), sname: 's'.repeat(63) })));
  const impossible = [
    { name: 'a file of 128', packet: samplePacket({ file: 'f'.repeat(128) }), message: /file holds 127/ },
    { name: 'an sname of 64', packet: samplePacket({ sname: 's'.repeat(64) }), message: /sname holds 63/ },
    { name: 'a NUL in file', packet: samplePacket({ file: 'a\0b' }), message: /NUL/ },
    {
      name: 'text beyond Latin-1',
      packet: samplePacket({ file: 'boot-\u0142.efi' }),
      message: /one byte a character/,
    },
    { name: 'a chaddr of 6', packet: samplePacket({ chaddr: new Uint8Array(6) }), message: /chaddr has 16/ },
    ...[0, 52, 255, 256, -1, 1.5].map((code) => ({
      name: `option ${code}`,
      packet: samplePacket({ options: new Map([[code, Uint8Array.of(1)]]) }),
      message: /cannot be sent/,
    })),
  ];
  for (const { name, packet, message } of impossible) {
    t.throws(() => encodeDhcpPacket(packet), { name: 'RangeError', message }, name);
  }
});

t.test('any packet survives encoding and decoding', async () => {
  fc.assert(
    fc.property(anyPacket, (packet) => {
      const decoded = decodeDhcpPacket(encodeDhcpPacket(packet));
      const numbersAndTexts = HEADER.every((field) => decoded[field] === packet[field]);
      const sameChaddr = Buffer.compare(decoded.chaddr, packet.chaddr) === 0;
      return numbersAndTexts && sameChaddr && sameAs(decoded.options, packet.options);
    }),
    { numRuns: fuzzRuns(2000) },
  );
});

function sameAs(left: ReadonlyMap<number, Uint8Array>, right: ReadonlyMap<number, Uint8Array>): boolean {
  return flat(left) === flat(right);
}

function flat(options: ReadonlyMap<number, Uint8Array>): string {
  return [...options].map(([code, value]) => `${code}=${Buffer.from(value).toString('hex')}`).join(' ');
}

t.test('random bytes end in a packet or a DhcpDecodeError, never in anything else', async (t) => {
  let decoded = 0;
  const message = fc.tuple(
    fc.uint8Array({ minLength: 236, maxLength: 236, size: 'max' }),
    fc.uint8Array({ maxLength: 300, size: 'max' }),
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 600, size: 'max' }),
    message.map(([header, options]) => Uint8Array.from([...header, 99, 130, 83, 99, ...options])),
  );
  fc.assert(
    fc.property(bytes, (candidate) => {
      if (refusal(candidate) === undefined) decoded += 1;
    }),
    { numRuns: fuzzRuns(3000) },
  );
  t.ok(decoded > 0, 'some of them are messages');
});

t.test('mutated packets end in a packet or a DhcpDecodeError, and what decodes encodes again', async (t) => {
  let refused = 0;
  const mutation = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(
      anyPacket,
      fc.array(mutation, { minLength: 1, maxLength: 8 }),
      fc.nat(),
      (packet, mutations, cut) => {
        const bytes = encodeDhcpPacket(packet);
        // Most of a packet is header; the options are where a parser breaks.
        for (const [at, value] of mutations) bytes[240 + (at % (bytes.length - 240))] = value;
        const whole = cut % 3 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes;
        if (refusal(whole) !== undefined) {
          refused += 1;
          return true;
        }
        const decoded = decodeDhcpPacket(whole);
        const again = decodeDhcpPacket(encodeDhcpPacket(decoded));
        return sameAs(sorted(again.options), sorted(decoded.options));
      },
    ),
    { numRuns: fuzzRuns(3000) },
  );
  t.ok(refused > 0, 'some of them are broken');
});

function sorted(options: ReadonlyMap<number, Uint8Array>): ReadonlyMap<number, Uint8Array> {
  return new Map([...options].toSorted(([left], [right]) => left - right));
}
