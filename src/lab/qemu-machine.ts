import type { ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { TinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import type { MachineConsole } from './machine-console.ts';
import { createConsole } from './machine-console.ts';
import type { NetworkNamespace } from './namespace.ts';
import { stopProcess } from './namespace.ts';
import { sendQmpCommand } from './qmp-client.ts';
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
  /** What QEMU reads as a raw disk: an image's path, or `fat:rw:<folder>`. It boots after the network. */
  readonly disk?: string;
  /** Mebibytes. */
  readonly memory?: number;
  /** KVM instead of emulation. It may exist and still hang in real-mode ROMs, so only where somebody asks for it. */
  readonly kvm?: boolean;
}

export interface QemuMachine extends AsyncDisposable {
  readonly kind: MachineKind;
  readonly mac: Mac;
  readonly pid: number;
  readonly console: MachineConsole;
  readonly consoleFile: string;
  /** As its reset button: it boots from the network again. */
  readonly reset: () => Promise<void>;
  /** Pulls the plug. */
  readonly quit: () => Promise<void>;
  /** Resolves when the machine is off, whoever turned it off. */
  readonly exited: Promise<void>;
}

const OVMF_CODE = '/usr/share/OVMF/OVMF_CODE_4M.fd';
const OVMF_VARS = '/usr/share/OVMF/OVMF_VARS_4M.fd';

/** Powers a machine on. Throws TinderboxError `not-found` if QEMU or its firmware is not installed. */
export async function startQemuMachine(options: QemuMachineOptions): Promise<QemuMachine> {
  const { kind, mac, folder, namespace } = options;
  await mkdir(folder, { recursive: true });
  // Not in the machine's folder: the path of a unix socket has at most 107 bytes.
  const monitorFolder = await mkdtemp(`${tmpdir()}/tinderbox-qmp-`);
  const monitor = `${monitorFolder}/qmp`;
  const argv = [
    ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'none'],
    ['-accel', options.kvm === true ? 'kvm' : 'tcg', '-cpu', 'max', '-m', String(options.memory ?? 512)],
    ['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ['-qmp', `unix:${escapeCommas(monitor)},server=on,wait=off`],
    ['-uuid', options.uuid ?? uuidOf(mac)],
    ['-smbios', smbios(options)],
    ...(await firmwareArguments(options)),
    ...diskArguments(options),
  ].flat();
  const child = namespace.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const console = createConsole(`${kind} machine ${mac}`);
  const consoleFile = `${folder}/console.log`;
  const copy = createWriteStream(consoleFile);
  child.stdout?.on('data', (chunk: Buffer) => {
    copy.write(chunk);
    console.write(chunk);
  });
  const said: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk));
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  }).then(() => {
    copy.end();
    console.end();
    return rm(monitorFolder, { recursive: true, force: true });
  });
  await started(child, monitor, () => Buffer.concat(said).toString('utf8'));
  return {
    kind,
    mac,
    pid: child.pid as number,
    console,
    consoleFile,
    exited,
    reset: () => sendQmpCommand(monitor, 'system_reset'),
    async quit() {
      if (child.exitCode === null && child.signalCode === null) await sendQmpCommand(monitor, 'quit');
      await exited;
    },
    async [Symbol.asyncDispose]() {
      await stopProcess(child);
      await exited;
    },
  };
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

/** Waits until QEMU's monitor answers, which is when the machine runs. */
async function started(child: ChildProcess, monitor: string, said: () => string): Promise<void> {
  const failures: Error[] = [];
  child.once('error', (error) => failures.push(error));
  for (let tries = 0; tries < 500 && failures.length === 0 && child.exitCode === null; tries += 1) {
    const answers =
      existsSync(monitor) && (await sendQmpCommand(monitor, 'query-status').then(isTrue, isFalse));
    if (answers) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await stopProcess(child);
  throw new TinderboxError('not-found', `QEMU did not start: ${failures[0]?.message ?? said().trim()}`, {
    remedy: 'Install the packages qemu-system-x86, ipxe-qemu, seabios and ovmf.',
  });
}

/** QEMU reads a doubled comma as a comma. */
function escapeCommas(text: string): string {
  return text.replaceAll(',', ',,');
}

const isTrue = (): boolean => true;
const isFalse = (): boolean => false;
