import t from 'tap';
import type { Ipv4 } from '../../../src/machine/ipv4.ts';
import { parseIpv4 } from '../../../src/machine/ipv4.ts';
import {
  ipv4Value,
  readIpv4,
  readIpv4List,
  readText,
  readUint8,
  readUint16,
  readUint32,
  textValue,
  textValueWithNul,
  uint8Value,
  uint16Value,
  uint32Value,
} from '../../../src/protocol/dhcp/option-values.ts';

const low = parseIpv4('10.77.0.1') as Ipv4;
const high = parseIpv4('203.0.113.255') as Ipv4;

function holding(...bytes: readonly number[]): ReadonlyMap<number, Uint8Array> {
  return new Map([[9, Uint8Array.from(bytes)]]);
}

const readings = [
  { name: 'text', read: readText, bytes: [0x61, 0xe9], value: 'a\u00e9' },
  { name: 'text with NULs at its end', read: readText, bytes: [0x61, 0, 0], value: 'a' },
  { name: 'text with a NUL inside', read: readText, bytes: [0x61, 0, 0x62], value: 'a\0b' },
  { name: 'text of NULs', read: readText, bytes: [0, 0], value: '' },
  { name: 'an address', read: readIpv4, bytes: [203, 0, 113, 255], value: high },
  { name: 'an address of three bytes', read: readIpv4, bytes: [10, 77, 0], value: undefined },
  { name: 'an address of five bytes', read: readIpv4, bytes: [10, 77, 0, 1, 0], value: undefined },
  { name: 'addresses', read: readIpv4List, bytes: [10, 77, 0, 1, 203, 0, 113, 255], value: [low, high] },
  { name: 'addresses of six bytes', read: readIpv4List, bytes: [10, 77, 0, 1, 0, 0], value: undefined },
  { name: 'no addresses', read: readIpv4List, bytes: [], value: undefined },
  { name: 'one byte', read: readUint8, bytes: [255], value: 255 },
  { name: 'no byte', read: readUint8, bytes: [], value: undefined },
  { name: 'two bytes', read: readUint16, bytes: [5, 220], value: 1500 },
  { name: 'two bytes of three', read: readUint16, bytes: [0, 5, 220], value: undefined },
  { name: 'four bytes', read: readUint32, bytes: [255, 255, 255, 255], value: 0xffffffff },
];

t.test('values read as their shape, and as undefined where the length is another', async (t) => {
  for (const { name, read, bytes, value } of readings) t.strictSame(read(holding(...bytes), 9), value, name);
  for (const { name, read } of readings) t.equal(read(new Map(), 9), undefined, `absent: ${name}`);
});

t.test('values are written in network order', async (t) => {
  t.strictSame([...textValue('a\u00e9')], [0x61, 0xe9]);
  t.strictSame([...textValueWithNul('ab')], [0x61, 0x62, 0]);
  t.strictSame([...ipv4Value(low)], [10, 77, 0, 1]);
  t.strictSame([...ipv4Value(low, high)], [10, 77, 0, 1, 203, 0, 113, 255]);
  t.strictSame([...uint8Value(200)], [200]);
  t.strictSame([...uint16Value(1500)], [5, 220]);
  t.strictSame([...uint32Value(0xfffffffe)], [255, 255, 255, 254]);
  t.throws(() => textValue('\u0142'), { name: 'RangeError' });
});
