import { readFileSync } from 'node:fs';
import t from 'tap';
import { chooseMirrors } from '../../src/boot/choose-mirrors.ts';
import { diagnoseSession, isNews } from '../../src/boot/diagnose-session.ts';
import type { DaemonFacts } from '../../src/boot/diagnosis-case.ts';
import { DIAGNOSIS_RULES } from '../../src/boot/diagnosis-rules.ts';
import { readTrace } from '../../src/boot/session-trace.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { STAGES, type Stage } from '../../src/machine/stage.ts';
import { BIOS_ROM, IPXE, UEFI_ROM } from '../support/make-request.ts';
import {
  config,
  dhcp,
  get,
  happened,
  ipxe,
  loaded,
  onPort4011,
  overheard,
  read,
  refused,
  said,
  system,
  TO_CONFIG,
  TO_INITRD,
  TO_IPXE,
  TO_KERNEL,
  TO_SCRIPT,
  TRACE_MAC,
  TRACE_START,
  transfer,
} from '../support/trace-events.ts';

const MINUTE = 60_000;
const FACTS: DaemonFacts = {
  mode: 'proxy',
  uefiProxy: 'pxe',
  otherBootServers: [],
  nobodyGivesAddresses: false,
  missingAssets: [],
  mtu: 1500,
  ports: { http: 80, tftp: 69 },
  url: 'http://10.77.0.1',
  role: { hasInitrd: true, hasConfig: true },
};
/** Sent to a mirror for its kernel. */
const TO_MIRROR: readonly BootEvent[] = [
  ...TO_SCRIPT.slice(0, -1),
  happened(11, 'http.script', 'GET /ipxe?mac=52:54:00:12:34:56', {
    answered: 'the script of role worker',
    reasons: chooseMirrors([{ url: 'http://10.78.0.5' }], { mac: TRACE_MAC }).reasons,
  }),
];
/** A transfer of another file than iPXE, whole. */
const tftpDone = (after: number, name: string, stage?: Stage): BootEvent =>
  happened(after, 'tftp.done', `RRQ ${name}`, {
    answered: '3843520 of 3843520 bytes in 2000 ms',
    ...(stage === undefined ? {} : { stage }),
  });
const tftpRefused = (after: number, name: string): BootEvent =>
  happened(after, 'tftp.read', `RRQ ${name} (octet, blksize 1024)`, {
    outcome: 'refused',
    answered: 'error 1',
    reasons: ['no such file'],
  });
const grubScript = (after: number): BootEvent =>
  happened(after, 'http.script', 'RRQ /grub.cfg?mac=52:54:00:12:34:56', {
    answered: 'the script of role worker',
  });
const TO_SHIM: readonly BootEvent[] = [dhcp(0, 'DISCOVER'), dhcp(4, 'REQUEST'), tftpDone(6, 'shimx64.efi')];
const TO_GRUB_SCRIPT: readonly BootEvent[] = [
  ...TO_SHIM,
  tftpDone(7, '/grubx64.efi'),
  happened(8, 'http.boot-script', 'RRQ /grub/grub.cfg', { answered: 'the bootstrap script for GRUB' }),
  tftpDone(8, '/grub/grub.cfg'),
  grubScript(9),
];
const OTHER = { address: '10.77.0.9', bootfile: 'pxelinux.0', nextServer: '10.77.0.8' };

const LOOPING = ['boot loop: it took the loader 5 times and iPXE never answered'];

interface Case {
  readonly stage: Stage;
  readonly events: readonly BootEvent[];
  readonly facts?: Partial<DaemonFacts>;
  readonly session?: Partial<BootSession>;
  readonly former?: readonly BootSession[];
  /** What an operator must be able to read in it. */
  readonly shows?: RegExp;
}

function sessionAt(stage: Stage, more: Partial<BootSession> = {}): BootSession {
  const reached = STAGES.slice(0, STAGES.indexOf(stage) + 1);
  return {
    id: 7,
    mac: TRACE_MAC,
    openedAt: TRACE_START,
    updatedAt: TRACE_START + MINUTE,
    stage,
    stageTimes: Object.fromEntries(reached.map((one, index) => [one, TRACE_START + 2000 * index])),
    ...(STAGES.indexOf(stage) >= STAGES.indexOf('script') ? { role: 'worker', hostname: 'node-123456' } : {}),
    ...more,
  };
}

/** A boot before, that the next one replaced. */
const replaced = (id: number, stage: Stage, more: Partial<BootSession> = {}): BootSession => ({
  ...sessionAt(stage),
  id,
  openedAt: TRACE_START - id * MINUTE,
  endedAt: TRACE_START - id * MINUTE + 40_000,
  end: 'superseded',
  ...more,
});

