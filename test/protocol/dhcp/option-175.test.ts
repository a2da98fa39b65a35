import t from 'tap';
import { decodeIpxeOptions, encodeIpxeOptions } from '../../../src/protocol/dhcp/option-175.ts';

t.test('a server tells iPXE to skip its wait for a proxy', async (t) => {
  t.strictSame([...encodeIpxeOptions({ noPxeDhcp: true })], [176, 1, 1, 255]);
});

t.test('iPXE tells its card, version and features', async (t) => {
  const bytes = Uint8Array.of(177, 5, 1, 0x1a, 0xf4, 0x10, 0, 235, 3, 1, 21, 1, 19, 1, 1, 33, 1, 1, 60, 1, 1);
  const { all, ...options } = decodeIpxeOptions(bytes);
  t.strictSame(options, {
    features: ['http', 'pxe', '60'],
    version: '1.21.1',
    busId: { type: 1, vendor: 0x1af4, device: 0x1000 },
  });
  t.equal(all.size, 5);
});

const odd = [
  { name: 'nothing', bytes: [], options: { features: [] } },
  { name: 'a feature that is switched off', bytes: [19, 1, 0], options: { features: [] } },
  { name: 'a feature without a value', bytes: [19, 0], options: { features: [] } },
  { name: 'codes beside the features', bytes: [15, 1, 1, 80, 1, 1], options: { features: [] } },
  { name: 'a version without a number', bytes: [235, 0], options: { features: [] } },
  { name: 'a bus of four bytes', bytes: [177, 4, 1, 2, 3, 4], options: { features: [] } },
  { name: 'a negative priority', bytes: [1, 1, 255], options: { features: [], priority: -1 } },
  { name: 'the wait left on', bytes: [176, 1, 0], options: { features: [], noPxeDhcp: false } },
  {
    name: 'a feature before a part cut short',
    bytes: [19, 1, 1, 235, 3, 1],
    options: { features: ['http'] },
  },
] as const;

t.test('odd values are left out, never an error', async (t) => {
  for (const { name, bytes, options } of odd) {
    const { all: _all, ...decoded } = decodeIpxeOptions(Uint8Array.from(bytes));
    t.strictSame(decoded, options, name);
  }
});

t.test('everything survives encoding and decoding', async (t) => {
  const options = {
    features: ['http', 'https', 'efi', '79'],
    version: '1.21.1',
    busId: { type: 1, vendor: 0x8086, device: 0x100e },
    noPxeDhcp: true,
    priority: -128,
  };
  const { all: _all, ...decoded } = decodeIpxeOptions(encodeIpxeOptions(options));
  t.strictSame(decoded, options);
});

t.test('a version or feature that cannot be written is refused', async (t) => {
  const impossible = [
    { version: 'git-1' },
    { version: '' },
    { version: '1.256' },
    { features: ['gopher'] },
    { features: ['15'] },
    { features: ['80'] },
  ];
  for (const options of impossible) {
    t.throws(() => encodeIpxeOptions(options), { name: 'RangeError' }, JSON.stringify(options));
  }
});
