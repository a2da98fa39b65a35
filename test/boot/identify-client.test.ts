import t from 'tap';
import { identifyClient } from '../../src/boot/identify-client.ts';
import { OPTION } from '../../src/protocol/dhcp/option-codes.ts';
import { BIOS_ROM, IPXE, makeRequest, type RequestShape, UEFI_ROM } from '../support/make-request.ts';

interface Row {
  readonly says: string;
  readonly request: RequestShape;
  readonly kind: 'rom' | 'ipxe' | 'ordinary';
  readonly architecture?: string | undefined;
  readonly transport?: 'http';
  readonly fetchesScripts?: boolean;
}

const rows: readonly Row[] = [
  { says: 'a BIOS ROM', request: BIOS_ROM, kind: 'rom', architecture: 'bios' },
  { says: 'a UEFI x64 ROM by 7', request: UEFI_ROM, kind: 'rom', architecture: 'uefi-x64' },
  {
    says: 'a UEFI x64 ROM by 9, which the RFC swaps with 7',
    request: { vendorClass: 'PXEClient:Arch:00009:UNDI:003016', architectures: [9] },
    kind: 'rom',
    architecture: 'uefi-x64',
  },
  {
    says: '32-bit UEFI',
    request: { vendorClass: 'PXEClient', architectures: [6] },
    kind: 'rom',
    architecture: 'uefi-x86',
  },
  {
    says: 'arm64',
    request: { vendorClass: 'PXEClient', architectures: [11] },
    kind: 'rom',
    architecture: 'uefi-arm64',
  },
  {
    says: 'the first known of a list',
    request: { vendorClass: 'PXEClient', architectures: [999, 7, 0] },
    kind: 'rom',
    architecture: 'uefi-x64',
  },
  {
    says: 'option 60 where 93 is absent',
    request: { vendorClass: 'PXEClient:Arch:00011:UNDI:003016' },
    kind: 'rom',
    architecture: 'uefi-arm64',
  },
  {
    says: 'PXEClient alone as a BIOS',
    request: { vendorClass: 'PXEClient' },
    kind: 'rom',
    architecture: 'bios',
  },
  {
    says: 'an architecture nobody knows',
    request: { vendorClass: 'PXEClient', architectures: [999] },
    kind: 'rom',
    architecture: undefined,
  },
  {
    says: 'UEFI HTTP boot',
    request: { vendorClass: 'HTTPClient:Arch:00016', architectures: [16] },
    kind: 'rom',
    architecture: 'uefi-x64-http',
    transport: 'http',
  },
  { says: 'iPXE by user class', request: IPXE, kind: 'ipxe', architecture: 'uefi-x64', fetchesScripts: true },
  {
    says: 'iPXE without option 175',
    request: { userClass: 'iPXE', architectures: [0] },
    kind: 'ipxe',
    architecture: 'bios',
    fetchesScripts: true,
  },
  {
    says: 'our own build by its user class',
    request: { userClass: 'tinderbox', architectures: [7] },
    kind: 'ipxe',
    architecture: 'uefi-x64',
    fetchesScripts: true,
  },
  {
    says: 'iPXE by option 175 where 77 is absent',
    request: { ...BIOS_ROM, ipxeFeatures: ['http'] },
    kind: 'ipxe',
    architecture: 'bios',
    fetchesScripts: true,
  },
  {
    says: 'a ROM that is iPXE inside but says legacy-pxe',
    request: { ...BIOS_ROM, userClass: 'legacy-pxe', ipxeFeatures: ['http'] },
    kind: 'rom',
    architecture: 'bios',
  },
  {
    says: 'an iPXE without HTTP',
    request: { ...IPXE, ipxeFeatures: ['tftp', 'dns'] },
    kind: 'ipxe',
    architecture: 'uefi-x64',
    fetchesScripts: false,
  },
  { says: 'an operating system', request: { vendorClass: 'udhcp 1.35.0' }, kind: 'ordinary' },
  { says: 'a client that names no class', request: {}, kind: 'ordinary' },
  {
    says: 'one whose class only begins like PXEClient',
    request: { vendorClass: 'PXEClientele' },
    kind: 'ordinary',
  },
];

for (const row of rows) {
  t.test(`${row.says} is recognised`, (t) => {
    const { client } = identifyClient(makeRequest(row.request));
    t.equal(client?.kind, row.kind);
    t.equal(client?.architecture?.name, row.architecture);
    t.equal(client?.transport, row.transport ?? 'tftp');
    t.equal(client?.fetchesScripts, row.fetchesScripts ?? false);
    t.ok((client?.reasons.length ?? 0) > 0, 'it says why');
    t.end();
  });
}

t.test('a hardware address that is not Ethernet is refused politely', (t) => {
  const { refused } = identifyClient(makeRequest({ ...UEFI_ROM, hlen: 16 }));
  t.match(refused, /16 bytes/);
  t.end();
});

t.test('a missing, short or odd option 97 or 94 refuses nobody', (t) => {
  for (const length of [0, 1, 16, 18]) {
    const raw = [
      [OPTION.clientUuid, new Uint8Array(length)],
      [OPTION.clientNetworkInterface, new Uint8Array(length % 5)],
    ] as const;
    const { client } = identifyClient(makeRequest({ ...UEFI_ROM, raw }));
    t.equal(client?.kind, 'rom', `${length} bytes`);
  }
  t.end();
});