function diagnose({ stage, events, facts, session, former = [] }: Case) {
  return diagnoseSession({
    session: sessionAt(stage, session),
    trace: readTrace(events),
    machine: { mac: TRACE_MAC },
    former,
    daemon: { ...FACTS, ...facts },
    now: TRACE_START + 10 * MINUTE,
  });
}

const JOINS = { lastStage: 'ready' } as const;
const CLUSTER = { cluster: { lookalikes: [] } };
const asked = (times: readonly number[], shape: Parameters<typeof dhcp>[2] = UEFI_ROM) =>
  times.map((after) => dhcp(after, 'DISCOVER', shape));
const EDK2 = asked([0, 4, 12, 28]);
const SERVER = { mode: 'server' } as const;
const node = (kind: 'node.not-ready' | 'node.deleted', what: string, ...reasons: string[]) =>
  happened(60, kind, what, { outcome: 'noted', reasons });
const csr = (more: Partial<BootEvent>) => happened(40, 'http.csr', 'POST /boot/…/csr?name=node', more);
const looped = asked([20, 40]).flatMap((again, index) => [again, loaded(22 + 20 * index)]);

/** Each rule with a trace that it is to be found in. */
const CASES: Readonly<Record<string, Case | readonly Case[]>> = {
  'machine-reported-failure': {
    stage: 'config',
    events: [
      ...TO_CONFIG,
      happened(50, 'http.report', 'POST /boot/…/report', {
        outcome: 'noted',
        reasons: ['the machine says that its boot failed', 'log: fetching', 'log: no space left'],
      }),
    ],
    session: { failedAt: TRACE_START + 50_000 },
    shows: /no space left/,
  },
  'kernel-panic': {
    stage: 'initrd',
    events: [
      ...TO_INITRD,
      said(20, 'Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)'),
    ],
    shows: /unknown-block/,
  },
  'node-of-another-name': {
    stage: 'booted',
    events: TO_CONFIG,
    session: JOINS,
    facts: { cluster: { lookalikes: ['Node localhost has its address 10.77.0.20'] } },
    shows: /Node localhost/,
  },
  'node-not-ready': {
    stage: 'booted',
    events: [
      ...TO_CONFIG,
      node(
        'node.not-ready',
        'Node node-123456 is not Ready',
        'Node node-123456 is not Ready (cni plugin not initialized)',
      ),
    ],
    session: JOINS,
    facts: CLUSTER,
    shows: /cni plugin/,
  },
  'node-of-earlier-boot': {
    stage: 'booted',
    events: [
      ...TO_CONFIG,
      node('node.not-ready', 'Node node-123456 is not of this boot', 'its boot ID is of an earlier boot'),
    ],
    session: JOINS,
    facts: CLUSTER,
  },
  'cluster-unreachable': {
    stage: 'booted',
    events: TO_CONFIG,
    session: JOINS,
    facts: { cluster: { lookalikes: [], problem: 'connection refused' } },
    shows: /connection refused/,
  },
  'certificate-refused': {
    stage: 'config',
    events: [...TO_CONFIG, csr(refused('it asks for more: It may have node-123456'))],
    shows: /asks for more/,
  },
  'config-does-not-render': {
    stage: 'initrd',
    events: [
      ...TO_INITRD,
      config(30, {
        outcome: 'failed',
        answered: '500',
        reasons: ['could not be rendered: "disk" is unknown'],
      }),
    ],
    shows: /"disk" is unknown/,
  },
  'config-fetched-twice': {
    stage: 'config',
    events: [
      ...TO_CONFIG,
      happened(40, 'security.alarm', 'a configuration with keys was asked for again; it was refused', {
        outcome: 'noted',
      }),
      config(40, refused('it was released to 10.77.0.20 and sent whole')),
    ],
    shows: /10\.77\.0\.20/,
  },
  'config-other-address': {
    stage: 'initrd',
    events: [
      ...TO_INITRD,
      config(30, {
        ...refused(
          'asked from another address than the one that fetched the script, and strictAddress is on',
        ),
        answered: '403',
      }),
    ],
  },
  'config-expired': {
    stage: 'initrd',
    events: [
      ...TO_INITRD,
      config(4000, {
        ...refused('the script of session 7 is 4000 s old; given out for 3600 s (http.sessionTime)'),
        answered: '410',
      }),
    ],
  },
  'config-refused': {
    stage: 'initrd',
    events: [
      ...TO_INITRD,
      config(30, { ...refused('not admitted any more: machines.yaml does not list it'), answered: '403' }),
    ],
  },
  'once-spent': {
    stage: 'firmware',
    events: [
      ...TO_SCRIPT.slice(0, -1),
      happened(11, 'http.script', 'GET /ipxe', {
        ...refused('/p/machines.yaml:2: once: debian-install: 3 boots did not report success'),
        answered: 'This machine waits',
      }),
    ],
    shows: /did not report success/,
  },
  'not-admitted': {
    stage: 'firmware',
    events: [
      ...TO_SCRIPT.slice(0, -1),
      happened(11, 'http.script', 'GET /ipxe', {
        ...refused('admission: listed, and machines.yaml does not list it'),
        answered: 'not listed',
      }),
    ],
    shows: /does not list it/,
  },
  'script-does-not-render': {
    stage: 'firmware',
    events: [
      ...TO_SCRIPT.slice(0, -1),
      happened(11, 'http.script', 'GET /ipxe', {
        outcome: 'failed',
        answered: 'a script that says so',
        reasons: ['role worker has no working script'],
      }),
    ],
  },
  'left-the-queue': {
    stage: 'firmware',
    events: [
      ...TO_SCRIPT.slice(0, -1),
      happened(11, 'http.script', 'GET /ipxe', {
        outcome: 'noted',
        answered: 'waits for its turn, 3rd of 40, about 3 min',
      }),
    ],
    shows: /waits for its turn, 3rd of 40.*nothing was asked since/s,
  },
  'kernel-out-of-memory': [
    {
      stage: 'script',
      events: [...TO_SCRIPT, said(20, 'Out of memory (https://ipxe.org/31006010)')],
      shows: /31006010/,
    },
    { stage: 'kernel', events: [...TO_KERNEL, said(20, 'initrd.gz... No space left on device')] },
  ],
  'image-not-started': {
    stage: 'initrd',
    events: [...TO_INITRD, said(20, 'Could not boot: Exec format error (https://ipxe.org/2e008081)')],
  },
  'kernel-missing': {
    stage: 'script',
    events: [
      ...TO_SCRIPT,
      get(12, '/assets/vmlinuz', { ...refused('there is no such file'), answered: '404' }),
    ],
    facts: {
      missingAssets: ['the asset /assets/vmlinuz: there is no such file. Put it at /srv/assets/vmlinuz'],
    },
    shows: /Put it at/,
  },
  'initrd-missing': {
    stage: 'kernel',
    events: [
      ...TO_KERNEL,
      get(14, '/assets/initrd.gz', { ...refused('there is no such file'), answered: '404' }),
    ],
  },
  'kernel-download-aborted': {
    stage: 'script',
    events: [
      ...TO_SCRIPT,
      get(20, '/assets/vmlinuz', {
        outcome: 'failed',
        answered: '200, 5 of 9 bytes',
        reasons: ['the client closed the connection', 'from memory'],
      }),
    ],
  },
  'initrd-download-aborted': {
    stage: 'kernel',
    events: [
      ...TO_KERNEL,
      get(20, '/assets/initrd.gz', {
        outcome: 'failed',
        answered: '200, 5 of 9 bytes',
        reasons: ['the client took no byte for too long and was dropped'],
      }),
    ],
  },
  'asset-unreadable': {
    stage: 'script',
    events: [
      ...TO_SCRIPT,
      get(20, '/assets/vmlinuz', {
        outcome: 'failed',
        answered: '500',
        reasons: ['it cannot be read: EACCES'],
      }),
    ],
    shows: /EACCES/,
  },
  'loader-not-found': {
    stage: 'offered',
    events: [
      ...TO_IPXE.slice(0, 2),
      happened(5, 'tftp.read', 'RRQ pxelinux.0 (octet)', {
        ...refused('there is no such file'),
        answered: 'error 1',
      }),
    ],
    shows: /pxelinux/,
  },
  'architecture-unsupported': [
    {
      stage: 'discovered',
      events: [
        dhcp(
          0,
          'DISCOVER',
          { ...UEFI_ROM, architectures: [11] },
          refused('no loader is configured for UEFI arm64: set loaders'),
        ),
      ],
      shows: /uefi-arm64/,
    },
    {
      stage: 'discovered',
      events: [
        dhcp(
          0,
          'DISCOVER',
          { ...UEFI_ROM, architectures: [99] },
          refused('no known architecture: name a loader'),
        ),
      ],
    },
  ],
  'loader-missing': [
    {
      stage: 'discovered',
      events: [
        dhcp(
          0,
          'DISCOVER',
          UEFI_ROM,
          refused('snponly.efi for UEFI x64 is missing: put it into assets/ipxe'),
        ),
      ],
    },
    {
      stage: 'discovered',
      events: EDK2.map((event) => ({
        ...event,
        answered: 'OFFER, 10.77.0.20',
        reasons: ['snponly.efi for UEFI x64 is missing: put it into assets/ipxe'],
      })),
      facts: SERVER,
    },
  ],
  'address-pool-exhausted': {
    stage: 'discovered',
    events: asked([0, 4, 12, 28]).map((event) => ({
      ...event,
      ...refused('no address is free in 10.77.0.0/24: enlarge dhcp.range'),
    })),
    facts: SERVER,
  },
  'no-subnet': {
    stage: 'discovered',
    events: [dhcp(0, 'DISCOVER', UEFI_ROM, refused("no subnet is configured for the relay agent's address"))],
    facts: SERVER,
  },
  'not-known': {
    stage: 'discovered',
    events: [
      dhcp(0, 'DISCOVER', UEFI_ROM, {
        ...refused('dhcp.knownOnly, and machines.yaml does not list it'),
        outcome: 'ignored',
      }),
    ],
    facts: SERVER,
  },
  'address-not-confirmed': {
    stage: 'offered',
    events: [
      dhcp(0, 'DISCOVER'),
      dhcp(4, 'REQUEST', UEFI_ROM, {
        ...refused('10.77.0.20 is bound by 52:54:00:00:00:09'),
        answered: 'NAK',
      }),
    ],
    facts: SERVER,
  },
  'loader-of-wrong-architecture': [
    {
      stage: 'firmware',
      events: TO_IPXE,
      facts: { loader: { file: 'snponly.efi', builtFor: 'arm64' } },
      shows: /a program for arm64/,
    },
    {
      stage: 'firmware',
      events: [dhcp(0, 'DISCOVER', BIOS_ROM), dhcp(4, 'REQUEST', BIOS_ROM), read(5), loaded(6)],
      facts: { loader: { file: 'snponly.efi', builtFor: 'x86_64' } },
    },
  ],
  'second-loader-missing': [
    {
      stage: 'firmware',
      events: [...TO_SHIM, tftpRefused(7, '/grubx64.efi')],
      shows: /grubx64\.efi/,
    },
    {
      stage: 'firmware',
      events: [...TO_SHIM, get(7, '/assets/ipxe/grubx64.efi', refused('no such asset'))],
      shows: /grubx64\.efi/,
    },
  ],
  'secure-boot-refuses-loader': [
    {
      stage: 'firmware',
      events: [...TO_IPXE, dhcp(20, 'DISCOVER'), loaded(22)],
      shows: /came back once/,
    },
  ],
  'kernel-refused': {
    stage: 'kernel',
    events: [...TO_GRUB_SCRIPT, tftpDone(12, '/assets/vmlinuz', 'kernel'), grubScript(30)],
    shows: /grub\.cfg\?mac/,
  },
  'grub-asks-other-server': {
    stage: 'firmware',
    events: [...TO_SHIM, tftpDone(7, 'grubx64.efi')],
    shows: /nothing was asked of this server/,
  },
  'grub-without-script': {
    stage: 'firmware',
    events: [...TO_SHIM, tftpDone(7, 'grubx64.efi'), tftpRefused(8, '/EFI/odd/grub.conf')],
    shows: /no grub\.cfg was asked for/,
  },
  'loader-loop': [
    { stage: 'firmware', events: [...TO_IPXE, ...looped], shows: /came back 2 times/ },
    {
      stage: 'firmware',
      events: [
        ...TO_IPXE,
        dhcp(
          20,
          'DISCOVER',
          UEFI_ROM,
          refused('boot loop: it took the loader 5 times and iPXE never answered'),
        ),
      ],
    },
    // In server mode who loops still gets its address, and asks for it.
    {
      stage: 'firmware',
      events: [
        ...TO_IPXE,
        dhcp(20, 'DISCOVER', UEFI_ROM, { answered: 'OFFER, 10.77.0.100', reasons: LOOPING }),
        dhcp(21, 'REQUEST', UEFI_ROM, {
          answered: 'ACK, 10.77.0.100',
          reasons: ['REQUEST, selecting', '10.77.0.100 is its lease', ...LOOPING],
        }),
      ],
      facts: SERVER,
    },
  ],
  'boot-loop': {
    stage: 'initrd',
    events: TO_INITRD,
    former: [replaced(6, 'initrd'), replaced(5, 'initrd'), replaced(4, 'initrd')],
    shows: /session 6 ended at initrd after 40 s/,
  },
  'no-address-server': { stage: 'offered', events: EDK2, facts: { nobodyGivesAddresses: true } },
  'other-boot-server': [
    {
      stage: 'offered',
      events: [dhcp(0, 'DISCOVER'), dhcp(4, 'REQUEST', UEFI_ROM, overheard)],
      facts: { otherBootServers: [OTHER] },
      shows: /10\.77\.0\.9 offers pxelinux\.0 from 10\.77\.0\.8/,
    },
    {
      stage: 'firmware',
      events: [...TO_IPXE, ipxe(8, 'DISCOVER'), ipxe(9, 'REQUEST')],
      facts: { otherBootServers: [OTHER] },
    },
  ],
  'offer-not-taken': [
    { stage: 'offered', events: EDK2, shows: /after 0, 4, 12, 28 s/ },
    { stage: 'offered', events: EDK2, facts: SERVER },
    {
      stage: 'firmware',
      events: [...TO_IPXE, ipxe(8, 'DISCOVER'), ipxe(9, 'DISCOVER'), ipxe(12, 'DISCOVER')],
    },
  ],
  'script-not-asked-for': { stage: 'firmware', events: TO_SCRIPT.slice(0, -1) },
  'ipxe-without-http': {
    stage: 'offered',
    events: [
      dhcp(
        0,
        'DISCOVER',
        { ...IPXE, ipxeFeatures: ['tftp'] },
        {
          reasons: ['user class iPXE', 'this iPXE has no HTTP (option 175 without feature 19): it gets ours'],
        },
      ),
      dhcp(
        2,
        'REQUEST',
        { ...IPXE, ipxeFeatures: ['tftp'] },
        { reasons: ['this iPXE has no HTTP (option 175 without feature 19): it gets ours'] },
      ),
    ],
    facts: SERVER,
  },
  'http-unreachable': {
    stage: 'firmware',
    events: [...TO_IPXE, ipxe(8, 'DISCOVER'), ipxe(9, 'REQUEST')],
    shows: /TCP 80 in on br0/,
  },
  'tftp-timeouts': [
    {
      stage: 'offered',
      events: [...TO_IPXE.slice(0, 3), transfer(20, 'no ACK of block 1, sent 6 times')],
      shows: /MTU of the interface is 1500/,
    },
    { stage: 'offered', events: TO_IPXE.slice(0, 3), shows: /has not ended/ },
  ],
  'tftp-aborted': {
    stage: 'offered',
    events: [...TO_IPXE.slice(0, 3), transfer(6, 'the client stopped before block 40 (error 3: disk full)')],
    shows: /disk full/,
  },
  'tftp-size-probe-only': {
    stage: 'offered',
    events: [
      ...TO_IPXE.slice(0, 3),
      transfer(5, 'the client stopped at the options, as firmware asking for the size does (error 8)'),
    ],
  },
  'no-tftp-after-4011': {
    stage: 'offered',
    events: [dhcp(0, 'DISCOVER'), dhcp(4, 'REQUEST', UEFI_ROM, overheard), onPort4011(5)],
  },
  'no-request-on-4011': {
    stage: 'offered',
    events: [dhcp(0, 'DISCOVER'), dhcp(4, 'REQUEST', UEFI_ROM, overheard)],
  },
  'no-loader-fetched': [
    { stage: 'offered', events: [dhcp(0, 'DISCOVER'), dhcp(4, 'REQUEST')], facts: SERVER },
    { stage: 'offered', events: [dhcp(0, 'DISCOVER', BIOS_ROM), dhcp(4, 'REQUEST', BIOS_ROM, overheard)] },
  ],
  'loader-does-not-start': [
    { stage: 'firmware', events: TO_IPXE, facts: { loader: { file: 'snponly.efi', builtFor: 'x86_64' } } },
    { stage: 'firmware', events: [dhcp(0, 'DISCOVER'), get(3, '/assets/ipxe/snponly.efi')] },
  ],
  'mirror-not-heard': { stage: 'script', events: TO_MIRROR, shows: /http:\/\/10\.78\.0\.5/ },
  'kernel-not-fetched': { stage: 'script', events: TO_SCRIPT },
  'initrd-not-fetched': { stage: 'kernel', events: TO_KERNEL },
  'config-not-fetched': [
    { stage: 'initrd', events: [...TO_INITRD, system(30, 'DISCOVER')] },
    { stage: 'script', events: [...TO_MIRROR, system(30, 'DISCOVER')] },
  ],
  'system-not-heard': [
    { stage: 'initrd', events: TO_INITRD },
    { stage: 'kernel', events: TO_KERNEL, facts: { role: { hasInitrd: false, hasConfig: true } } },
  ],
  'no-report': { stage: 'config', events: TO_CONFIG },
  'no-node': { stage: 'booted', events: TO_CONFIG, session: JOINS, facts: CLUSTER, shows: /node-123456/ },
  unknown: [
    { stage: 'offered', events: asked([0]) },
    { stage: 'discovered', events: [] },
    { stage: 'booted', events: TO_CONFIG },
  ],
};

