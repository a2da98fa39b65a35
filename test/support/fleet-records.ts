import type { Diagnosis } from '../../src/machine/diagnosis.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { STAGES, type Stage } from '../../src/machine/stage.ts';
import type { HistoryBatch, MachineRecord } from '../../src/store/port.ts';

/** What a machine may say of itself to an operator's browser. */
export const HOSTILE = `"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}\u202e\u0000<hx-partial hx-target="body">`;

export const macOf = (number: number): Mac =>
  (0x52_54_00_00_00_00 + number)
    .toString(16)
    .padStart(12, '0')
    .replaceAll(/..(?=.)/g, '$&:') as Mac;

const DIAGNOSIS: Diagnosis = {
  name: 'kernel-without-configuration',
  title: 'the kernel never asked for its configuration',
  evidence: ['the kernel was fetched whole', 'nothing was asked since'],
  remedy: 'Look at its console: is the network driver in the initrd?',
};

const PRODUCTS = [
  ['Dell Inc.', 'PowerEdge R640'],
  ['Supermicro', 'SYS-1029P-WTR'],
  ['HPE', 'ProLiant DL360 Gen10'],
  ['Raspberry Pi Foundation', 'Compute Module 4'],
] as const;

interface Kind {
  readonly stage: Stage;
  readonly session: Partial<BootSession>;
}

/** In turn: most of a fleet is well. */
const KINDS: readonly Kind[] = [
  { stage: 'ready', session: { end: 'ready' } },
  { stage: 'ready', session: { end: 'ready' } },
  { stage: 'firmware', session: { waitingSince: 1 } },
  { stage: 'ready', session: { end: 'ready' } },
  { stage: 'kernel', session: {} },
  { stage: 'initrd', session: { stalled: { at: 1, stage: 'initrd', diagnosis: DIAGNOSIS } } },
  { stage: 'ready', session: { end: 'ready' } },
  { stage: 'script', session: { end: 'handed-over' } },
  { stage: 'config', session: { failedAt: 1 } },
  { stage: 'booted', session: { end: 'booted', alarmedAt: 1 } },
];

/** So many machines, in every state, as the journal writes them down. The one with the number 2 is hostile. */
export function fleetRecords(count: number, now: number): HistoryBatch {
  const numbers = Array.from({ length: count }, (_none, index) => index);
  return {
    machines: numbers.map((number) => machineRecord(number, now)),
    sessions: numbers.filter((number) => number % 11 !== 10).map((number) => sessionRecord(number, now)),
    events: [],
  };
}

function machineRecord(number: number, now: number): MachineRecord {
  const [manufacturer, product] = PRODUCTS[number % PRODUCTS.length] ?? PRODUCTS[0];
  const isHostile = number === 2;
  return {
    mac: macOf(number),
    firstSeen: now - 86_400_000,
    lastSeen: now - number * 7_000,
    arch: 'x86_64',
    via: 'br0',
    address: (0x0a_4d_01_00 + number) as Ipv4,
    manufacturer: isHostile ? HOSTILE : manufacturer,
    product: isHostile ? HOSTILE.repeat(20) : product,
    serial: isHostile ? HOSTILE : `SN${String(4_210_000 + number * 17)}`,
    ...(number % 5 === 2
      ? {
          hardware: {
            at: now,
            source: 'linux',
            cpu: { model: isHostile ? HOSTILE : 'AMD EPYC 7302P 16-Core Processor', count: 32 },
            memory: 64 * 1024 ** 3,
            disks: [
              { name: 'nvme0n1', bytes: 960 * 1000 ** 3 },
              { name: 'nvme1n1', bytes: 960 * 1000 ** 3 },
            ],
            network: [{ name: 'eth0' }, { name: 'eth1' }],
            firmware: { kind: 'uefi' },
          },
        }
      : {}),
  };
}

function sessionRecord(number: number, now: number): BootSession {
  const { stage, session } = KINDS[number % KINDS.length] ?? { stage: 'ready', session: {} };
  const openedAt = now - 30_000 - number * 61_000;
  const knowsRole = STAGES.indexOf(stage) >= STAGES.indexOf('script');
  return {
    id: number + 1,
    mac: macOf(number),
    openedAt,
    updatedAt: now - number * 7_000,
    stage,
    stageTimes: { discovered: openedAt },
    ...(knowsRole
      ? {
          role:
            ['worker', 'controller', 'etcd'][number % 7 === 0 ? 1 : number % 13 === 0 ? 2 : 0] ?? 'worker',
          hostname: `node-${macOf(number).replaceAll(':', '').slice(6)}`,
          address: (0x0a_4d_01_00 + number) as Ipv4,
        }
      : {}),
    ...session,
  };
}
