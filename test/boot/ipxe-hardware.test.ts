import t from 'tap';
import { IPXE_HARDWARE_SETTINGS, readIpxeHardware } from '../../src/boot/ipxe-hardware.ts';
import type { Mac } from '../../src/machine/mac.ts';

const mac = '52:54:00:12:34:56' as Mac;
const read = (query: Readonly<Record<string, string>>) => readIpxeHardware(query, mac, 7);

t.test("what a QEMU machine's iPXE of 2019 says", async (t) => {
  // Seen: Debian 12's ROM, pc-i440fx with 512 MiB.
  const hardware = read({
    platform: 'pcbios',
    'cpu-smbios': 'pc-i440fx-7.2',
    'cpu-vendor': 'QEMU',
    ram: '00000000ffff0700',
    'bios-vendor': 'SeaBIOS',
    'bios-version': '1.16.2-debian-1.16.2-1',
    'bios-date': '04/01/2014',
    chip: 'virtio-net',
    busid: '011af41000',
  });
  t.strictSame(hardware, {
    at: 7,
    source: 'ipxe',
    cpu: { model: 'pc-i440fx-7.2' },
    memory: 512 * 2 ** 20,
    firmware: { kind: 'bios', vendor: 'SeaBIOS', version: '1.16.2-debian-1.16.2-1', date: '04/01/2014' },
    disks: [],
    network: [{ name: 'net0', mac, driver: 'virtio-net (PCI 1af4:1000)', link: true }],
  });
});

t.test('memory is what the settings have of it', async (t) => {
  const GIB = 2 ** 30;
  const rows: readonly (readonly [string, Readonly<Record<string, string>>, number | undefined])[] = [
    ['memsize in mebibytes', { memsize: '2048' }, 2 * GIB],
    ['two ranges', { ram: '00000000ffffbf00', ram1: '00000001ffff3f01' }, 16 * GIB],
    [
      'more than fits in kibibytes',
      { ram: 'ffffffffffffffff', 'ram-wide': '0000000000000000ffffffffff070000' },
      8192 * GIB,
    ],
    ['nothing', { ram: '', chip: 'x' }, undefined],
    [
      'nonsense',
      { memsize: '-5', ram: 'zz', ram1: '00', 'ram-wide': 'ffffffffffffffffffffffffffffffff' },
      undefined,
    ],
    ['the end before the start', { ram: 'ffff070000000000' }, undefined],
    ['more than numbers hold', { 'ram-wide': '0000000000000000feffffffffffffff' }, undefined],
  ];
  for (const [name, query, expected] of rows) {
    t.equal(read({ chip: 'x', ...query })?.memory, expected, name);
  }
});

t.test('Secure Boot is said where the build can read it', async (t) => {
  t.equal(read({ secureboot: '01' })?.firmware?.secureBoot, true);
  t.equal(read({ secureboot: '00' })?.firmware?.secureBoot, false);
  for (const odd of ['1', 'yes', '0100'])
    t.equal(read({ secureboot: odd })?.firmware?.secureBoot, undefined, odd);
});

t.test('a processor has the best name there is, and none that says nothing', async (t) => {
  t.equal(read({ cpu: 'Xeon', 'cpu-smbios': 'pc' })?.cpu?.model, 'Xeon');
  t.equal(read({ cpu: '', 'cpu-smbios': 'Not Specified', 'cpu-vendor': 'AMD' })?.cpu?.model, 'AMD');
  t.equal(read({ 'cpu-smbios': ' ', chip: 'x' })?.cpu, undefined);
});

t.test('a query without any of it says nothing', async (t) => {
  t.equal(read({ mac, platform: 'efi', serial: 'x' }), undefined);
  t.equal(read({ cpu: '', ram: '' }), undefined);
});

t.test('settings are written so that nothing of them can break a URL', async (t) => {
  for (const [name, setting] of IPXE_HARDWARE_SETTINGS) {
    t.match(name, /^[a-z0-9-]+$/);
    t.match(setting, /:(uristring|hexraw)$|^memsize$/);
  }
});
