import { mkdir } from 'node:fs/promises';
import type { Mac } from '../machine/mac.ts';
import { type Argument, firmwareArguments } from './machine-firmware.ts';
import { type MachineKind, processorOf } from './machine-kinds.ts';
import type { NetworkNamespace } from './namespace.ts';
import type { RunningQemu } from './run-qemu.ts';
import { escapeCommas, runQemu } from './run-qemu.ts';

export interface QemuMachineOptions {
  readonly kind: MachineKind;
  readonly namespace: NetworkNamespace;
  /** The tap device in the namespace that is its network cable. */
  readonly tap: string;
  readonly mac: Mac;
  /** Made if it is missing; holds console.log and the firmware's variables. */
  readonly folder: string;
  /** SMBIOS; derived from the MAC unless told. */
  readonly uuid?: string;
  readonly serial?: string;
  readonly manufacturer?: string;
  readonly product?: string;
  /** The chassis' asset tag; absent: none. */
  readonly asset?: string;
  /** What QEMU reads as a raw disk: an image's path, or `fat:rw:<folder>`. It boots after the network. */
  readonly disk?: string;
  /** Mebibytes. */
  readonly memory?: number;
  /** KVM instead of emulation. It may exist and still hang in real-mode ROMs, so only where somebody asks for it. */
  readonly kvm?: boolean;
}

export interface QemuMachine extends RunningQemu {
  readonly kind: MachineKind;
  readonly mac: Mac;
}

/** Powers a machine on. Throws TinderboxError `not-found` if QEMU or its firmware is not installed. */
export async function startQemuMachine(options: QemuMachineOptions): Promise<QemuMachine> {
  const { kind, mac, folder, namespace } = options;
  await mkdir(folder, { recursive: true });
  const argv = [
    ['-uuid', options.uuid ?? uuidOf(mac)],
    ['-smbios', smbios(options)],
    ...(options.asset === undefined ? [] : [['-smbios', `type=3,asset=${escapeCommas(options.asset)}`]]),
    ...(await firmwareArguments(options)),
    ...diskArguments(options),
  ].flat();
  const running = await runQemu({
    namespace,
    processor: processorOf(kind),
    name: `${kind} machine ${mac}`,
    folder,
    memory: options.memory ?? 512,
    ...(options.kvm !== undefined && { kvm: options.kvm }),
    argv,
  });
  return { kind, mac, ...running };
}

function diskArguments({ disk }: QemuMachineOptions): readonly Argument[] {
  if (disk === undefined) return [];
  return [
    ['-drive', `if=none,id=disk,format=raw,file=${escapeCommas(disk)}`],
    ['-device', 'virtio-blk-pci,drive=disk,bootindex=2,addr=5'],
  ];
}

function smbios({ mac, serial, manufacturer, product }: QemuMachineOptions): string {
  const values = {
    manufacturer: manufacturer ?? 'Tinderbox',
    product: product ?? 'Lab machine',
    serial: serial ?? `LAB-${mac.replaceAll(':', '').slice(-6).toUpperCase()}`,
  };
  const fields = Object.entries(values).map(([key, value]) => `${key}=${escapeCommas(value)}`);
  return ['type=1', ...fields].join(',');
}

/** A fixed UUID for each MAC: without one QEMU's is all zeros, which no real machine has. */
function uuidOf(mac: Mac): string {
  return `7464b0c5-0000-4000-8000-${mac.replaceAll(':', '')}`;
}