/** Nearly that, and not that: what differs is what the rule turns on. */
const NEAR_MISSES: readonly (readonly [string, string, Case])[] = [
  [
    'a mirror that failed, and then a kernel that is missing here',
    'mirror-not-heard',
    { stage: 'script', events: [...TO_MIRROR, get(20, '/assets/vmlinuz', refused('there is no such file'))] },
  ],
  [
    'one that was sent to a mirror before, and not any more',
    'mirror-not-heard',
    { stage: 'script', events: [...TO_MIRROR, ...TO_SCRIPT] },
  ],
  [
    'a kernel that a mirror gave was never asked for here',
    'kernel-not-fetched',
    { stage: 'script', events: [...TO_MIRROR, system(30, 'DISCOVER')] },
  ],
  [
    'a download that timed out',
    'image-not-started',
    {
      stage: 'script',
      events: [
        ...TO_SCRIPT,
        said(20, 'Could not boot image: Connection timed out (https://ipxe.org/4c0a6035)'),
      ],
    },
  ],
  [
    'two DISCOVERs are no firmware that refuses',
    'offer-not-taken',
    { stage: 'offered', events: asked([0, 4]) },
  ],
  [
    'a REQUEST takes an offer',
    'offer-not-taken',
    { stage: 'offered', events: [...EDK2, dhcp(30, 'REQUEST', UEFI_ROM, overheard)] },
  ],
  [
    'unanswered DISCOVERs are no offers',
    'offer-not-taken',
    { stage: 'discovered', events: EDK2.map((event) => ({ ...event, outcome: 'ignored' as const })) },
  ],
  [
    'a failure before it got further is over',
    'machine-reported-failure',
    {
      stage: 'booted',
      events: TO_CONFIG,
      session: { failedAt: TRACE_START + 5000, stageTimes: { booted: TRACE_START + 60_000 } },
    },
  ],
  [
    'a server mode has addresses of its own',
    'no-address-server',
    { stage: 'offered', events: EDK2, facts: { ...SERVER, nobodyGivesAddresses: true } },
  ],
  [
    'who has an address was given one',
    'no-address-server',
    {
      stage: 'offered',
      events: [dhcp(0, 'DISCOVER'), dhcp(4, 'REQUEST', UEFI_ROM, overheard)],
      facts: { nobodyGivesAddresses: true },
    },
  ],
  [
    'who loads our file listens to us',
    'other-boot-server',
    { stage: 'firmware', events: TO_IPXE, facts: { otherBootServers: [OTHER] } },
  ],
  [
    'who has our script, too',
    'other-boot-server',
    { stage: 'script', events: TO_SCRIPT, facts: { otherBootServers: [OTHER] } },
  ],
  [
    'a BIOS is not sent to 4011',
    'no-request-on-4011',
    { stage: 'offered', events: [dhcp(0, 'DISCOVER', BIOS_ROM), dhcp(4, 'REQUEST', BIOS_ROM, overheard)] },
  ],
  [
    'nor UEFI that has it all in the offer',
    'no-request-on-4011',
    {
      stage: 'offered',
      events: [dhcp(0, 'DISCOVER'), dhcp(4, 'REQUEST', UEFI_ROM, overheard)],
      facts: { uefiProxy: 'offer' },
    },
  ],
  [
    'TFTP after 4011',
    'no-tftp-after-4011',
    { stage: 'offered', events: [dhcp(0, 'DISCOVER'), onPort4011(5), read(6)] },
  ],
  [
    'a probe and then the file',
    'tftp-size-probe-only',
    {
      stage: 'firmware',
      events: [read(5), transfer(5, 'the client stopped at the options (error 8)'), read(6), loaded(7)],
    },
  ],
  [
    'one return of the ROM is a person',
    'loader-loop',
    { stage: 'firmware', events: [...TO_IPXE, dhcp(20, 'DISCOVER'), loaded(22)] },
  ],
  [
    'a shim is what Secure Boot takes',
    'secure-boot-refuses-loader',
    { stage: 'firmware', events: [...TO_SHIM, tftpDone(7, 'grubx64.efi'), dhcp(20, 'DISCOVER')] },
  ],
  [
    'a BIOS has no Secure Boot',
    'secure-boot-refuses-loader',
    { stage: 'firmware', events: [dhcp(0, 'DISCOVER', BIOS_ROM), loaded(6), dhcp(20, 'DISCOVER', BIOS_ROM)] },
  ],
  [
    'in server mode there is one server only',
    'grub-asks-other-server',
    { stage: 'firmware', events: [...TO_SHIM, tftpDone(7, 'grubx64.efi')], facts: { mode: 'server' } },
  ],
  [
    'a GRUB that asks here for what is not there',
    'grub-asks-other-server',
    {
      stage: 'firmware',
      events: [...TO_SHIM, tftpDone(7, 'grubx64.efi'), tftpRefused(8, '/EFI/odd/grub.conf')],
    },
  ],
  [
    'GRUB that asked and waits',
    'grub-without-script',
    { stage: 'firmware', events: TO_GRUB_SCRIPT.slice(0, -1) },
  ],
  [
    'a person who came back to the menu has no kernel yet',
    'kernel-refused',
    { stage: 'script', events: [...TO_GRUB_SCRIPT, grubScript(30)] },
  ],
  [
    'what a GRUB looks for and does without',
    'loader-not-found',
    {
      stage: 'offered',
      events: [
        happened(7, 'tftp.read', 'RRQ /grub/x86_64-efi/fs.lst (octet)', {
          outcome: 'noted',
          answered: 'error 1',
        }),
      ],
    },
  ],
  [
    'iPXE in between is no loop of the loader',
    'loader-loop',
    {
      stage: 'firmware',
      events: [
        ...TO_IPXE,
        ipxe(8, 'DISCOVER'),
        dhcp(20, 'DISCOVER'),
        loaded(22),
        ipxe(24, 'DISCOVER'),
        dhcp(40, 'DISCOVER'),
        loaded(42),
      ],
    },
  ],
  [
    'the right loader',
    'loader-of-wrong-architecture',
    { stage: 'firmware', events: TO_IPXE, facts: { loader: { file: 'snponly.efi', builtFor: 'x86_64' } } },
  ],
  [
    'a loader that says nothing of itself',
    'loader-of-wrong-architecture',
    { stage: 'firmware', events: TO_IPXE, facts: { loader: { file: 'snponly.efi' } } },
  ],
  [
    'two rounds are no loop',
    'boot-loop',
    { stage: 'initrd', events: TO_INITRD, former: [replaced(6, 'initrd'), replaced(5, 'initrd')] },
  ],
  [
    'another stage each time is no loop',
    'boot-loop',
    {
      stage: 'initrd',
      events: TO_INITRD,
      former: [replaced(6, 'initrd'), replaced(5, 'kernel'), replaced(4, 'initrd')],
    },
  ],
  [
    'a boot that was used for hours is no round of a loop',
    'boot-loop',
    {
      stage: 'config',
      events: TO_CONFIG,
      former: [6, 5, 4].map((id) => replaced(id, 'config', { endedAt: TRACE_START + 300 * MINUTE })),
    },
  ],
  [
    'boots that got through are none',
    'boot-loop',
    {
      stage: 'initrd',
      events: TO_INITRD,
      former: [6, 5, 4].map((id) => replaced(id, 'initrd', { end: 'booted' })),
    },
  ],
  [
    'an iPXE of ours that came up after one without HTTP',
    'ipxe-without-http',
    {
      stage: 'firmware',
      events: [
        dhcp(0, 'DISCOVER', IPXE, { reasons: ['this iPXE has no HTTP'] }),
        loaded(2),
        ipxe(4, 'DISCOVER'),
      ],
    },
  ],
  [
    'a machine that waited, and was then turned away',
    'left-the-queue',
    {
      stage: 'firmware',
      events: [
        ...TO_SCRIPT.slice(0, -1),
        happened(11, 'http.script', 'GET /ipxe', {
          outcome: 'noted',
          answered: 'waits for its turn, 1st of 1',
        }),
        happened(15, 'http.script', 'GET /ipxe', { outcome: 'refused', answered: 'not listed' }),
      ],
    },
  ],
  ['iPXE that fetched /boot.ipxe', 'http-unreachable', { stage: 'firmware', events: TO_SCRIPT.slice(0, -1) }],
  [
    'a 404 that was mended',
    'kernel-missing',
    {
      stage: 'script',
      events: [
        ...TO_SCRIPT,
        get(12, '/assets/vmlinuz', { ...refused('none'), answered: '404' }),
        get(20, '/assets/vmlinuz', {
          outcome: 'failed',
          answered: '200, 1 of 2 bytes',
          reasons: ['the client closed the connection'],
        }),
      ],
    },
  ],
  [
    'a configuration that rendered the second time',
    'config-does-not-render',
    {
      stage: 'config',
      events: [...TO_INITRD, config(30, { outcome: 'failed', answered: '500' }), config(40)],
    },
  ],
  ['a system that fetches its configuration', 'config-not-fetched', { stage: 'config', events: TO_CONFIG }],
  ['a system that says nothing at all', 'config-not-fetched', { stage: 'initrd', events: TO_INITRD }],
  [
    'DHCP before the initrd is iPXE no more than the system',
    'config-not-fetched',
    { stage: 'initrd', events: [system(1, 'DISCOVER'), ...TO_INITRD] },
  ],
  ['a Node that is not expected', 'no-node', { stage: 'booted', events: TO_CONFIG, facts: CLUSTER }],
  [
    'a vendor class that plays an error',
    'kernel-out-of-memory',
    { stage: 'script', events: [...TO_SCRIPT, dhcp(20, 'DISCOVER', { vendorClass: 'Out of memory' })] },
  ],
];

