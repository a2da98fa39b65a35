import fc from 'fast-check';
import t from 'tap';
import { decodeClientUuid, encodeClientUuid } from '../../../src/protocol/dhcp/option-97.ts';

// What QEMU's -uuid 12345678-9abc-def0-1234-56789abcdef0 makes of both EDK2 and iPXE: see ovmf-pxe.pcap, ipxe-bios.pcap.
const uuid = '12345678-9abc-def0-1234-56789abcdef0';
const wire = '0078563412bc9af0de123456789abcdef0';

t.test('the UUID reads as dmidecode prints it, from the order in which EDK2 and iPXE send it', async (t) => {
  t.equal(decodeClientUuid(Buffer.from(wire, 'hex')), uuid);
  t.equal(Buffer.from(encodeClientUuid(uuid)).toString('hex'), wire);
  t.equal(Buffer.from(encodeClientUuid(uuid.toUpperCase())).toString('hex'), wire);
});

t.test('any UUID survives encoding and decoding', async () => {
  fc.assert(fc.property(fc.uuid(), (any) => decodeClientUuid(encodeClientUuid(any)) === any));
});

t.test('anything but type 0 with 17 bytes has no UUID', async (t) => {
  const bytes = Buffer.from(wire, 'hex');
  t.equal(decodeClientUuid(bytes.subarray(1)), undefined, 'without its type');
  t.equal(decodeClientUuid(Uint8Array.of(...bytes, 0)), undefined, 'one byte too many');
  t.equal(decodeClientUuid(Uint8Array.from(bytes).with(0, 1)), undefined, 'of another type');
  t.equal(decodeClientUuid(new Uint8Array()), undefined, 'empty');
});

t.test('text that is no UUID is refused', async (t) => {
  for (const text of ['', uuid.slice(1), uuid.replaceAll('-', ''), `${uuid}0`, uuid.replace('1', 'g')]) {
    t.throws(() => encodeClientUuid(text), { name: 'RangeError' }, text);
  }
});
