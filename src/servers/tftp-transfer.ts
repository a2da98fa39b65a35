import type { RemoteInfo } from 'node:dgram';
import { negotiateOptions } from '../protocol/tftp/negotiate-options.ts';
import {
  ackedBlock,
  encodeTftpPacket,
  TFTP_ERRORS,
  type TftpRequest,
  writeDataHeader,
} from '../protocol/tftp/packet.ts';
import {
  acknowledgeBlock,
  blockLength,
  expireTransfer,
  startTransfer,
  type TransferStep,
} from '../protocol/tftp/transfer.ts';
import { createTransferTap, type TftpTap } from './record-tftp.ts';
import type { CarriedTransfer, Remote } from './tftp-carrier.ts';
import { endOfPacket, endOfSilence, type TransferEnd } from './tftp-endings.ts';
import type { TftpFile } from './tftp-files.ts';
import type { TransferSocket } from './tftp-sockets.ts';

/** A transfer on the main thread: one file on its way to one client, from a socket of its own. */
export interface RunningTransfer extends CarriedTransfer {
  /** When to call `expire`. */
  deadline(): number;
  expire(now: number): void;
}

export interface TransferParts {
  readonly request: TftpRequest;
  readonly file: TftpFile;
  readonly remote: Remote;
  readonly lent: TransferSocket;
  readonly tap: TftpTap;
  /** Bytes, of the interface. */
  readonly mtu: number;
  /** Milliseconds, of a clock that does not jump. */
  readonly now: () => number;
  /** Called once, after the last packet was sent. */
  readonly onEnd: (end: TransferEnd) => void;
  /** Somebody else wrote to this port. */
  readonly onStranger: (bytes: Buffer, remote: RemoteInfo) => void;
  /** The client sent what is no answer to a block. */
  readonly onNonsense: () => void;
}

/** Joins the pure transfer to its socket. The receiver it sets is called for every packet of the port. */
export function createRunningTransfer(parts: TransferParts): RunningTransfer {
  const { file, lent, now } = parts;
  const { socket } = lent;
  const { address, port } = parts.remote;
  const bytes = Buffer.from(file.bytes.buffer, file.bytes.byteOffset, file.bytes.byteLength);
  const negotiated = negotiateOptions(parts.request.options, { fileSize: bytes.length, mtu: parts.mtu });
  const { answer } = negotiated;
  const state = startTransfer({
    fileSize: bytes.length,
    blockSize: negotiated.blockSize,
    windowSize: negotiated.windowSize,
    timeout: negotiated.timeout,
    negotiating: answer !== undefined,
    now: now(),
  });
  const tap = createTransferTap(parts.tap, {
    local: lent.port,
    remote: parts.remote,
    state,
    isSecret: file.kind === 'script',
  });
  let ended = false;

  const sendControl = (packet: Uint8Array): void => {
    tap.control(packet);
    socket.send(packet, port, address);
  };

  const send = (step: TransferStep): void => {
    switch (step) {
      case 'none':
        return;
      case 'oack':
        if (answer !== undefined) sendControl(encodeTftpPacket({ kind: 'options-ack', options: answer }));
        return;
      case 'data':
        for (let block = state.sendFrom; block <= state.sent; block++) sendBlock(block);
        return;
      case 'finished':
        end({ kind: 'finished', acknowledged: true });
        return;
      case 'finished-unacknowledged':
        end({ kind: 'finished', acknowledged: false });
        return;
      case 'stalled':
        end(endOfSilence(state));
        return;
    }
  };

  // Header and content as a list: copying both into one packet measured no faster, and a packet that is reused could
  // still be waiting in the socket's queue.
  const sendBlock = (block: number): void => {
    const header = Buffer.allocUnsafe(4);
    writeDataHeader(header, block);
    const start = (block - 1) * state.blockSize;
    const length = blockLength(state, block);
    const packet = length === 0 ? [header] : [header, bytes.subarray(start, start + length)];
    tap.block(block, packet);
    socket.send(packet, port, address);
  };

  const end = (how: TransferEnd, message?: string): void => {
    if (ended) return;
    ended = true;
    if (message !== undefined) {
      sendControl(encodeTftpPacket({ kind: 'error', code: TFTP_ERRORS.other, message }));
    }
    parts.onEnd(how);
  };

  const receiveOther = (packet: Buffer): void => {
    const how = endOfPacket(state, packet);
    if (how === 'nonsense') parts.onNonsense();
    else if (how !== undefined) end(how);
  };

  lent.receiver = (packet, remote) => {
    // TFTP 7: a transfer belongs to one address and port.
    if (remote.port !== port || remote.address !== address) {
      parts.onStranger(packet, remote);
      return;
    }
    const block = ackedBlock(packet);
    if (block === -1) {
      tap.other(packet);
      receiveOther(packet);
      return;
    }
    tap.acknowledged(packet, block);
    send(acknowledgeBlock(state, block, now()));
  };

  return {
    file,
    answer,
    figures: () => state,
    quietFor: () => (state.heard ? now() - state.progressAt : undefined),
    deadline: () => state.deadline,
    negotiationReasons: negotiated.reasons,
    begin: () => send(answer === undefined ? 'data' : 'oack'),
    expire: (at) => send(expireTransfer(state, at)),
    end,
  };
}
