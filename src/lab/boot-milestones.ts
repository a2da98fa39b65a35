import type { MachineKind } from './machine-kinds.ts';

/** What a console line means for somebody who waits; each is told once, at its first sign. */
interface Milestone {
  readonly pattern: RegExp;
  readonly text: string;
}

const IPXE_BANNER = /iPXE .*Open Source Network Boot/;

/**
 * From power-on to `booted`, as QEMU's firmware and the live image print it: SeaBIOS, EDK2, iPXE of 2019 and later,
 * live-init.sh.
 */
const MILESTONES: readonly Milestone[] = [
  { pattern: /SeaBIOS \(version/, text: 'BIOS is up' },
  { pattern: /Start PXE over IPv4/, text: 'UEFI firmware starts its PXE client' },
  { pattern: /Start HTTP Boot over IPv4/, text: 'UEFI firmware starts its HTTP boot' },
  { pattern: /vendor ROM: asking/, text: "the ROM's PXE client asks for an address" },
  { pattern: /NBP filename is|vendor ROM: loading/, text: 'it was told its boot file and loads it by TFTP' },
  { pattern: /^\s*URI: http:/, text: 'it was told its boot file and loads it by HTTP' },
  { pattern: /Fetching Netboot Image/, text: 'the shim is up and loads GRUB' },
  { pattern: /Welcome to GRUB/, text: 'GRUB is up' },
  { pattern: /Tinderbox: \S+ asks what to boot/, text: 'GRUB has the boot script' },
  {
    pattern: /Tinderbox: loading the kernel/,
    text: 'GRUB has the script for this machine and loads the kernel',
  },
  { pattern: /Tinderbox: loading the initrd/, text: 'GRUB has the kernel and loads the initrd' },
  { pattern: /UEFI Secure Boot is enabled/, text: 'the kernel starts with Secure Boot on' },
  { pattern: IPXE_BANNER, text: 'iPXE is up' },
  { pattern: /\/boot\.ipxe\S*\.\.\. ok/, text: 'iPXE has the boot script' },
  { pattern: /\/ipxe\?\S*\.\.\. ok/, text: 'iPXE has the script for this machine' },
  { pattern: /vmlinuz\S*\.\.\..*ok/, text: 'iPXE has the kernel' },
  { pattern: /initrd\S*\.\.\..*ok/, text: 'iPXE has the initrd' },
  { pattern: /tinderbox: eth\d has/, text: 'the operating system has an address' },
  { pattern: /--- cloud-config ---/, text: 'it has its configuration' },
  { pattern: /tinderbox: \S+ up with/, text: 'it is up under its own name' },
  { pattern: /tinderbox: reported booted/, text: 'it reported that it is up' },
];

/**
 * Returns a function to be called with each line of a console; it gives the text of a milestone just reached. The
 * ROM of a `bios-rom` machine is iPXE in disguise: its banner does not count.
 */
export function createMilestoneReader(kind: MachineKind): (line: string) => string | undefined {
  const open = [...MILESTONES];
  let disguised = kind === 'bios-rom';
  return (line) => {
    if (disguised && IPXE_BANNER.test(line)) {
      disguised = false;
      return undefined;
    }
    const index = open.findIndex((milestone) => milestone.pattern.test(line));
    return index < 0 ? undefined : open.splice(index, 1)[0]?.text;
  };
}
