import t from 'tap';
import { decodeVendorClass, encodeVendorClass } from '../../../src/protocol/dhcp/option-60.ts';

function read(text: string): ReturnType<typeof decodeVendorClass> {
  return decodeVendorClass(Buffer.from(text, 'latin1'));
}

const classes = [
  {
    text: 'PXEClient:Arch:00007:UNDI:003016',
    kind: 'PXEClient',
    architecture: 7,
    undi: { major: 3, minor: 16 },
  },
  {
    text: 'PXEClient:Arch:00000:UNDI:002001',
    kind: 'PXEClient',
    architecture: 0,
    undi: { major: 2, minor: 1 },
  },
  {
    text: 'HTTPClient:Arch:00016:UNDI:003000',
    kind: 'HTTPClient',
    architecture: 16,
    undi: { major: 3, minor: 0 },
  },
  { text: 'PXEClient:Arch:00011', kind: 'PXEClient', architecture: 11 },
  // Seen with an iPXE build of 2019.
  { text: 'PXEClient', kind: 'PXEClient' },
  { text: 'HTTPClient', kind: 'HTTPClient' },
  { text: 'PXEClient:Arch:x', kind: 'PXEClient' },
  { text: 'PXEClient:Arch:123456', kind: 'PXEClient' },
  { text: 'PXEClients', kind: 'other' },
  { text: 'xPXEClient', kind: 'other' },
  { text: 'pxeclient', kind: 'other' },
  { text: 'MSFT 5.0:Arch:00007', kind: 'other' },
  { text: 'udhcp 1.35.0', kind: 'other' },
  { text: '', kind: 'other' },
] as const;

t.test('the vendor class tells a network boot, its architecture and its UNDI version', async (t) => {
  for (const expected of classes) t.strictSame(read(expected.text), expected, expected.text);
});

t.test('NULs at the end are no part of it', async (t) => {
  t.strictSame(read('PXEClient\0\0'), { kind: 'PXEClient', text: 'PXEClient' });
});

t.test('what is encoded reads as firmware writes it', async (t) => {
  for (const { text, kind, ...rest } of classes.slice(0, 6)) {
    if (kind !== 'other') t.equal(Buffer.from(encodeVendorClass({ kind, ...rest })).toString('latin1'), text);
  }
});
