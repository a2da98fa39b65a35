import t from 'tap';
import { formatCpu, formatHardware, formatMemory } from '../../src/cli/format-hardware.ts';
import type { Hardware } from '../../src/machine/hardware.ts';

const HARDWARE: Hardware = {
  at: 7,
  source: 'linux',
  cpu: { model: 'AMD EPYC 7302P 16-Core Processor, the long name', count: 32 },
  memory: 64 * 2 ** 30,
  board: 'Supermicro H11SSL-i',
  firmware: { kind: 'uefi', vendor: 'AMI', version: '2.1', date: '02/21/2020', secureBoot: true },
  disks: [{ name: 'nvme0n1', model: 'SAMSUNG', bytes: 1_920_383_410_176 }, { name: 'sda' }],
  network: [
    { name: 'eno1', mac: '3c:ec:ef:00:00:01', driver: 'igb', speed: 10_000, link: true },
    { name: 'eno2', speed: 100, link: false },
  ],
};

t.test('each part has its line', async (t) => {
  t.strictSame(formatHardware(HARDWARE), [
    '  cpu       32 × AMD EPYC 7302P 16-Core Processor, the long name',
    '  memory    64 GiB',
    '  board     Supermicro H11SSL-i',
    '  firmware  UEFI  AMI  2.1  02/21/2020  Secure Boot on',
    '  disk      nvme0n1  1.7 TiB  SAMSUNG',
    '  disk      sda',
    '  network   eno1  3c:ec:ef:00:00:01  igb  10 Gbit/s  link',
    '  network   eno2  100 Mbit/s  no link',
  ]);
});

t.test('a rack of disks is cut, and iPXE says that it knows little', async (t) => {
  const disks = Array.from({ length: 40 }, (_, n) => ({ name: `sd${n}` }));
  const lines = formatHardware({ ...HARDWARE, disks, source: 'ipxe' });
  t.equal(lines.filter((line) => line.startsWith('  disk')).length, 12);
  t.match(lines.at(-2), /and 28 more: --json/);
  t.match(lines.at(-1), /as iPXE reads it/);
  t.strictSame(formatHardware({ at: 1, source: 'linux', disks: [], network: [] }), []);
});

t.test('columns are short', async (t) => {
  t.equal(formatCpu(HARDWARE), '32 × AMD EPYC 7302P 16-Core Processo…');
  t.equal(formatMemory(HARDWARE), '64 GiB');
  t.strictSame([formatCpu(undefined), formatMemory(undefined)], ['-', '-']);
});
