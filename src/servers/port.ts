import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';

export interface DatagramEnd {
  readonly address: Ipv4;
  readonly port: number;
}

/** A UDP datagram as a server's socket told of it. */
export interface SeenDatagram {
  /** Each has room of its own, so that a talkative one does not push out the others. 4011 is `dhcp`. */
  readonly plane: 'dhcp' | 'tftp' | 'syslog';
  readonly direction: 'received' | 'sent';
  /** The interface's name. */
  readonly via: string;
  /** Whose it is. Absent: of the machine that has the client's address. */
  readonly mac?: Mac;
  readonly from: DatagramEnd;
  readonly to: DatagramEnd;
  /** Copied at once. */
  readonly payload: Uint8Array;
  /** Bytes of it that are worth keeping; absent: all. */
  readonly snap?: number;
}

/** Keeps the last packets of each machine. Never throws; costs microseconds. */
export interface PacketRecorder {
  record(datagram: SeenDatagram): void;
}
