import t from 'tap';
import { addToSum, checksumOf } from '../../../src/protocol/pcap/internet-checksum.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

const CASES: readonly { readonly what: string; readonly hex: string; readonly checksum: number }[] = [
  { what: 'nothing', hex: '', checksum: 0xffff },
  { what: 'the example of RFC 1071, section 3', hex: '0001 f203 f4f5 f6f7', checksum: 0xffff ^ 0xddf2 },
  { what: 'an odd last byte', hex: '0102 03', checksum: 0xffff ^ 0x0402 },
  { what: 'a carry that carries', hex: 'ffff 0001 ffff', checksum: 0xffff ^ 0x0001 },
  {
    what: 'a header of IPv4 without its checksum',
    hex: '4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7',
    checksum: 0xb861,
  },
];

t.test('the checksum of the internet protocols', (t) => {
  for (const { what, hex, checksum } of CASES) t.equal(checksumOf(addToSum(bytes(hex))), checksum, what);
  t.equal(addToSum(bytes('0304'), addToSum(bytes('0102'))), addToSum(bytes('0102 0304')), 'in two parts');
  t.end();
});
