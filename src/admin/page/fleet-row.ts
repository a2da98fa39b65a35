import { describeCpu, formatBytes } from '../../boot/describe-hardware.ts';
import { type FleetState, fleetState } from '../../machine/fleet-state.ts';
import type { Hardware } from '../../machine/hardware.ts';
import { formatIpv4 } from '../../machine/ipv4.ts';
import type { Stage } from '../../machine/stage.ts';
import type { MachineOverview } from '../../store/port.ts';
import type { AssignedView } from '../explain-api.ts';
import { plainText } from './plain-text.ts';

/** How urgent something is: the colour of what words and signs say already. */
export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'idle';

export const STATE_WORDS: Readonly<Record<FleetState, { readonly label: string; readonly tone: Tone }>> = {
  waiting: { label: 'waits for approval', tone: 'warn' },
  failed: { label: 'failed', tone: 'bad' },
  stalled: { label: 'stalled', tone: 'bad' },
  booting: { label: 'booting', tone: 'busy' },
  ready: { label: 'ready', tone: 'good' },
  booted: { label: 'booted', tone: 'good' },
  'handed-over': { label: 'handed over', tone: 'good' },
  unknown: { label: 'not booted', tone: 'idle' },
};

/** A machine as the fleet shows it. Texts are the network's, bounded and without control characters; the view escapes them. */
export interface FleetRow {
  readonly id: string;
  readonly mac: string;
  readonly state: string;
  readonly tone: Tone;
  /** What it is called where it has no hostname, too. */
  readonly name: string;
  readonly hasName: boolean;
  readonly role?: string;
  /** That it boots next, where that is another one. */
  readonly nextRole?: string;
  /** Of its entry as it was when this was shown; absent: not asked for. */
  readonly revision?: string;
  readonly stage?: Stage;
  /** Milliseconds since the epoch: when its newest boot began. */
  readonly since?: number;
  readonly lastSeen: number;
  readonly address?: string;
  /** Vendor and product. */
  readonly product?: string;
  readonly serial?: string;
  readonly hardware?: string;
  /** A diagnosis, an alarm. */
  readonly notes: readonly string[];
  readonly alarm: boolean;
}

/** `turn`: in the boot queue, where it waits there. It is not said which: a row stays while others go. */
export function fleetRow(
  { machine, session }: MachineOverview,
  assigned?: AssignedView,
  turn?: number,
): FleetRow {
  const state = fleetState(session);
  // A signing token is no boot.
  const boot = session?.signingUntil === undefined ? session : undefined;
  const hostname = boot?.hostname ?? machine.hostname;
  const address = boot?.address ?? machine.address;
  const product = [machine.manufacturer, machine.product].filter((text) => text !== undefined).join(' ');
  return {
    id: rowId(machine.mac),
    mac: machine.mac,
    state: STATE_WORDS[state].label,
    tone: STATE_WORDS[state].tone,
    name: hostname === undefined ? machine.mac : plainText(hostname, 48),
    hasName: hostname !== undefined,
    ...(boot?.role === undefined ? {} : { role: plainText(boot.role, 40) }),
    ...(assigned?.role === undefined || assigned.role === boot?.role
      ? {}
      : { nextRole: plainText(assigned.role, 40) }),
    ...(assigned === undefined ? {} : { revision: assigned.revision }),
    ...(boot === undefined ? {} : { stage: boot.stage, since: boot.openedAt }),
    lastSeen: machine.lastSeen,
    ...(address === undefined ? {} : { address: formatIpv4(address) }),
    ...(product === '' ? {} : { product: plainText(product, 48) }),
    ...(machine.serial === undefined ? {} : { serial: plainText(machine.serial, 32) }),
    ...(machine.hardware === undefined ? {} : { hardware: describeHardware(machine.hardware) }),
    notes: [
      ...(turn === undefined ? [] : ['waits for its turn to load']),
      ...(state === 'stalled' && boot?.stalled !== undefined
        ? [plainText(boot.stalled.diagnosis.title, 90)]
        : []),
      ...(boot?.alarmedAt === undefined ? [] : ['alarm: see its timeline']),
    ],
    alarm: boot?.alarmedAt !== undefined,
  };
}

/** Of its row: a MAC without what a selector would have to escape. */
const rowId = (mac: string): string => `m-${mac.replaceAll(':', '')}`;

/** `8 × EPYC 7302P, 64 GiB, 2 disks (1.8 TiB), 2 NICs, UEFI`: enough to tell a storage node from a worker. */
function describeHardware({ cpu, memory, disks, network, firmware }: Hardware): string {
  const size = disks.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
  const parts = [
    cpu === undefined ? '' : describeCpu({ ...cpu, model: plainText(cpu.model, 40) }),
    memory === undefined ? '' : formatBytes(memory),
    disks.length === 0 ? '' : `${some(disks.length, 'disk')}${size === 0 ? '' : ` (${formatBytes(size)})`}`,
    network.length === 0 ? '' : some(network.length, 'NIC'),
    firmware?.kind === undefined ? '' : firmware.kind.toUpperCase(),
  ];
  return parts.filter((part) => part !== '').join(', ');
}

const some = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
