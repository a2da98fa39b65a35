import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type { PowerAction, PowerSettings } from '../machine/power.ts';

export interface PowerOrder {
  readonly mac: Mac;
  readonly settings: PowerSettings;
  readonly action: PowerAction;
  /** Its next boot is to be from the network, whatever its boot order says. Where that cannot be told, notes say so. */
  readonly pxe: boolean;
  /** Whether it boots by UEFI: IPMI must be told, or it would boot as a BIOS. */
  readonly efi: boolean;
}

export interface PowerResult {
  /** As the management controller has it, before an action; absent: there is none that could be asked. */
  readonly state?: 'on' | 'off';
  /** What was asked for, in the words of the protocol. */
  readonly did: string;
  /** What could not be done besides. */
  readonly notes: readonly string[];
}

/**
 * Carries an order out. Throws TinderboxError: `refused` where the controller refuses (password, certificate, an action
 * that it cannot do), `unavailable` where it does not answer in time, `not-found` where a file or a program is missing.
 */
export type ControlPower = (order: PowerOrder) => Promise<PowerResult>;

/** Sends a UDP datagram by broadcast. Absent `interfaceName`: on every provisioning interface. */
export type SendBroadcast = (datagram: {
  readonly packet: Uint8Array;
  readonly port: number;
  readonly address: Ipv4;
  readonly interfaceName: string | undefined;
}) => Promise<void>;
