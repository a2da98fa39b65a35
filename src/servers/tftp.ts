import type { RemoteInfo, Socket } from 'node:dgram';
import { toTinderboxError } from '../errors.ts';
import { type Ipv4, parseIpv4 } from '../machine/ipv4.ts';
import { normalizeFileName } from '../protocol/tftp/file-name.ts';
import {
  decodeTftpPacket,
  encodeTftpPacket,
  TFTP_ERRORS,
  TftpDecodeError,
  type TftpPacket,
  type TftpRequest,
} from '../protocol/tftp/packet.ts';
import { createTftpTap, type TftpTap } from './record-tftp.ts';
import { createStayAwake } from './stay-awake.ts';
import { createTftpEvents } from './tftp-events.ts';
import type { TftpFile } from './tftp-files.ts';
import { createOccupancy } from './tftp-occupancy.ts';
import { createTransferSockets, type TransferSocket, type TransferSockets } from './tftp-sockets.ts';
import { readable } from './tftp-texts.ts';
import { createRunningTransfer, type RunningTransfer, type TransferEnd } from './tftp-transfer.ts';
import type { TftpServer, TftpServerOptions } from './tftp-types.ts';
import { createWarnings } from './tftp-warnings.ts';

export type { TftpServer, TftpServerOptions } from './tftp-types.ts';

/** A request that comes again while its transfer got on within this time is a late packet, not a new client. */
const LATE_REQUEST = 1_000;
/** Of all transfers one address may have a quarter: machines behind one translated address boot together, too. */
const SHARE_OF_ADDRESS = 4;
/** Room for the first packets of a rack that is switched on at once. */
const REQUEST_BUFFER = 1024 * 1024;

/** One client's: from its request, while the file is still looked for, to the end. */
interface Slot {
  readonly request: Buffer;
  running: RunningTransfer | undefined;
}

interface Listener {
  readonly address: Ipv4;
  readonly socket: Socket;
  readonly sockets: TransferSockets;
  readonly tap: TftpTap;
  readonly slots: Map<string, Slot>;
}

/**
 * Serves files to read on one interface: RRQ only, octet only (TFTP 1). Throws what `openSocket` throws, with no
 * socket left open.
 */
