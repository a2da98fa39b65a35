/**
 * What firmware asks in DHCP option 93 (RFC 4578 section 2.1, with the errata and IANA's registry "Processor
 * Architecture Types"). `name` is the vocabulary of `loaders:` in tinderbox.yaml and of `tinderbox simulate --arch`.
 */
export interface FirmwareArchitecture {
  readonly code: number;
  readonly name: string;
  readonly firmware: 'bios' | 'uefi' | 'other';
  /** The machine's processor as rules and templates name it (`match: { arch: arm64 }`). */
  readonly arch: MachineArch;
  /** `http`: firmware that wants a URL (UEFI HTTP boot); `tftp`: PXE. */
  readonly transport: 'tftp' | 'http';
  readonly label: string;
}

export const MACHINE_ARCHES = ['x86', 'x86_64', 'arm32', 'arm64', 'riscv64', 'loongarch64'] as const;
export type MachineArch = (typeof MACHINE_ARCHES)[number];

/**
 * A BIOS does not say whether its processor has 64 bits; every BIOS machine that boots from a network today does,
 * so it counts as x86_64 until iPXE reports otherwise at `/ipxe`.
 */
export const FIRMWARE_ARCHITECTURES: readonly FirmwareArchitecture[] = [
  { code: 0, name: 'bios', firmware: 'bios', arch: 'x86_64', transport: 'tftp', label: 'BIOS' },
  { code: 6, name: 'uefi-x86', firmware: 'uefi', arch: 'x86', transport: 'tftp', label: 'UEFI, 32-bit x86' },
  { code: 7, name: 'uefi-x64', firmware: 'uefi', arch: 'x86_64', transport: 'tftp', label: 'UEFI x64' },
  // RFC 4578 swaps 7 and 9; firmware sends either, and both mean an x64 machine.
  { code: 9, name: 'uefi-x64', firmware: 'uefi', arch: 'x86_64', transport: 'tftp', label: 'UEFI x64' },
  {
    code: 10,
    name: 'uefi-arm32',
    firmware: 'uefi',
    arch: 'arm32',
    transport: 'tftp',
    label: 'UEFI arm, 32-bit',
  },
  { code: 11, name: 'uefi-arm64', firmware: 'uefi', arch: 'arm64', transport: 'tftp', label: 'UEFI arm64' },
  {
    code: 15,
    name: 'uefi-x86-http',
    firmware: 'uefi',
    arch: 'x86',
    transport: 'http',
    label: 'UEFI x86 HTTP boot',
  },
  {
    code: 16,
    name: 'uefi-x64-http',
    firmware: 'uefi',
    arch: 'x86_64',
    transport: 'http',
    label: 'UEFI x64 HTTP boot',
  },
  {
    code: 18,
    name: 'uefi-arm32-http',
    firmware: 'uefi',
    arch: 'arm32',
    transport: 'http',
    label: 'UEFI arm HTTP boot',
  },
  {
    code: 19,
    name: 'uefi-arm64-http',
    firmware: 'uefi',
    arch: 'arm64',
    transport: 'http',
    label: 'UEFI arm64 HTTP boot',
  },
  {
    code: 20,
    name: 'bios-http',
    firmware: 'bios',
    arch: 'x86_64',
    transport: 'http',
    label: 'BIOS HTTP boot',
  },
  {
    code: 27,
    name: 'uefi-riscv64',
    firmware: 'uefi',
    arch: 'riscv64',
    transport: 'tftp',
    label: 'UEFI RISC-V 64',
  },
  {
    code: 28,
    name: 'uefi-riscv64-http',
    firmware: 'uefi',
    arch: 'riscv64',
    transport: 'http',
    label: 'UEFI RISC-V 64 HTTP boot',
  },
  {
    code: 39,
    name: 'uefi-loongarch64',
    firmware: 'uefi',
    arch: 'loongarch64',
    transport: 'tftp',
    label: 'UEFI LoongArch 64',
  },
  {
    code: 40,
    name: 'uefi-loongarch64-http',
    firmware: 'uefi',
    arch: 'loongarch64',
    transport: 'http',
    label: 'UEFI LoongArch 64 HTTP boot',
  },
  {
    code: 41,
    name: 'raspberry-pi',
    firmware: 'other',
    arch: 'arm64',
    transport: 'tftp',
    label: 'Raspberry Pi',
  },
];

export function architectureByCode(code: number): FirmwareArchitecture | undefined {
  return FIRMWARE_ARCHITECTURES.find((architecture) => architecture.code === code);
}

export function architectureByName(name: string): FirmwareArchitecture | undefined {
  return FIRMWARE_ARCHITECTURES.find((architecture) => architecture.name === name);
}
