import { type Ipv4, parseIpv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { STAGES, type Stage } from '../../src/machine/stage.ts';
import type { Journal, Observation } from '../../src/store/port.ts';

export interface RecordedBoot {
  readonly mac: Mac;
  /** When it begins, in ms since the epoch. */
  readonly at: number;
  readonly role?: string;
  readonly hostname?: string;
  readonly address?: string;
  /** The last stage that it reaches. */
  readonly until?: Stage;
  readonly kernel?: string;
  readonly kernelBytes?: number;
  /** What it says of itself. */
  readonly product?: string;
  /** A Node is waited for. */
  readonly joins?: boolean;
}

type Step = Partial<Observation> &
  Pick<Observation, 'kind' | 'asked' | 'answered'> & { readonly after: number };

const xid = (n: number) => `xid 0x${(0x1d2c3b00 + n).toString(16)}`;

/** The events of one UEFI boot, worded as the daemon words them, at the moments of a real one. */
export function recordBoot(journal: Pick<Journal, 'record'>, boot: RecordedBoot): void {
  const {
    mac,
    at,
    role = 'worker',
    hostname = 'node-1',
    address = '10.77.0.101',
    until = 'ready',
    kernel = '/assets/flatcar/flatcar_production_pxe.vmlinuz',
    kernelBytes = 52_428_800,
    product = 'PowerEdge R640',
    joins = true,
  } = boot;
  const ip = parseIpv4(address) as Ipv4;
  const rom = '"PXEClient:Arch:00007:UNDI:003016" arch 7';
  const ipxe = '"PXEClient:Arch:00007:UNDI:003001" arch 7 class "iPXE" iPXE 1.21.1 http';
  const steps: readonly Step[] = [
    {
      after: 0,
      kind: 'dhcp.discover',
      asked: `DISCOVER ${xid(1)} from ${mac} ${rom}`,
      answered: `OFFER ${xid(1)} to ${mac} address ${address} server 10.77.0.1 next 10.77.0.1 arch 7 file "ipxe.efi"`,
      reasons: [
        'option 60 says PXEClient: the ROM of a network card',
        'option 93 says 7: UEFI x64, which gets ipxe.efi',
      ],
      client: 'rom',
      stage: 'offered',
      facts: { mac, arch: 'x86_64' },
    },
    {
      after: 1_012,
      kind: 'dhcp.request',
      asked: `REQUEST ${xid(1)} from ${mac} wants ${address} server 10.77.0.1 ${rom}`,
      answered: `ACK ${xid(1)} to ${mac} address ${address} server 10.77.0.1 file "ipxe.efi"`,
      reasons: [`${address} was offered to it`],
      client: 'rom',
    },
    {
      after: 40,
      kind: 'tftp.read',
      asked: 'RRQ ipxe.efi octet tsize=0 blksize=1468',
      answered: 'OACK tsize=1046528 blksize=1468',
      reasons: ['/usr/lib/ipxe/ipxe.efi, 1046528 bytes'],
    },
    {
      after: 912,
      kind: 'tftp.done',
      asked: 'RRQ ipxe.efi',
      answered: '1046528 of 1046528 bytes in 912 ms, 2 blocks sent again',
      stage: 'firmware',
    },
    {
      after: 2_480,
      kind: 'dhcp.discover',
      asked: `DISCOVER ${xid(9)} from ${mac} ${ipxe}`,
      answered: `OFFER ${xid(9)} to ${mac} address ${address} server 10.77.0.1 file "http://10.77.0.1/boot.ipxe"`,
      reasons: ['option 77 says iPXE, which fetches scripts by HTTP'],
      client: 'ipxe',
    },
    {
      after: 1_050,
      kind: 'http.boot-script',
      asked: 'GET /boot.ipxe',
      answered: 'the bootstrap script',
      reasons: ['the address is that of this machine'],
    },
    {
      after: 38,
      kind: 'http.script',
      asked: `GET /ipxe?mac=${mac.replaceAll(':', '-')}&serial=CZ3100X7&manufacturer=Dell%20Inc.`,
      answered: `the script of role ${role} for ${hostname}`,
      reasons: [`/etc/tinderbox/profiles/machines.yaml:4 gives ${mac} the role ${role}`],
      client: 'script',
      stage: 'script',
      facts: {
        mac,
        address: ip,
        serial: 'CZ3100X7',
        manufacturer: 'Dell Inc.',
        product,
        platform: 'efi',
        uuid: '4c4c4544-0043-5a10-8033-b1c04f585831',
      },
      assigned: { role, hostname, address: ip, ...(joins ? { lastStage: 'ready' as const } : {}) },
    },
    {
      after: 1_620,
      kind: 'http.asset',
      asked: `GET ${kernel}`,
      answered: `200, ${kernelBytes} bytes in 1598 ms`,
      reasons: ['from memory'],
      stage: 'kernel',
    },
    {
      after: 11_300,
      kind: 'http.asset',
      asked: 'GET /assets/flatcar/flatcar_production_pxe_image.cpio.gz',
      answered: '200, 398458880 bytes in 11240 ms',
      stage: 'initrd',
    },
    {
      after: 19_440,
      kind: 'http.config',
      asked: 'GET /boot/7-…/cloud-config',
      answered: `the cloud-config of role ${role} for ${hostname}, 28410 bytes`,
      reasons: ['it is the address that got the script'],
      stage: 'config',
    },
    {
      after: 8_205,
      kind: 'http.report',
      asked: 'POST /boot/7-…/report',
      answered: 'ok',
      reasons: ['stage=booted'],
      stage: 'booted',
    },
    {
      after: 14_770,
      kind: 'node.ready',
      asked: `the Node ${hostname} is Ready`,
      answered: '',
      outcome: 'noted',
      stage: 'ready',
    },
  ];
  let now = at;
  for (const { after, ...step } of steps) {
    if (step.stage !== undefined && STAGES.indexOf(step.stage) > STAGES.indexOf(until)) return;
    now += after;
    journal.record({ at: now, mac, outcome: 'answered', reasons: [], via: 'eth1', ...step });
  }
}
