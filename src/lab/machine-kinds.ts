/**
 * bios-rom: a BIOS whose network ROM knows PXE but no iPXE scripts, so that it loads `undionly.kpxe`;
 * bios-ipxe: a BIOS whose ROM is iPXE; uefi-x64: EDK2 with its own PXE client; `-http`: EDK2 that boots by HTTP and knows
 * no PXE; uefi-x64-secure: EDK2 with Microsoft's keys, and Secure Boot on; uefi-x86: the 32-bit EDK2 that small boards
 * with a 64-bit processor have.
 */
export const MACHINE_KINDS = [
  'bios-rom',
  'bios-ipxe',
  'uefi-x64',
  'uefi-x64-http',
  'uefi-x64-secure',
  'uefi-x64-secure-http',
  'uefi-x86',
  'uefi-arm64',
  'uefi-arm64-http',
] as const;
export type MachineKind = (typeof MACHINE_KINDS)[number];

/** Which programs it runs, by Debian's name. */
export type Processor = 'amd64' | 'arm64';

export function processorOf(kind: MachineKind): Processor {
  return kind === 'uefi-arm64' || kind === 'uefi-arm64-http' ? 'arm64' : 'amd64';
}

/** The Debian packages that a machine of this kind needs beside those of every lab machine (LAB_PACKAGES). */
export function packagesOf(kind: MachineKind): readonly string[] {
  if (processorOf(kind) === 'arm64') return ['qemu-system-arm', 'qemu-efi-aarch64'];
  return kind === 'uefi-x86' ? ['ovmf-ia32'] : [];
}
