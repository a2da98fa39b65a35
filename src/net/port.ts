import type { RemoteInfo, Socket } from 'node:dgram';
import type { Ipv4 } from '../machine/ipv4.ts';

/** A network interface with its IPv4 addresses. */
export interface NetworkInterface {
  readonly name: string;
  readonly addresses: readonly { readonly address: Ipv4; readonly prefix: number }[];
  /** Bytes. */
  readonly mtu: number;
  /** Administratively up. */
  readonly up: boolean;
  /** A cable is in and the other side lives; absent where the kernel does not say. */
  readonly carrier?: boolean;
  /** The kernel's number: one that was removed and made again has another. */
  readonly index?: number;
  /** Lower case with colons; absent where there is none. */
  readonly mac?: string;
}

/** Every network interface of this host, as it is now. */
export type ReadInterfaces = () => Promise<readonly NetworkInterface[]>;

export interface UdpSocketOptions {
  /** Local port; 0 for any. */
  readonly port: number;
  /** Local address; absent: all of them (0.0.0.0), which is what receives broadcasts. */
  readonly address?: Ipv4;
  /** Only packets of this interface are received, and all are sent through it (SO_BINDTODEVICE). */
  readonly device?: string;
  readonly broadcast?: boolean;
  /** Another socket of this process may have the port on another address. Hides a port in use: not with `device`. */
  readonly shared?: boolean;
  /** Bytes asked of the kernel for the receive buffer. */
  readonly receiveBuffer?: number;
}

/** What a server needs of a UDP socket. */
export interface DatagramSocket {
  on(event: 'message', listener: (bytes: Buffer, source: RemoteInfo) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'message', listener: (bytes: Buffer, source: RemoteInfo) => void): unknown;
  send(bytes: Uint8Array, port: number, address: string, callback: (error: Error | null) => void): void;
  close(callback: () => void): unknown;
}

/**
 * Opens a bound UDP socket. Throws TinderboxError `in-use` (naming the program that holds the port where that can
 * be seen), `refused` (no right to the port), `not-found` (no such interface).
 */
export type OpenUdpSocket = (options: UdpSocketOptions) => Promise<Socket>;

/** How the daemon comes by the sockets that machines knock at: it opens them itself, or systemd did. */
export interface Doors {
  /** Takes the socket that was inherited for this port and device, else opens one. */
  readonly openUdp: OpenUdpSocket;
  /** A listening descriptor that was inherited for HTTP on this interface, to be closed by who asked; undefined: there is none. */
  readonly httpDescriptor: (interfaceName: string) => number | undefined;
  /**
   * Whether a socket was inherited for this device as it is now: one on all of its addresses, so that there is nothing to
   * open for each. Absent: never.
   */
  readonly coversDevice?: (device: string, kind: 'http' | 'tftp') => boolean;
}

/** Bytes of a file for a connected socket. */
export interface TransferOrder {
  /** The socket's descriptor. It stays the caller's: another one of the same socket is used. */
  readonly socket: number;
  /** The file's descriptor, open until the transfer has ended. */
  readonly file: number;
  /**
   * `as-it-is`: what the kernel holds of the file goes out uncopied, so it must never change. `copied`: it may, and what
   * was taken by the socket stays as it was.
   */
  readonly way: 'as-it-is' | 'copied';
  readonly start: number;
  readonly end: number;
  /** Bytes of the file, from its beginning, that may be sent by now; `allow` tells of more. */
  readonly allowed: number;
  /** `alive` is called about so often (milliseconds), if the socket took bytes or could not be given any. */
  readonly aliveEvery: number;
  readonly alive: () => void;
}

export interface SentBytes {
  /** That the kernel took. */
  readonly bytes: number;
  /** `gone`: the connection is, or the transfer was cancelled; `short`: the file has no more bytes; `failed`: `reason` says why. */
  readonly kind: 'complete' | 'gone' | 'short' | 'failed';
  readonly reason?: string;
}

export interface Transfer {
  /** Never rejects. */
  readonly ended: Promise<SentBytes>;
  allow(bytes: number): void;
  cancel(): void;
}

/** Sends files from threads of its own, so that whoever asked can do something else. */
export interface FileSender {
  /** Undefined where that cannot be done now (no descriptor is left, no thread starts): the caller sends by itself. */
  send(order: TransferOrder): Transfer | undefined;
  /** Cancels what is left. */
  stop(): Promise<void>;
}

/** A file without a name, in memory: the descriptor is the caller's. Throws Node's error if there can be none. */
export type OpenMemoryFile = () => number;