export async function startTftpServer(options: TftpServerOptions): Promise<TftpServer> {
  const { clock, journal } = options;
  const monotonic = clock.monotonic?.bind(clock) ?? (() => performance.now());
  const warn = createWarnings(options.logger, monotonic);
  const events = createTftpEvents({ journal, via: options.via, now: () => clock.now() });
  const listeners: Listener[] = [];
  let stopping = false;

  const tick = (): void => {
    const now = monotonic();
    for (const listener of listeners) {
      for (const slot of listener.slots.values()) {
        if (slot.running !== undefined && slot.running.state.deadline <= now) slot.running.expire(now);
      }
    }
  };

  const stayAwake = createStayAwake();
  const occupancy = createOccupancy(tick, () => {
    for (const listener of listeners) listener.sockets.closeIdle();
  });

  // One address that asks and never answers must leave room for the others.
  const mostOfAddress = Math.max(1, Math.floor(options.maxTransfers / SHARE_OF_ADDRESS));
  const perAddress = new Map<string, number>();
  const enter = (address: string): void => {
    perAddress.set(address, (perAddress.get(address) ?? 0) + 1);
    occupancy.enter();
  };
  const leave = (address: string): void => {
    const left = (perAddress.get(address) ?? 1) - 1;
    if (left > 0) perAddress.set(address, left);
    else perAddress.delete(address);
    occupancy.leave();
  };

  const refuse = (
    listener: Listener,
    remote: RemoteInfo,
    request: TftpRequest,
    code: number,
    reason: string,
  ): void => {
    sendError(listener.tap, listener.socket, remote, code, reason);
    events.refused(remote.address, request, `error ${code}`, reason);
  };

  /** TFTP 7: somebody wrote to a port that is another's. An ERROR is never answered with one, or two servers play ball. */
  const answerStranger = (
    listener: Listener,
    lent: TransferSocket,
    bytes: Buffer,
    remote: RemoteInfo,
  ): void => {
    if (listener.sockets.servedLately(lent, clientKey(remote))) {
      journal.count('tftp.late');
      return;
    }
    journal.count('tftp.stranger');
    if (bytes.length < 4 || bytes[1] === 5 || remote.port === 0) return;
    const text = 'this port is of another transfer';
    sendError(listener.tap, lent.socket, remote, TFTP_ERRORS.unknownTransfer, text);
  };

  /** Receive → decode → identify → decide → record → encode → send. */
  const receive = (listener: Listener, bytes: Buffer, remote: RemoteInfo): void => {
    const packet = decode(bytes);
    if (packet === undefined || remote.port === 0 || stopping) {
      journal.count('tftp.ignored');
      return;
    }
    listener.tap.received(listener.socket, remote, bytes);
    switch (packet.kind) {
      case 'read':
        answerRead(listener, bytes, remote, packet).catch((thrown: unknown) => {
          const error = toTinderboxError(thrown).message;
          events.failed(remote.address, packet, error);
          warn('a request failed', { error });
        });
        return;
      case 'write':
        refuse(listener, remote, packet, TFTP_ERRORS.accessViolation, 'this server only reads');
        return;
      case 'data':
      case 'ack':
      case 'error':
      case 'options-ack':
        journal.count('tftp.ignored');
        return;
    }
  };

  const answerRead = async (
    listener: Listener,
    bytes: Buffer,
    remote: RemoteInfo,
    request: TftpRequest,
  ): Promise<void> => {
    if (request.mode.toLowerCase() !== 'octet') {
      const reason = 'only the mode octet is served';
      refuse(listener, remote, request, TFTP_ERRORS.illegalOperation, reason);
      return;
    }
    const key = clientKey(remote);
    const before = listener.slots.get(key);
    if (before !== undefined && isDuplicate(before, bytes, monotonic())) {
      journal.count('tftp.duplicate-request');
      return;
    }
    before?.running?.end({ kind: 'replaced', reason: 'the same client asked anew from the same port' });
    const ofAddress = perAddress.get(remote.address) ?? 0;
    if (before === undefined && ofAddress >= mostOfAddress) {
      events.ignored(
        remote.address,
        request,
        `${ofAddress} transfers of this address are running: it asks again`,
      );
      warn('too many transfers of one address', { address: remote.address });
      return;
    }
    if (before === undefined && occupancy.count() >= options.maxTransfers) {
      events.ignored(remote.address, request, `${options.maxTransfers} transfers are running: it asks again`);
      warn('too many transfers', { maxTransfers: options.maxTransfers });
      return;
    }
    const name = normalizeFileName(request.name);
    if ('refused' in name) {
      refuse(listener, remote, request, TFTP_ERRORS.accessViolation, name.refused);
      return;
    }
    const slot: Slot = { request: bytes, running: undefined };
    // A request that is still being looked up gives its place to the newer one.
    if (listener.slots.get(key) === undefined) enter(remote.address);
    listener.slots.set(key, slot);
    let started = false;
    try {
      started = await startFor(listener, slot, key, remote, request, name.name);
    } finally {
      if (!started && listener.slots.get(key) === slot) {
        listener.slots.delete(key);
        leave(remote.address);
      }
    }
  };

  const startFor = async (
    listener: Listener,
    slot: Slot,
    key: string,
    remote: RemoteInfo,
    request: TftpRequest,
    name: string,
  ): Promise<boolean> => {
    const found = await options.lookup(name, {
      remote: parseIpv4(remote.address),
      server: listener.address,
      via: options.via,
      asked: `RRQ ${readable(request.name)}`,
    });
    if ('file' in found) {
      const { file } = found;
      let started = false;
      try {
        started = await sendTo(listener, slot, key, remote, request, file);
      } finally {
        if (!started) file.release?.();
      }
      return started;
    }
    if (listener.slots.get(key) !== slot || stopping) return false;
    if (found.busy === true) {
      events.ignored(remote.address, request, `${found.refused}: it asks again`);
      warn('no memory for another file', { name });
    } else {
      const code = found.missing === true ? TFTP_ERRORS.notFound : TFTP_ERRORS.accessViolation;
      if (found.harmless === true) {
        sendError(listener.tap, listener.socket, remote, code, found.refused);
        events.absent(remote.address, request, `error ${code}`, found.refused);
      } else refuse(listener, remote, request, code, found.refused);
    }
    return false;
  };

  const sendTo = async (
    listener: Listener,
    slot: Slot,
    key: string,
    remote: RemoteInfo,
    request: TftpRequest,
    file: TftpFile,
  ): Promise<boolean> => {
    if (listener.slots.get(key) !== slot || stopping) return false;
    const lent = await listener.sockets.borrow(key);
    if (listener.slots.get(key) !== slot) {
      listener.sockets.giveBack(lent, key);
      return false;
    }
    startOn(listener, slot, key, remote, request, file, lent);
    return true;
  };

  const startOn = (
    listener: Listener,
    slot: Slot,
    key: string,
    remote: RemoteInfo,
    request: TftpRequest,
    file: TftpFile,
    lent: TransferSocket,
  ): void => {
    const onEnd = (end: TransferEnd): void => {
      listener.sockets.giveBack(lent, key);
      file.release?.();
      if (listener.slots.get(key) === slot) listener.slots.delete(key);
      events.done(remote.address, request, transfer, end, monotonic() - transfer.state.startedAt);
      leave(remote.address);
    };
    const transfer = createRunningTransfer({
      request,
      file,
      remote,
      lent,
      tap: listener.tap,
      mtu: options.mtu,
      now: monotonic,
      onEnd,
      onStranger: (bytes, stranger) => answerStranger(listener, lent, bytes, stranger),
      onNonsense: () => journal.count('tftp.ignored'),
    });
    slot.running = transfer;
    events.answered(remote.address, request, transfer);
    transfer.begin();
  };

  const onError = (error: Error): void => {
    journal.count('tftp.send-failed');
    warn('a packet could not be sent', { error: error.message });
  };

  const listen = async (address: Ipv4): Promise<void> => {
    const device = options.device === undefined ? {} : { device: options.device };
    const port = options.port === 0 ? (listeners[0]?.socket.address().port ?? 0) : options.port;
    const socket = await options.openSocket({ ...device, port, address, receiveBuffer: REQUEST_BUFFER });
    const listener: Listener = {
      address,
      socket,
      slots: new Map(),
      tap: createTftpTap({ recorder: options.recorder, via: options.via, address }),
      sockets: createTransferSockets({
        openSocket: options.openSocket,
        address,
        device: options.device,
        now: monotonic,
        onStray: (lent, bytes, remote) => answerStranger(listener, lent, bytes, remote),
        stayAwake,
        onError,
      }),
    };
    listeners.push(listener);
    socket.on('error', onError);
    socket.on('message', (bytes, remote) => receive(listener, bytes, remote));
  };

  try {
    for (const address of options.addresses) await listen(address);
  } catch (error) {
    for (const listener of listeners) listener.socket.close();
    throw error;
  }

  const endAll = (): void => {
    for (const listener of listeners) {
      for (const slot of listener.slots.values()) {
        slot.running?.end({ kind: 'stopped', reason: 'the server stops' }, 'the server stops');
      }
    }
  };

  return {
    port: listeners[0]?.socket.address().port ?? options.port,
    activeTransfers: () => occupancy.count(),
    openSockets: () => listeners.reduce((sum, listener) => sum + listener.sockets.count() + 1, 0),
    async stop({ graceMs }) {
      if (stopping) return;
      stopping = true;
      for (const listener of listeners) listener.socket.close();
      await occupancy.untilEmpty(graceMs);
      endAll();
      occupancy.stop();
      // The last packets go out in the turn of the event loop that follows.
      await new Promise<void>((resolve) => setImmediate(resolve));
      for (const listener of listeners) listener.sockets.close();
    },
  };
}

/** TFTP 6: the same request from the same port is one transfer, unless that has come to a standstill since. */
function isDuplicate(slot: Slot, request: Buffer, now: number): boolean {
  if (!slot.request.equals(request)) return false;
  const state = slot.running?.state;
  return state === undefined || !state.heard || now - state.progressAt < LATE_REQUEST;
}

function sendError(tap: TftpTap, socket: Socket, remote: RemoteInfo, code: number, message: string): void {
  const packet = encodeTftpPacket({ kind: 'error', code, message });
  tap.sent(socket, remote, packet);
  socket.send(packet, remote.port, remote.address);
}

function clientKey(remote: RemoteInfo): string {
  return `${remote.address}:${remote.port}`;
}

function decode(bytes: Buffer): TftpPacket | undefined {
  try {
    return decodeTftpPacket(bytes);
  } catch (error) {
    if (error instanceof TftpDecodeError) return undefined;
    throw error;
  }
}
