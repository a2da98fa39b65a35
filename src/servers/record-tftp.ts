import type { Socket } from 'node:dgram';
import { type Ipv4, parseIpv4, UNSPECIFIED } from '../machine/ipv4.ts';
import type { Transfer } from '../protocol/tftp/transfer.ts';
import type { PacketRecorder } from './port.ts';

interface Remote {
  readonly address: string;
  readonly port: number;
}

/** Shows the recorder what goes by one listening address and the ports of its transfers. */
export interface TftpTap {
  received(socket: Socket, remote: Remote, bytes: Uint8Array): void;
  sent(socket: Socket, remote: Remote, bytes: Uint8Array | readonly Uint8Array[], snap?: number): void;
}

export interface TftpTapOptions {
  readonly recorder: PacketRecorder | undefined;
  readonly via: string;
  readonly address: Ipv4;
}

export function createTftpTap({ recorder, via, address }: TftpTapOptions): TftpTap {
  const ends = (socket: Socket, remote: Remote) => ({
    client: { address: parseIpv4(remote.address) ?? UNSPECIFIED, port: remote.port },
    server: { address, port: socket.address().port },
  });
  return {
    received(socket, remote, payload) {
      if (recorder === undefined) return;
      const { client, server } = ends(socket, remote);
      recorder.record({ plane: 'tftp', direction: 'received', via, from: client, to: server, payload });
    },
    sent(socket, remote, bytes, snap) {
      if (recorder === undefined) return;
      const { client, server } = ends(socket, remote);
      const payload = bytes instanceof Uint8Array ? bytes : Buffer.concat(bytes);
      const cut = snap === undefined ? {} : { snap };
      recorder.record({ plane: 'tftp', direction: 'sent', via, from: server, to: client, payload, ...cut });
    },
  };
}

/** A header, and enough to see what kind of file it is. */
const DATA_SNAP = 64;
/** The header alone: of a machine's script nothing is kept, since it holds the URL of its session. */
const HEADER_SNAP = 4;
/** Of one transfer, besides its first blocks and its last. */
const MOST_RESENT = 24;

/** Of a transfer that runs: options and errors, the first block and the last, what was sent again. Not megabytes. */
export interface TransferTap {
  /** An ACK, before it is taken note of. */
  acknowledged(packet: Uint8Array, block: number): void;
  other(packet: Uint8Array): void;
  block(block: number, bytes: readonly Uint8Array[]): void;
  control(packet: Uint8Array): void;
}

export function createTransferTap(
  tap: TftpTap,
  parts: {
    readonly socket: Socket;
    readonly remote: Remote;
    readonly state: Transfer;
    readonly isSecret: boolean;
  },
): TransferTap {
  const { socket, remote, state } = parts;
  const snap = parts.isSecret ? HEADER_SNAP : DATA_SNAP;
  let left = MOST_RESENT;
  const isWorth = (block: number): boolean =>
    block <= 1 || block === state.lastBlock || (state.resent && left-- > 0);
  return {
    acknowledged(packet, block) {
      if (isWorth(state.acknowledged + ((block - state.acknowledged) & 0xffff)))
        tap.received(socket, remote, packet);
    },
    other: (packet) => tap.received(socket, remote, packet),
    block(block, bytes) {
      if (isWorth(block)) tap.sent(socket, remote, bytes, snap);
    },
    control: (packet) => tap.sent(socket, remote, packet),
  };
}
