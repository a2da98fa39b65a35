import t from 'tap';
import { chooseBootfile, DEFAULT_LOADERS } from '../../src/boot/choose-bootfile.ts';
import { identifyClient, type NetworkClient } from '../../src/boot/identify-client.ts';
import { BIOS_ROM, IPXE, makeRequest, type RequestShape, UEFI_ROM } from '../support/make-request.ts';

const INSTALLED = new Set(['undionly.kpxe', 'snponly.efi']);

function choose(
  request: RequestShape,
  overrides: { loaders?: Record<string, string>; present?: string[] } = {},
) {
  const client = identifyClient(makeRequest(request)).client as NetworkClient;
  const loaders = new Map([...DEFAULT_LOADERS, ...Object.entries(overrides.loaders ?? {})]);
  const present = new Set([...INSTALLED, ...(overrides.present ?? [])]);
  return chooseBootfile({
    client,
    loaders,
    isPresent: (file) => present.has(file),
    serverUrl: 'http://10.77.0.1',
  });
}

const pxe = (architecture: number): RequestShape => ({
  vendorClass: 'PXEClient',
  architectures: [architecture],
});
const http = (architecture: number): RequestShape => ({
  vendorClass: 'HTTPClient',
  architectures: [architecture],
});

t.test('each architecture gets the loader that starts there', (t) => {
  const rows: readonly (readonly [string, RequestShape, string, string])[] = [
    ['BIOS', BIOS_ROM, 'file', 'undionly.kpxe'],
    ['UEFI x64', UEFI_ROM, 'file', 'snponly.efi'],
    ['UEFI x64 as 9', pxe(9), 'file', 'snponly.efi'],
    ['UEFI x64 HTTP boot', http(16), 'url', 'http://10.77.0.1/assets/ipxe/snponly.efi'],
    ['iPXE', IPXE, 'url', 'http://10.77.0.1/boot.ipxe'],
    ['iPXE without HTTP', { ...IPXE, ipxeFeatures: ['tftp'] }, 'file', 'snponly.efi'],
    [
      'BIOS iPXE without HTTP',
      { ...IPXE, architectures: [0], ipxeFeatures: ['tftp'] },
      'file',
      'undionly.kpxe',
    ],
  ];
  for (const [name, request, kind, value] of rows) t.match(choose(request), { kind, value }, name);
  t.end();
});

t.test("what has no loader is refused with the remedy, never given another architecture's", (t) => {
  const rows: readonly (readonly [string, RequestShape, RegExp])[] = [
    ['32-bit UEFI', pxe(6), /snponly-i386\.efi for UEFI, 32-bit x86 is missing: put it into assets\/ipxe/],
    ['32-bit UEFI HTTP boot', http(15), /is missing/],
    ['arm64', pxe(11), /snponly-arm64\.efi for UEFI arm64 is missing/],
    ['arm 32', pxe(10), /loaders: \{ uefi-arm32: FILE \}/],
    ['RISC-V', pxe(27), /loaders: \{ uefi-riscv64: FILE \}/],
    ['an unknown architecture', pxe(999), /no known architecture/],
  ];
  for (const [name, request, why] of rows) {
    const decision = choose(request);
    t.equal(decision.kind, 'none', name);
    t.match(decision.reasons.join('; '), why, name);
  }
  t.end();
});

t.test("the operator's loaders win over the defaults", (t) => {
  t.match(choose(UEFI_ROM, { loaders: { 'uefi-x64': 'ipxe.efi' }, present: ['ipxe.efi'] }), {
    value: 'ipxe.efi',
  });
  t.match(choose(pxe(6), { present: ['snponly-i386.efi'] }), { value: 'snponly-i386.efi' });
  t.match(choose(pxe(27), { loaders: { 'uefi-riscv64': 'riscv.efi' }, present: ['riscv.efi'] }), {
    value: 'riscv.efi',
  });
  t.match(choose(http(16), { loaders: { 'uefi-x64-http': 'http.efi' }, present: ['http.efi'] }), {
    value: 'http://10.77.0.1/assets/ipxe/http.efi',
  });
  t.end();
});
