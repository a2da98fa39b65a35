import t from 'tap';
import { identifyClient } from '../../src/boot/identify-client.ts';
import { knownFirmware } from '../../src/boot/known-firmware.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import type { MachineFacts } from '../../src/machine/facts.ts';
import { BIOS_ROM, MAC, makeRequest, UEFI_ROM } from '../support/make-request.ts';

const discover = (reasons: readonly string[]): BootEvent => ({
  at: 1,
  mac: MAC,
  kind: 'dhcp.discover',
  outcome: 'answered',
  asked: 'DISCOVER',
  answered: 'OFFER',
  reasons,
});
const saidBy = (shape: Parameters<typeof makeRequest>[0]) =>
  discover(identifyClient(makeRequest(shape)).client?.reasons ?? []);

t.test('what the firmware last said in DHCP counts', async (t) => {
  const { architecture } = knownFirmware({ mac: MAC }, [
    saidBy(BIOS_ROM),
    saidBy(UEFI_ROM),
    discover(['nothing']),
  ]);
  t.equal(architecture?.name, 'uefi-x64');
});

t.test('else what its iPXE told', async (t) => {
  const rows: [Partial<MachineFacts>, string | undefined, RegExp][] = [
    [{}, undefined, /has not said what it is/],
    [{ arch: 'x86_64' }, undefined, /BIOS or UEFI is not known/],
    [{ arch: 'x86_64', platform: 'pcbios' }, 'bios', /BIOS/],
    [{ arch: 'x86_64', platform: 'efi' }, 'uefi-x64', /UEFI/],
    [{ arch: 'x86', platform: 'efi' }, 'uefi-x86', /UEFI/],
    [{ arch: 'arm64' }, 'uefi-arm64', /processor is arm64/],
    [{ arch: 'riscv64', platform: 'efi' }, 'uefi-riscv64', /UEFI/],
  ];
  for (const [facts, name, why] of rows) {
    const known = knownFirmware({ mac: MAC, ...facts }, []);
    t.equal(known.architecture?.name, name, JSON.stringify(facts));
    t.match(known.reasons.join('; '), why, JSON.stringify(facts));
  }
});
