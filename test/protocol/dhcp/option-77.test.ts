import t from 'tap';
import {
  decodeUserClass,
  encodeRawUserClass,
  encodeUserClasses,
} from '../../../src/protocol/dhcp/option-77.ts';

const classes = [
  { name: 'as iPXE sends it', bytes: [...Buffer.from('iPXE')], found: ['iPXE'] },
  { name: 'counted (RFC 3004)', bytes: [4, ...Buffer.from('iPXE')], found: ['iPXE'] },
  {
    name: 'several, counted',
    bytes: [4, ...Buffer.from('iPXE'), 10, ...Buffer.from('tinderbox1')],
    found: ['iPXE', 'tinderbox1'],
  },
  { name: 'raw with a NUL', bytes: [...Buffer.from('iPXE\0')], found: ['iPXE'] },
  { name: 'a count too large', bytes: [5, ...Buffer.from('iPXE')], found: ['\x05iPXE'] },
  { name: 'a count too small', bytes: [3, ...Buffer.from('iPXE')], found: ['\x03iPXE'] },
  { name: 'a count of zero', bytes: [0, 1, 97], found: ['\0\x01a'] },
  { name: 'nothing', bytes: [], found: [] },
  { name: 'NULs', bytes: [0, 0], found: [] },
] as const;

t.test('user classes are read counted or raw', async (t) => {
  for (const { name, bytes, found } of classes)
    t.strictSame(decodeUserClass(Uint8Array.from(bytes)), found, name);
});

t.test('user classes are written counted or raw', async (t) => {
  t.strictSame([...encodeRawUserClass('iPXE')], [...Buffer.from('iPXE')]);
  t.strictSame([...encodeUserClasses(['a', 'bc'])], [1, 97, 2, 98, 99]);
  t.strictSame(decodeUserClass(encodeUserClasses(['x'.repeat(255), 'y'])), ['x'.repeat(255), 'y']);
  t.throws(() => encodeUserClasses(['']), { name: 'RangeError' });
  t.throws(() => encodeUserClasses(['x'.repeat(256)]), { name: 'RangeError' });
});
