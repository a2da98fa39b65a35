import type { Logger } from '../logger.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import type { OpenUdpDescriptor, OpenUdpSocket } from '../net/port.ts';
import type { Journal } from '../store/port.ts';
import type { PacketRecorder } from './port.ts';
import type { TftpLookup } from './tftp-files.ts';
import type { TransferThread } from './tftp-thread.ts';

export interface TftpServerOptions {
  /** One listening socket each: a transfer answers from the address that was asked (TFTP 1). */
  readonly addresses: readonly Ipv4[];
  /** Sockets are tied to this interface. */
  readonly device?: string;
  /** 69; 0 for any (all addresses then get the port of the first). */
  readonly port: number;
  /** Bytes, of the interface: no block is larger than fits. */
  readonly mtu: number;
  /** At once; requests beyond get silence, and the client's own retry asks again. */
  readonly maxTransfers: number;
  readonly openSocket: OpenUdpSocket;
  /** Sends the blocks of all transfers; absent: the main thread does. It is not stopped with the server. */
  readonly thread?: TftpThreadAccess | undefined;
  readonly lookup: TftpLookup;
  readonly logger: Logger;
  readonly journal: Pick<Journal, 'record' | 'macAt' | 'count'>;
  readonly recorder?: PacketRecorder | undefined;
  /** The interface's name, for events. */
  readonly via: string;
  readonly clock: {
    /** Milliseconds since the epoch, for events. */
    now(): number;
    /** Milliseconds of a clock that does not jump, for retransmission; performance.now() by default. */
    monotonic?(): number;
  };
}

export interface TftpThreadAccess {
  readonly thread: TransferThread;
  readonly openDescriptor: OpenUdpDescriptor;
  readonly closeDescriptor: (fd: number) => void;
}

export interface TftpServer {
  readonly port: number;
  activeTransfers(): number;
  /** Sockets that are open, those of the listeners included. */
  openSockets(): number;
  /** Takes no new transfers; resolves when the running ones have ended, at the latest after `graceMs`. */
  stop(options: { readonly graceMs: number }): Promise<void>;
}
