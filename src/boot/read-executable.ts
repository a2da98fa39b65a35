import type { MachineArch } from '../machine/architecture.ts';

/** Enough of a file to see what it is a program for. */
export const EXECUTABLE_HEAD = 4096;

/** PE/COFF `Machine` (Microsoft's PE format, section 3.3.1), as far as firmware is built for it. */
const MACHINES: ReadonlyMap<number, MachineArch> = new Map([
  [0x014c, 'x86'],
  [0x8664, 'x86_64'],
  [0x01c0, 'arm32'],
  [0x01c2, 'arm32'],
  [0x01c4, 'arm32'],
  [0xaa64, 'arm64'],
  [0x5064, 'riscv64'],
  [0x6264, 'loongarch64'],
]);

/**
 * What a boot file is a program for, by its first bytes. UEFI programs are PE files, which say it; what is none is for a
 * BIOS, whose programs have no header. Undefined: a PE file of a machine that is not known, or a file too short to tell.
 */
export function readExecutable(head: Uint8Array): MachineArch | 'bios' | undefined {
  if (head.length < 64) return undefined;
  if (head[0] !== 0x4d || head[1] !== 0x5a) return 'bios';
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const at = view.getUint32(0x3c, true);
  if (at + 6 > head.length || view.getUint32(at, false) !== 0x50450000) return undefined;
  return MACHINES.get(view.getUint16(at + 4, true));
}
