import fc from 'fast-check';
import t from 'tap';
import {
  ackedBlock,
  decodeTftpPacket,
  encodeTftpPacket,
  TftpDecodeError,
  type TftpPacket,
  writeDataHeader,
} from '../../../src/protocol/tftp/packet.ts';

const text = (least: number) =>
  fc.string({ minLength: least, maxLength: 40, unit: 'grapheme' }).filter((value) => !value.includes('\0'));
const options = fc
  .uniqueArray(
    fc.tuple(
      text(1).map((name) => name.toLowerCase()),
      text(0),
    ),
    { selector: ([name]) => name, maxLength: 6 },
  )
  // A few characters are not stable under toLowerCase.
  .filter((pairs) => pairs.every(([name]) => name === name.toLowerCase() && name !== ''))
  .map((pairs) => new Map(pairs));
const word = fc.integer({ min: 0, max: 65535 });
const packets: fc.Arbitrary<TftpPacket> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('read' as const, 'write' as const),
    name: text(1),
    mode: fc.constantFrom('octet', 'OCTET', 'netascii'),
    options,
  }),
  fc.record({ kind: fc.constant('data' as const), block: word, bytes: fc.uint8Array({ maxLength: 600 }) }),
  fc.record({ kind: fc.constant('ack' as const), block: word }),
  fc.record({ kind: fc.constant('error' as const), code: word, message: text(0) }),
  fc.record({ kind: fc.constant('options-ack' as const), options: options.filter((map) => map.size > 0) }),
);

t.test('encode and decode are inverse', async () => {
  fc.assert(
    fc.property(packets, (packet) => {
      const again = decodeTftpPacket(encodeTftpPacket(packet));
      return JSON.stringify(plain(again)) === JSON.stringify(plain(packet));
    }),
    { numRuns: 2000 },
  );
});

/** True, unless something else than the decoder's own error is thrown. */
function decodesOrRefuses(bytes: Uint8Array): boolean {
  try {
    decodeTftpPacket(bytes);
  } catch (error) {
    if (!(error instanceof TftpDecodeError)) throw error;
  }
  return true;
}

t.test('decoding throws nothing but its own error, whatever the bytes', async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 700 }), decodesOrRefuses), { numRuns: 5000 });
  const opcode = fc.integer({ min: 0, max: 7 });
  fc.assert(
    fc.property(opcode, fc.uint8Array({ maxLength: 80 }), (code, rest) =>
      decodesOrRefuses(Uint8Array.of(0, code, ...rest)),
    ),
    { numRuns: 5000 },
  );
});

t.test('TFTP 1: option names are read in any letter case, and the first of two counts', async (t) => {
  const packet = decodeTftpPacket(Buffer.from('\0\x01a\0OcTeT\0BLKSIZE\x001432\0Tsize\x000\0blksize\x008\0'));
  t.match(packet, { kind: 'read', name: 'a', mode: 'OcTeT' });
  t.same(packet.kind === 'read' && [...packet.options], [
    ['blksize', '1432'],
    ['tsize', '0'],
  ]);
});

t.test('TFTP 7: what is no packet is told by its reason', async (t) => {
  const table: readonly (readonly [string, string])[] = [
    ['', 'too short'],
    ['\0', 'too short'],
    ['\0\x04', 'too short'],
    ['\0\x04\0', 'too short'],
    ['\0\0\0\0', 'unknown operation'],
    ['\0\x07\0\0', 'unknown operation'],
    ['\x01\x01a\0octet\0', 'unknown operation'],
    ['\0\x01\0\0octet\0', 'no file name'],
    ['\0\x01a\0', 'no mode'],
    ['\0\x01name-without-end', 'no mode'],
  ];
  for (const [bytes, reason] of table) {
    t.throws(
      () => decodeTftpPacket(Buffer.from(bytes, 'latin1')),
      new TftpDecodeError(reason),
      JSON.stringify(bytes),
    );
  }
});

t.test('sloppy firmware is understood', async (t) => {
  t.match(decodeTftpPacket(Buffer.from('\0\x01a\0octet', 'latin1')), { mode: 'octet' }, 'no NUL at the end');
  const padded = decodeTftpPacket(Buffer.from('\0\x01a\0octet\0tsize\x000\0\0\0\0\0', 'latin1'));
  t.same(padded.kind === 'read' && [...padded.options], [['tsize', '0']], 'padded with NULs');
  const half = decodeTftpPacket(Buffer.from('\0\x01a\0octet\0tsize\x000\0blksize', 'latin1'));
  t.same(half.kind === 'read' && [...half.options], [['tsize', '0']], 'a name without its value');
  t.match(
    decodeTftpPacket(Buffer.from([0, 4, 0, 9, 0, 0])),
    { kind: 'ack', block: 9 },
    'bytes behind an ACK',
  );
});

t.test('the fast path reads the ACKs that the decoder reads, and nothing else', async (t) => {
  t.equal(ackedBlock(Uint8Array.of(0, 4, 0xff, 0xfe)), 65534);
  t.equal(ackedBlock(Uint8Array.of(0, 4, 0, 1, 9)), 1);
  for (const bytes of [[], [0], [0, 4, 0], [0, 3, 0, 1], [1, 4, 0, 1], [0, 5, 0, 1]]) {
    t.equal(ackedBlock(Uint8Array.from(bytes)), -1, `[${bytes.join()}]`);
  }
});

t.test('a DATA header wraps the block number', async (t) => {
  const header = new Uint8Array(4);
  writeDataHeader(header, 65536 * 3 + 258);
  t.same([...header], [0, 3, 1, 2]);
});

/** Maps and bytes as arrays. */
function plain(packet: TftpPacket): unknown {
  return Object.entries(packet)
    .map(
      ([key, value]) =>
        [key, value instanceof Map || value instanceof Uint8Array ? [...value] : value] as const,
    )
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
