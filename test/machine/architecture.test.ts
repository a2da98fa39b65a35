import t from 'tap';
import {
  architectureByCode,
  architectureByName,
  FIRMWARE_ARCHITECTURES,
} from '../../src/machine/architecture.ts';

t.test('every code of option 93 that is met means what the RFC and its errata say', async (t) => {
  const rows: [number, string, string, string][] = [
    [0, 'bios', 'x86_64', 'tftp'],
    [6, 'uefi-x86', 'x86', 'tftp'],
    [7, 'uefi-x64', 'x86_64', 'tftp'],
    [9, 'uefi-x64', 'x86_64', 'tftp'],
    [10, 'uefi-arm32', 'arm32', 'tftp'],
    [11, 'uefi-arm64', 'arm64', 'tftp'],
    [15, 'uefi-x86-http', 'x86', 'http'],
    [16, 'uefi-x64-http', 'x86_64', 'http'],
    [18, 'uefi-arm32-http', 'arm32', 'http'],
    [19, 'uefi-arm64-http', 'arm64', 'http'],
    [20, 'bios-http', 'x86_64', 'http'],
    [27, 'uefi-riscv64', 'riscv64', 'tftp'],
    [28, 'uefi-riscv64-http', 'riscv64', 'http'],
    [39, 'uefi-loongarch64', 'loongarch64', 'tftp'],
    [40, 'uefi-loongarch64-http', 'loongarch64', 'http'],
    [41, 'raspberry-pi', 'arm64', 'tftp'],
  ];
  for (const [code, name, arch, transport] of rows) {
    t.match(architectureByCode(code), { code, name, arch, transport });
  }
  t.equal(FIRMWARE_ARCHITECTURES.length, rows.length, 'and there is no other');
  t.equal(architectureByCode(65_535), undefined);
});

t.test('a name is enough to find an architecture, and says whether it boots by HTTP', async (t) => {
  for (const { code, name, transport } of FIRMWARE_ARCHITECTURES) {
    t.equal(architectureByName(name)?.name, name);
    t.equal(name.endsWith('-http'), transport === 'http', name);
    t.equal(FIRMWARE_ARCHITECTURES.filter((other) => other.code === code).length, 1, `${code} is there once`);
  }
  t.equal(architectureByName('uefi-x64')?.code, 7, 'of the two codes the one that firmware sends');
  t.equal(architectureByName('pdp11'), undefined);
});