t.test('each rule names the cause of its trace, and shows why', (t) => {
  for (const [name, cases] of Object.entries(CASES)) {
    for (const one of [cases].flat() as readonly Case[]) {
      const diagnosis = diagnose(one);
      t.equal(diagnosis.name, name, `${name} at ${one.stage}`, { found: diagnosis });
      t.ok(diagnosis.evidence.length > 0 && diagnosis.evidence.length <= 6, `${name} has evidence`);
      t.notMatch(diagnosis.remedy, /(?<!\{)\{[a-z]+\}(?!\})/, 'everything is filled in');
      if (one.shows !== undefined) {
        t.match(`${diagnosis.evidence.join('\n')}\n${diagnosis.remedy}`, one.shows, `${name} shows it`);
      }
    }
  }
  t.same(
    DIAGNOSIS_RULES.map(({ name }) => name).filter((name) => !Object.hasOwn(CASES, name)),
    [],
    'every rule has a trace here',
  );
  t.end();
});

t.test('what is nearly so is not said to be so', (t) => {
  for (const [what, name, one] of NEAR_MISSES) t.not(diagnose(one).name, name, `${what}: not ${name}`);
  t.end();
});

t.test('any stage with any trace has a diagnosis, the last one if no other', (t) => {
  const traces = [[], EDK2, TO_IPXE, TO_SCRIPT, TO_KERNEL, TO_INITRD, TO_CONFIG];
  for (const stage of STAGES) {
    for (const events of traces) {
      const { name, title, evidence, remedy } = diagnose({ stage, events });
      t.ok(name && title && evidence.length > 0 && remedy, `${stage}: ${name}`);
    }
  }
  t.equal(DIAGNOSIS_RULES.at(-1)?.name, 'unknown');
  t.end();
});

