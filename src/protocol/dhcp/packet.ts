import type { Ipv4 } from '../../machine/ipv4.ts';

export const BOOTREQUEST = 1;
export const BOOTREPLY = 2;

/** Options after merging repeats (RFC 3396): code → bytes, in the order of first appearance. */
export type DhcpOptions = ReadonlyMap<number, Uint8Array>;

/** A DHCP message (RFC 2131 section 2), decoded. */
export interface DhcpPacket {
  readonly op: number;
  readonly htype: number;
  readonly hlen: number;
  readonly hops: number;
  readonly xid: number;
  readonly secs: number;
  readonly flags: number;
  readonly ciaddr: Ipv4;
  readonly yiaddr: Ipv4;
  readonly siaddr: Ipv4;
  readonly giaddr: Ipv4;
  /** All 16 bytes. */
  readonly chaddr: Uint8Array;
  /** Empty where overload (option 52) used the field for options. */
  readonly sname: string;
  readonly file: string;
  readonly options: DhcpOptions;
}

/** Throws DhcpDecodeError, and nothing else, on what is no DHCP message. */
export function decodeDhcpPacket(_bytes: Uint8Array): DhcpPacket {
  throw new Error('not written yet');
}

/** At least 300 bytes (RFC 1542 relays drop shorter ones). */
export function encodeDhcpPacket(_packet: DhcpPacket): Uint8Array {
  throw new Error('not written yet');
}
