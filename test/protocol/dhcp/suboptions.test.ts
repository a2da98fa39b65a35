import fc from 'fast-check';
import t from 'tap';
import { decodeSuboptions, encodeSuboptions } from '../../../src/protocol/dhcp/suboptions.ts';

const readings = [
  {
    name: 'pads and an end',
    padded: true,
    bytes: [0, 1, 1, 9, 0, 2, 0, 255, 3, 1, 1],
    found: [
      [1, [9]],
      [2, []],
    ],
  },
  { name: 'no end', padded: true, bytes: [1, 1, 9], found: [[1, [9]]] },
  {
    name: 'codes 0 and 255 where there are no pads',
    padded: false,
    bytes: [0, 1, 7, 255, 1, 8],
    found: [
      [0, [7]],
      [255, [8]],
    ],
  },
  { name: 'the first of repeats', padded: false, bytes: [1, 1, 7, 1, 1, 8], found: [[1, [7]]] },
  {
    name: 'what stands before a value cut short',
    padded: false,
    bytes: [1, 1, 7, 2, 9, 8],
    found: [[1, [7]]],
  },
  {
    name: 'what stands before a code without a length',
    padded: false,
    bytes: [1, 1, 7, 2],
    found: [[1, [7]]],
  },
  { name: 'nothing', padded: true, bytes: [], found: [] },
] as const;

t.test('sub-options are read as far as they are whole', async (t) => {
  for (const { name, padded, bytes, found } of readings) {
    const decoded = [...decodeSuboptions(Uint8Array.from(bytes), { padded })].map(([code, value]) => [
      code,
      [...value],
    ]);
    t.strictSame(decoded, found, name);
  }
});

t.test('sub-options survive encoding and decoding, in either layout', async () => {
  const value = fc.uint8Array({ maxLength: 255, size: 'max' });
  const suboptions = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 254 }), value), {
    selector: ([code]) => code,
  });
  fc.assert(
    fc.property(suboptions, fc.boolean(), (entries, padded) => {
      const decoded = [...decodeSuboptions(encodeSuboptions(new Map(entries), { padded }), { padded })];
      return JSON.stringify(decoded.map(flat)) === JSON.stringify(entries.map(flat));
    }),
  );
});

function flat([code, value]: readonly [number, Uint8Array]): readonly [number, string] {
  return [code, Buffer.from(value).toString('hex')];
}

t.test('a value that its length byte cannot count is refused', async (t) => {
  t.throws(() => encodeSuboptions(new Map([[1, new Uint8Array(256)]]), { padded: true }), {
    name: 'RangeError',
  });
});