t.test('what a machine writes is bounded, and takes no placeholder', (t) => {
  const line = `Kernel panic {mac} ${'x'.repeat(2000)}`;
  const { evidence } = diagnose({ stage: 'initrd', events: [...TO_INITRD, said(20, line)] });
  t.equal(evidence[0]?.length, 300);
  t.match(evidence[0], '{mac}');
  t.end();
});

t.test('the same again is no news; another cause, or other words, are', (t) => {
  const before = diagnose({ stage: 'offered', events: EDK2 });
  const again = diagnose({ stage: 'offered', events: [...EDK2, dhcp(60, 'DISCOVER')] });
  t.notOk(isNews(before, again), 'a fifth question');
  const later = { ...before, evidence: before.evidence.map((text) => text.replaceAll('28', '29')) };
  t.notOk(isNews(before, later), 'only numbers differ');
  t.ok(isNews(before, { ...before, name: 'other' }));
  t.ok(isNews(before, { ...before, evidence: ['something else'] }));
  t.end();
});

t.test('the names are kebab-case, each is there once, and the documentation has all of them', (t) => {
  const names = DIAGNOSIS_RULES.map(({ name }) => name);
  t.equal(new Set(names).size, names.length);
  for (const name of names) t.match(name, /^[a-z0-9]+(-[a-z0-9]+)*$/);
  const page = readFileSync(new URL('../../docs/diagnoses.md', import.meta.url), 'utf8');
  t.same(
    names.filter((name) => !page.includes(`\`${name}\``)),
    [],
  );
  t.end();
});
