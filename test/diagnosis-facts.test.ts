import t from 'tap';
import { readTrace } from '../src/boot/session-trace.ts';
import { createDiagnosisFacts, type DiagnosisSources } from '../src/diagnosis-facts.ts';
import type { BootEvent } from '../src/machine/event.ts';
import type { BootSession } from '../src/machine/session.ts';
import { createBootFileIndex } from '../src/servers/boot-file-index.ts';
import { createBootFiles } from '../src/servers/tftp-files.ts';
import { dhcp, get, happened, TO_IPXE, TRACE_MAC, TRACE_START } from './support/trace-events.ts';

/** So much of an EFI program as says for which processor it is: the machine of its COFF header. */
function program(machine: number): Buffer {
  const head = Buffer.alloc(512);
  head.write('MZ', 0);
  head.writeUInt32LE(0x80, 0x3c);
  head.write('PE\0\0', 0x80);
  head.writeUInt16LE(machine, 0x84);
  return head;
}

const [X64, ARM64] = [0x8664, 0xaa64];
const folder = t.testdir({ 'snponly.efi': program(ARM64), 'shimx64.efi': program(X64), 'grubx64.efi': 'x' });
const loaders = new Map([['uefi-x64', 'snponly.efi']]);
const bootFiles = createBootFiles({
  folder,
  distributionFolders: [],
  loaderNames: [...loaders.values()],
  packagedFiles: new Map(),
});
const bootFileIndex = createBootFileIndex(bootFiles, loaders);
bootFileIndex.nameFiles(['shimx64.efi']);
await bootFileIndex.refresh();

const sources = {
  config: { dhcp: { mode: 'server' }, http: {}, tftp: {}, network: { interfaces: ['lo'] } },
  networks: () => ({ interfaces: [] }),
  bootFileIndex,
  dhcpServers: { bootServers: () => [], isAlone: () => false },
  now: () => TRACE_START,
} as unknown as DiagnosisSources;
const session: BootSession = {
  id: 1,
  mac: TRACE_MAC,
  openedAt: TRACE_START,
  updatedAt: TRACE_START,
  stage: 'firmware',
  stageTimes: {},
};

const took = (name: string) => happened(6, 'tftp.done', `RRQ ${name}`, {});

t.test('the loader that is looked at is the one that the machine has, whoever named it', async (t) => {
  const asks = [dhcp(0, 'DISCOVER'), dhcp(4, 'REQUEST')];
  const rows: [string, readonly BootEvent[], unknown][] = [
    ['what is configured', asks, { file: 'snponly.efi', builtFor: 'arm64' }],
    ['the same, fetched', TO_IPXE, { file: 'snponly.efi', builtFor: 'arm64' }],
    ["its role's own", [...asks, took('/shimx64.efi')], { file: 'shimx64.efi', builtFor: 'x86_64' }],
    ['by HTTP', [...asks, get(6, '/assets/ipxe//shimx64.efi')], { file: 'shimx64.efi', builtFor: 'x86_64' }],
    ['what a shim went on to', [...asks, took('shimx64.efi'), took('grubx64.efi')], undefined],
  ];
  const factsOf = createDiagnosisFacts(sources);
  for (const [name, events, loader] of rows)
    t.strictSame((await factsOf(session, readTrace(events))).loader, loader, name);
});
