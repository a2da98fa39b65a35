import type { MachineArch } from './architecture.ts';
import type { Ipv4 } from './ipv4.ts';
import type { Mac } from './mac.ts';

/** By name; at most so many as boot/read-labels.ts lets in. */
export type Labels = Readonly<Record<string, string>>;

/** What is known of a machine at some moment. DHCP tells the first block, iPXE's `/ipxe` request the second. */
export interface MachineFacts {
  readonly mac: Mac;
  /** Lower case, hyphens; as SMBIOS prints it. */
  readonly uuid?: string;
  readonly arch?: MachineArch;
  /** The relay agent's address (`giaddr`), if its packets come through one. */
  readonly relay?: Ipv4;
  /** The machine's own address, or, before it has one, the address of the interface or relay it is heard on. */
  readonly address?: Ipv4;

  readonly serial?: string;
  readonly asset?: string;
  readonly manufacturer?: string;
  readonly product?: string;
  /** `pcbios` or `efi`, as iPXE's `${platform}`. */
  readonly platform?: string;
  /** What else it said of itself at `/ipxe`, as matchbox has it: what it said when it asked last, bounded, and proven by nothing. */
  readonly labels?: Labels;
}
