import { existsSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { TinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import type { MachineKind } from './machine-kinds.ts';
import { escapeCommas } from './run-qemu.ts';
import { vendorRomScript } from './vendor-rom.ts';

export type Argument = readonly string[];

/** Its network card, and what of its board and firmware makes it a machine of its kind. */
export interface Wiring {
  readonly kind: MachineKind;
  readonly mac: Mac;
  readonly tap: string;
  /** Exists; the firmware's variables are put there. */
  readonly folder: string;
}

/** EDK2 as QEMU wants it: two flash chips, the second one its variables. */
interface Edk2 {
  readonly code: string;
  readonly vars: string;
  /** The Debian package of both. */
  readonly package: string;
  readonly board: Argument;
}

const OVMF = '/usr/share/OVMF';
const X64: Edk2 = {
  code: `${OVMF}/OVMF_CODE_4M.fd`,
  vars: `${OVMF}/OVMF_VARS_4M.fd`,
  package: 'ovmf',
  board: ['-machine', 'q35'],
};
/** Without SMM QEMU's firmware cannot keep an operating system from its variables, and this build does not start. */
const SMM = [
  ['-machine', 'q35,smm=on'],
  ['-global', 'driver=cfi.pflash01,property=secure,value=on'],
  ['-global', 'ICH9-LPC.disable_s3=1'],
].flat();
const X64_SECURE: Edk2 = {
  code: `${OVMF}/OVMF_CODE_4M.secboot.fd`,
  // Microsoft's keys are enrolled in these, which turns Secure Boot on.
  vars: `${OVMF}/OVMF_VARS_4M.ms.fd`,
  package: 'ovmf',
  board: SMM,
};
const X86: Edk2 = {
  code: `${OVMF}/OVMF32_CODE_4M.secboot.fd`,
  vars: `${OVMF}/OVMF32_VARS_4M.fd`,
  package: 'ovmf-ia32',
  board: SMM,
};
const ARM64: Edk2 = {
  code: '/usr/share/AAVMF/AAVMF_CODE.fd',
  vars: '/usr/share/AAVMF/AAVMF_VARS.fd',
  package: 'qemu-efi-aarch64',
  board: ['-machine', 'virt'],
};
/** What is left of EDK2's network boot is HTTP over IPv4. */
const NO_PXE = ['IPv4', 'IPv6'].flatMap((version) => [
  '-fw_cfg',
  `name=opt/org.tianocore/${version}PXESupport,string=n`,
]);

/** Throws TinderboxError `not-found` if its firmware is not installed. */
export async function firmwareArguments(wiring: Wiring): Promise<readonly Argument[]> {
  const { kind, mac, folder } = wiring;
  // Without graphics SeaBIOS, and through it every BIOS program, prints on the serial line.
  const bios = ['-machine', 'pc,graphics=off'];
  switch (kind) {
    case 'bios-ipxe':
      return [bios, cable(wiring), ['-device', `${card(mac)},bootindex=1`]];
    case 'bios-rom':
      await writeFile(`${folder}/rom.ipxe`, vendorRomScript(mac));
      return [
        bios,
        cable(wiring),
        // The lower slot, so that the operating system calls the card on the cable eth0.
        ['-device', `${card(mac)},romfile=`],
        // QEMU's own little network has nothing but the script.
        ['-netdev', `user,id=rom,restrict=on,tftp=${escapeCommas(folder)},bootfile=rom.ipxe`],
        ['-device', `virtio-net-pci,netdev=rom,mac=${romMac(mac)},addr=4,bootindex=1`],
      ];
    case 'uefi-x64':
      return edk2Arguments(X64, wiring);
    case 'uefi-x64-http':
      return [...(await edk2Arguments(X64, wiring)), NO_PXE];
    case 'uefi-x64-secure':
      return edk2Arguments(X64_SECURE, wiring);
    case 'uefi-x64-secure-http':
      return [...(await edk2Arguments(X64_SECURE, wiring)), NO_PXE];
    case 'uefi-x86':
      return edk2Arguments(X86, wiring);
    case 'uefi-arm64':
      return edk2Arguments(ARM64, wiring);
    case 'uefi-arm64-http':
      return [...(await edk2Arguments(ARM64, wiring)), NO_PXE];
    default:
      return kind satisfies never;
  }
}

async function edk2Arguments(firmware: Edk2, wiring: Wiring): Promise<readonly Argument[]> {
  const { code, vars, board } = firmware;
  if (!existsSync(code)) {
    throw new TinderboxError('not-found', `there is no ${code}`, {
      remedy: `Install the package ${firmware.package}.`,
    });
  }
  await copyFile(vars, `${wiring.folder}/vars.fd`);
  return [
    board,
    ['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${code}`],
    ['-drive', `if=pflash,format=raw,unit=1,file=${escapeCommas(wiring.folder)}/vars.fd`],
    cable(wiring),
    // An empty ROM: otherwise iPXE's EFI driver takes the card before EDK2's own PXE client does.
    ['-device', `${card(wiring.mac)},romfile=,bootindex=1`],
  ];
}

function cable({ tap }: Wiring): Argument {
  return ['-netdev', `tap,id=cable,ifname=${tap},script=no,downscript=no`];
}

function card(mac: Mac): string {
  return `virtio-net-pci,netdev=cable,mac=${mac},addr=3`;
}

/** The card that only the ROM uses: locally administered, so that it is nobody else's. */
function romMac(mac: Mac): string {
  return `02:00:00${mac.slice(8)}`;
}
