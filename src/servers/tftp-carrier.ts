import { type Ipv4, parseIpv4, UNSPECIFIED } from '../machine/ipv4.ts';
import type { TftpRequest } from '../protocol/tftp/packet.ts';
import type { TftpOptions } from '../protocol/tftp/text.ts';
import type { TransferEnd } from './tftp-endings.ts';
import type { TftpFile } from './tftp-files.ts';

/** A client's end of a transfer, in each of the forms that are used often. */
export interface Remote {
  readonly address: string;
  readonly port: number;
  readonly ip: Ipv4;
  /** `address:port`. */
  readonly key: string;
}

export function remoteOf(address: string, port: number, ip = parseIpv4(address)): Remote {
  return { address, port, ip: ip ?? UNSPECIFIED, key: `${address}:${port}` };
}

/** How far a transfer has come. */
export interface TransferFigures {
  /** Blocks. */
  readonly acknowledged: number;
  readonly blockSize: number;
  /** Blocks (and OACKs) that were sent again. */
  readonly resends: number;
}

/** One file on its way to one client, from one port. */
export interface CarriedTransfer {
  readonly file: TftpFile;
  readonly answer: TftpOptions | undefined;
  readonly negotiationReasons: readonly string[];
  figures(): TransferFigures;
  /** Milliseconds since the client last got on; undefined: nothing was heard of it. */
  quietFor(): number | undefined;
  /** Sends the first packet. */
  begin(): void;
  /** Ends it from our side; an ERROR tells the client if `message` is given. */
  end(end: TransferEnd, message?: string): void;
}

export interface CarryOrder {
  readonly request: TftpRequest;
  readonly file: TftpFile;
  /** Called once. */
  readonly onEnd: (end: TransferEnd) => void;
}

/** A port that is kept for one client's transfer. */
export interface Berth {
  carry(order: CarryOrder): CarriedTransfer;
  /** Where nothing was carried. */
  giveBack(): void;
}

/** A port of ours to which somebody wrote whose transfer it is not. */
export interface StrayPort {
  /** Whether that is a client of a moment ago: its packet is late, and it no stranger. */
  servedLately(remote: Remote): boolean;
  /** Sends a packet from it, and shows it to the recorder. */
  answer(remote: Remote, packet: Uint8Array): void;
}

export type OnStray = (port: StrayPort, bytes: Uint8Array, remote: Remote) => void;

/** What brings the files of one listening address to their clients. */
export interface Carrier {
  /** A port that did not serve this client lately. Rejects where none can be opened. */
  berth(remote: Remote): Promise<Berth>;
  /** Looks for what is to be sent again. */
  tick(): void;
  /** Closes the ports without transfers. */
  closeIdle(): void;
  close(): Promise<void>;
  /** Open sockets. */
  count(): number;
}
