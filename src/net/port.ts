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
  /** The same where datagrams leave in batches: `bytes` are copied at once, and only what failed is told of. */
  put?(bytes: Uint8Array, port: number, address: Ipv4, failed: SendFailed): void;
  /** Datagrams that came and found no room in its receive buffer, since it was opened. Absent: nobody knows. */
  dropped?(): number;
  close(callback: () => void): unknown;
}

export type SendFailed = (error: Error, address: Ipv4, port: number) => void;

/**
 * Opens a bound UDP socket. Throws TinderboxError `in-use` (naming the program that holds the port where that can
 * be seen), `refused` (no right to the port), `not-found` (no such interface).
 */
export type OpenUdpSocket = (options: UdpSocketOptions) => Promise<Socket>;

/** A bound UDP socket without Node's part of it: the descriptor belongs to who asked. */
export interface UdpDescriptor {
  readonly fd: number;
  readonly port: number;
}

/** Opens one that never waits. Throws as OpenUdpSocket does, and `unavailable` where the C library cannot be called. */
export type OpenUdpDescriptor = (
  options: Pick<UdpSocketOptions, 'port' | 'address' | 'device' | 'receiveBuffer'> & {
    /** Bytes asked of the kernel for the send buffer. */
    readonly sendBuffer?: number;
  },
) => Promise<UdpDescriptor>;

/** What `receive` has just read; until it is called again. */
export interface ReceivedBatch {
  /** Of all packets; the one with `index` is at `startOf(index)`, cut if it is longer than there is room for. */
  readonly bytes: Uint8Array;
  startOf(index: number): number;
  lengthOf(index: number): number;
  addressOf(index: number): number;
  portOf(index: number): number;
}

export interface SendFailure {
  readonly errno: number;
  /** `EPERM`. */
  readonly code: string;
}

/**
 * Many datagrams in one system call (recvmmsg, sendmmsg), on descriptors that others opened and close. Flat, and without
 * an object a packet. `pointer`s are addresses in memory: whoever passes one keeps the buffer until `flush`.
 */
export interface DatagramBatches {
  /** The memory that the kernel is given: to be held as long as this is used. */
  readonly keeps: readonly Uint8Array[];
  /** How many packets came, into `received`; 0: none is there. Never waits. */
  receive(fd: number): number;
  readonly received: ReceivedBatch;
  readonly mostReceived: number;

  /** Whether one more message of `blocks` parts fits, with so many bytes that are copied. */
  hasRoom(blocks: number, looseBytes: number): boolean;
  /** Begins a message; its index. `segment`: bytes of each packet that the kernel makes of it (UDP_SEGMENT); 0: it is one. */
  open(address: number, port: number, segment: number): number;
  /** Four bytes, to be written into `starts` at what this returns, and `length` bytes at `pointer`. */
  addBlock(pointer: number, length: number): number;
  readonly starts: Uint8Array;
  /** A packet of at least four bytes; it is copied. */
  addLoose(packet: Uint8Array): void;
  /** Sends all messages, and forgets them. The index of the first for which the socket has no room: as many as there were if it had. */
  flush(fd: number, onFailure: (index: number, failure: SendFailure) => void): number;

  /** The descriptors that `wait` is about, by index. */
  watch(fds: readonly number[]): void;
  /** Whether `wait` also ends when `fd` has room for what is to be sent. */
  watchRoom(fd: number, wanted: boolean): void;
  /** Waits until something is there, at most `ms`; how many descriptors have something. */
  wait(ms: number): number;
  /** Sleeps, whatever comes. */
  pause(microseconds: number): void;
  mayRead(index: number): boolean;
  mayWrite(index: number): boolean;
}

/** What one thread needs to have another one send for it. */
export interface RawMemory {
  /** Where bytes lie. They do not move; whoever uses the address keeps them. */
  addressOf(bytes: Uint8Array): number;
  /** An eventfd(2): eight bytes that are written to it end a `wait`. */
  openWake(): number;
  closeDescriptor(fd: number): void;
}

/** Addresses that are this host's for a while. */
export interface BorrowedAddresses {
  /** Throws TinderboxError `refused` without the right to. One that this host has already stays as it is. */
  borrow(address: Ipv4): void;
  /** All of them; nothing can be borrowed afterwards. */
  giveBack(): void;
}

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

/** Files without a name, in memory. */
export interface MemoryFiles {
  /** The descriptor is the caller's. Throws Node's error if there can be none. */
  open(): number;
  /**
   * Lays a file that is written out in large pages: what is sent from them costs the kernel less. False: it is not, or not
   * all of it, and may be later. The descriptor is used before this returns, and not afterwards. Never rejects.
   */
  enlargePages(descriptor: number): Promise<boolean>;
}
