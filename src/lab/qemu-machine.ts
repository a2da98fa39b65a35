import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { TinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import type { NetworkNamespace } from './namespace.ts';
import type { RunningQemu } from './run-qemu.ts';
import { escapeCommas, runQemu } from './run-qemu.ts';
import { vendorRomScript } from './vendor-rom.ts';

/**
 * bios-rom: a BIOS whose network ROM knows PXE but no iPXE scripts, so that it loads `undionly.kpxe`;
 * bios-ipxe: a BIOS whose ROM is iPXE; uefi-x64: EDK2 with its own PXE client.
 */
export const MACHINE_KINDS = ['bios-rom', 'bios-ipxe', 'uefi-x64'] as const;
export type MachineKind = (typeof MACHINE_KINDS)[number];

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

const OVMF_CODE = '/usr/share/OVMF/OVMF_CODE_4M.fd';
const OVMF_VARS = '/usr/share/OVMF/OVMF_VARS_4M.fd';

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
    name: `${kind} machine ${mac}`,
    folder,
    memory: options.memory ?? 512,
    ...(options.kvm !== undefined && { kvm: options.kvm }),
    argv,
  });
  return { kind, mac, ...running };
}

type Argument = readonly string[];

async function firmwareArguments(options: QemuMachineOptions): Promise<readonly Argument[]> {
  const { kind, mac, tap, folder } = options;
  const cable = ['-netdev', `tap,id=cable,ifname=${tap},script=no,downscript=no`];
  const card = `virtio-net-pci,netdev=cable,mac=${mac},addr=3`;
  // Without graphics SeaBIOS, and through it every BIOS program, prints on the serial line.
  const bios = ['-machine', 'pc,graphics=off'];
  switch (kind) {
    case 'bios-ipxe':
      return [bios, cable, ['-device', `${card},bootindex=1`]];
    case 'bios-rom':
      await writeFile(`${folder}/rom.ipxe`, vendorRomScript(mac));
      return [
        bios,
        cable,
        // The lower slot, so that the operating system calls the card on the cable eth0.
        ['-device', `${card},romfile=`],
        // QEMU's own little network has nothing but the script.
        ['-netdev', `user,id=rom,restrict=on,tftp=${escapeCommas(folder)},bootfile=rom.ipxe`],
        ['-device', `virtio-net-pci,netdev=rom,mac=${romMac(mac)},addr=4,bootindex=1`],
      ];
    case 'uefi-x64':
      if (!existsSync(OVMF_CODE)) {
        throw new TinderboxError('not-found', `there is no ${OVMF_CODE}`, {
          remedy: 'Install the package ovmf.',
        });
      }
      await copyFile(OVMF_VARS, `${folder}/vars.fd`);
      return [
        ['-machine', 'q35'],
        ['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${OVMF_CODE}`],
        ['-drive', `if=pflash,format=raw,unit=1,file=${escapeCommas(folder)}/vars.fd`],
        cable,
        // An empty ROM: otherwise iPXE's EFI driver takes the card before EDK2's own PXE client does.
        ['-device', `${card},romfile=,bootindex=1`],
      ];
    default:
      return kind satisfies never;
  }
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

/** The card that only the ROM uses: locally administered, so that it is nobody else's. */
function romMac(mac: Mac): string {
  return `02:00:00${mac.slice(8)}`;
}
