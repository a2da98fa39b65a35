import type { Socket } from 'node:dgram';
import type { Ipv4 } from '../machine/ipv4.ts';

/** A network interface with its IPv4 addresses. */
export interface NetworkInterface {
  readonly name: string;
  readonly addresses: readonly { readonly address: Ipv4; readonly prefix: number }[];
  /** Bytes. */
  readonly mtu: number;
  /** Administratively up. */
  readonly up: boolean;
}

export interface UdpSocketOptions {
  /** Local port; 0 for any. */
  readonly port: number;
  /** Local address; absent: all of them (0.0.0.0), which is what receives broadcasts. */
  readonly address?: Ipv4;
  /** Only packets of this interface are received, and all are sent through it (SO_BINDTODEVICE). */
  readonly device?: string;
  readonly broadcast?: boolean;
  /** Bytes asked of the kernel for the receive buffer. */
  readonly receiveBuffer?: number;
}

/**
 * Opens a bound UDP socket. Throws TinderboxError `in-use` (naming the program that holds the port where that can
 * be seen), `refused` (no right to the port), `not-found` (no such interface).
 */
export type OpenUdpSocket = (options: UdpSocketOptions) => Promise<Socket>;
