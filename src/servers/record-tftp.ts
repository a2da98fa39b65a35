import type { Ipv4 } from '../machine/ipv4.ts';
import type { Transfer } from '../protocol/tftp/transfer.ts';
import type { PacketRecorder } from './port.ts';
import type { Remote } from './tftp-carrier.ts';

/** Shows the recorder what goes by one listening address and the ports of its transfers. `local`: our port. */
export interface TftpTap {
  /** Whether anybody looks. */
  readonly isOn: boolean;
  received(local: number, remote: Remote, bytes: Uint8Array): void;
  sent(local: number, remote: Remote, bytes: Uint8Array | readonly Uint8Array[], snap?: number): void;
}

export interface TftpTapOptions {
  readonly recorder: PacketRecorder | undefined;
  readonly via: string;
  readonly address: Ipv4;
}

export function createTftpTap({ recorder, via, address }: TftpTapOptions): TftpTap {
  const ends = (local: number, remote: Remote) => ({
    client: { address: remote.ip, port: remote.port },
    server: { address, port: local },
  });
  return {
    isOn: recorder !== undefined,
    received(local, remote, payload) {
      if (recorder === undefined) return;
      const { client, server } = ends(local, remote);
      recorder.record({ plane: 'tftp', direction: 'received', via, from: client, to: server, payload });
    },
    sent(local, remote, bytes, snap) {
      if (recorder === undefined) return;
      const { client, server } = ends(local, remote);
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
/** First and last blocks and their ACKs, resent ones included; a client that repeats one for ever shows nothing new by it. */
const MOST_AT_ENDS = 32;
/** Errors, and what is no answer at all. */
const MOST_OTHERS = 16;

/** Of a transfer that runs: options and errors, the first block and the last, what was sent again. Not megabytes. */
export interface TransferTap {
  /** An ACK, before it is taken note of. */
  acknowledged(packet: Uint8Array, block: number): void;
  other(packet: Uint8Array): void;
  block(block: number, bytes: readonly Uint8Array[]): void;
  control(packet: Uint8Array): void;
}

/** How much of a block is kept. */
export function snapOf(isSecret: boolean): number {
  return isSecret ? HEADER_SNAP : DATA_SNAP;
}

/** Which packets of a transfer are worth keeping. */
export interface Worth {
  /** Before the ACK is taken note of; `wire`: its 16 bits. */
  ofAck(wire: number): boolean;
  ofBlock(block: number): boolean;
  /** What is no ACK. */
  ofOther(): boolean;
}

export function createWorth(state: Transfer): Worth {
  let resent = MOST_RESENT;
  let atEnds = MOST_AT_ENDS;
  let others = MOST_OTHERS;
  const ofBlock = (block: number): boolean =>
    block <= 1 || block === state.lastBlock ? atEnds-- > 0 : state.resent && resent-- > 0;
  return {
    ofBlock,
    ofAck: (wire) => ofBlock(state.acknowledged + ((wire - state.acknowledged) & 0xffff)),
    ofOther: () => others-- > 0,
  };
}

export function createTransferTap(
  tap: TftpTap,
  parts: {
    readonly local: number;
    readonly remote: Remote;
    readonly state: Transfer;
    readonly isSecret: boolean;
  },
): TransferTap {
  const { local, remote, state } = parts;
  const snap = snapOf(parts.isSecret);
  const worth = createWorth(state);
  return {
    acknowledged(packet, block) {
      if (worth.ofAck(block)) tap.received(local, remote, packet);
    },
    other(packet) {
      if (worth.ofOther()) tap.received(local, remote, packet);
    },
    block(block, bytes) {
      if (worth.ofBlock(block)) tap.sent(local, remote, bytes, snap);
    },
    control: (packet) => tap.sent(local, remote, packet),
  };
}
