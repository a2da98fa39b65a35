import t from 'tap';
import {
  decodePxeVendorOptions,
  encodePxeVendorOptions,
  PXE_DISCOVERY,
} from '../../../src/protocol/dhcp/option-43.ts';

const bootItem = Uint8Array.of(0x80, 0, 0, 1);

t.test('a server tells a BIOS to take the file at once, and ends the option', async (t) => {
  t.strictSame(
    [...encodePxeVendorOptions({ discoveryControl: PXE_DISCOVERY.useOfferedFile })],
    [6, 1, 8, 255],
  );
});

t.test('the boot item that was asked for is echoed byte by byte', async (t) => {
  const asked = decodePxeVendorOptions(Uint8Array.of(71, 4, ...bootItem, 255));
  t.strictSame(asked.bootItem, bootItem);
  t.strictSame(
    [...encodePxeVendorOptions({ bootItem: asked.bootItem as Uint8Array })],
    [71, 4, ...bootItem, 255],
  );
});

t.test('both survive encoding and decoding', async (t) => {
  const options = { discoveryControl: 8, bootItem };
  const { all, ...decoded } = decodePxeVendorOptions(encodePxeVendorOptions(options));
  t.strictSame(decoded, options);
  t.strictSame([...all.keys()], [6, 71]);
});

const odd = [
  { name: 'nothing', bytes: [] },
  { name: 'a discovery control of two bytes', bytes: [6, 2, 8, 8, 255] },
  { name: 'one cut short', bytes: [6, 1] },
  { name: 'a boot item of 250 bytes', bytes: [71, 250, ...new Uint8Array(250)] },
  { name: 'a boot item of two bytes', bytes: [71, 2, 0, 0] },
  { name: 'text of another vendor', bytes: [...Buffer.from('MSFT 5.0')] },
] as const;

t.test("another vendor's bytes hold neither", async (t) => {
  for (const { name, bytes } of odd) {
    const decoded = decodePxeVendorOptions(Uint8Array.from(bytes));
    t.equal(decoded.discoveryControl, undefined, name);
    t.equal(decoded.bootItem, undefined, name);
  }
});
