import type { RemoteInfo, Socket } from 'node:dgram';
import { toTinderboxError } from '../errors.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import { normalizeFileName } from '../protocol/tftp/file-name.ts';
import {
  decodeTftpPacket,
  encodeTftpPacket,
  TFTP_ERRORS,
  TftpDecodeError,
  type TftpPacket,
  type TftpRequest,
} from '../protocol/tftp/packet.ts';
import { createLocalCarrier } from './carry-here.ts';
import { createThreadCarrier } from './carry-in-thread.ts';
import { createTftpTap, type TftpTap } from './record-tftp.ts';
import { createStayAwake } from './stay-awake.ts';
import {
  type Berth,
  type CarriedTransfer,
  type Carrier,
  type OnStray,
  type Remote,
  remoteOf,
} from './tftp-carrier.ts';
import type { TransferEnd } from './tftp-endings.ts';
import { createTftpEvents } from './tftp-events.ts';
import type { TftpFile } from './tftp-files.ts';
import { createOccupancy } from './tftp-occupancy.ts';
import { readable } from './tftp-texts.ts';
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
  running: CarriedTransfer | undefined;
}

interface Listener {
  readonly address: Ipv4;
  readonly socket: Socket;
  readonly port: number;
  readonly carrier: Carrier;
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
    for (const listener of listeners) listener.carrier.tick();
  };

  const stayAwake = createStayAwake();
  const occupancy = createOccupancy(tick, () => {
    for (const listener of listeners) listener.carrier.closeIdle();
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
    remote: Remote,
    request: TftpRequest,
    code: number,
    reason: string,
  ): void => {
    sendError(listener, remote, code, reason);
    events.refused(remote.ip, request, `error ${code}`, reason);
  };

  /** TFTP 7: somebody wrote to a port that is another's. An ERROR is never answered with one, or two servers play ball. */
  const answerStranger: OnStray = (port, bytes, remote) => {
    if (port.servedLately(remote)) {
      journal.count('tftp.late');
      return;
    }
    journal.count('tftp.stranger');
    if (bytes.length < 4 || bytes[1] === 5 || remote.port === 0) return;
    const message = 'this port is of another transfer';
    port.answer(remote, encodeTftpPacket({ kind: 'error', code: TFTP_ERRORS.unknownTransfer, message }));
  };

  /** Receive → decode → identify → decide → record → encode → send. */
  const receive = (listener: Listener, bytes: Buffer, from: RemoteInfo): void => {
    const packet = decode(bytes);
    if (packet === undefined || from.port === 0 || stopping) {
      journal.count('tftp.ignored');
      return;
    }
    const remote = remoteOf(from.address, from.port);
    listener.tap.received(listener.port, remote, bytes);
    switch (packet.kind) {
      case 'read':
        answerRead(listener, bytes, remote, packet).catch((thrown: unknown) => {
          const error = toTinderboxError(thrown).message;
          events.failed(remote.ip, packet, error);
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
    remote: Remote,
    request: TftpRequest,
  ): Promise<void> => {
    if (request.mode.toLowerCase() !== 'octet') {
      const reason = 'only the mode octet is served';
      refuse(listener, remote, request, TFTP_ERRORS.illegalOperation, reason);
      return;
    }
    const { key } = remote;
    const before = listener.slots.get(key);
    if (before !== undefined && isDuplicate(before, bytes)) {
      journal.count('tftp.duplicate-request');
      return;
    }
    before?.running?.end({ kind: 'replaced', reason: 'the same client asked anew from the same port' });
    const ofAddress = perAddress.get(remote.address) ?? 0;
    if (before === undefined && ofAddress >= mostOfAddress) {
      events.ignored(remote.ip, request, `${ofAddress} transfers of this address are running: it asks again`);
      warn('too many transfers of one address', { address: remote.address });
      return;
    }
    if (before === undefined && occupancy.count() >= options.maxTransfers) {
      events.ignored(remote.ip, request, `${options.maxTransfers} transfers are running: it asks again`);
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
    remote: Remote,
    request: TftpRequest,
    name: string,
  ): Promise<boolean> => {
    const found = await options.lookup(name, {
      remote: remote.ip,
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
      events.ignored(remote.ip, request, `${found.refused}: it asks again`);
      warn('no memory for another file', { name });
    } else {
      const code = found.missing === true ? TFTP_ERRORS.notFound : TFTP_ERRORS.accessViolation;
      if (found.harmless === true) {
        sendError(listener, remote, code, found.refused);
        events.absent(remote.ip, request, `error ${code}`, found.refused);
      } else refuse(listener, remote, request, code, found.refused);
    }
    return false;
  };

  const sendTo = async (
    listener: Listener,
    slot: Slot,
    key: string,
    remote: Remote,
    request: TftpRequest,
    file: TftpFile,
  ): Promise<boolean> => {
    if (listener.slots.get(key) !== slot || stopping) return false;
    const berth = await listener.carrier.berth(remote);
    if (listener.slots.get(key) !== slot) {
      berth.giveBack();
      return false;
    }
    startOn(listener, slot, key, remote, request, file, berth);
    return true;
  };

  const startOn = (
    listener: Listener,
    slot: Slot,
    key: string,
    remote: Remote,
    request: TftpRequest,
    file: TftpFile,
    berth: Berth,
  ): void => {
    const startedAt = monotonic();
    const onEnd = (end: TransferEnd): void => {
      file.release?.();
      if (listener.slots.get(key) === slot) listener.slots.delete(key);
      events.done(remote.ip, request, transfer, end, monotonic() - startedAt);
      leave(remote.address);
    };
    const transfer = berth.carry({ request, file, onEnd });
    slot.running = transfer;
    events.answered(remote.ip, request, transfer);
    transfer.begin();
  };

  const onError = (error: Error): void => {
    journal.count('tftp.send-failed');
    warn('a packet could not be sent', { error: error.message });
  };

  const listen = async (address: Ipv4): Promise<void> => {
    const device = options.device === undefined ? {} : { device: options.device };
    const port = options.port === 0 ? (listeners[0]?.port ?? 0) : options.port;
    const socket = await options.openSocket({ ...device, port, address, receiveBuffer: REQUEST_BUFFER });
    const tap = createTftpTap({ recorder: options.recorder, via: options.via, address });
    const mtu = (): number => options.mtu;
    const carrying = { address, device: options.device, tap, mtu, now: monotonic, onStray: answerStranger };
    const here = createLocalCarrier({
      ...carrying,
      openSocket: options.openSocket,
      stayAwake,
      onError,
      onNonsense: () => journal.count('tftp.ignored'),
    });
    const away =
      options.thread === undefined ? undefined : createThreadCarrier({ ...carrying, ...options.thread });
    const carrier = away === undefined ? here : joinCarriers(away, here);
    const listener: Listener = {
      address,
      socket,
      port: socket.address().port,
      slots: new Map(),
      tap,
      carrier,
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
    port: listeners[0]?.port ?? options.port,
    activeTransfers: () => occupancy.count(),
    openSockets: () => listeners.reduce((sum, listener) => sum + listener.carrier.count() + 1, 0),
    async stop({ graceMs }) {
      if (stopping) return;
      stopping = true;
      for (const listener of listeners) listener.socket.close();
      await occupancy.untilEmpty(graceMs);
      endAll();
      occupancy.stop();
      await Promise.all(listeners.map((listener) => listener.carrier.close()));
    },
  };
}

/** TFTP 6: the same request from the same port is one transfer, unless that has come to a standstill since. */
function isDuplicate(slot: Slot, request: Buffer): boolean {
  if (!slot.request.equals(request)) return false;
  const quiet = slot.running?.quietFor();
  return quiet === undefined || quiet < LATE_REQUEST;
}

/** By the thread where there is one, else on the main thread. */
function joinCarriers(away: ReturnType<typeof createThreadCarrier>, here: Carrier): Carrier {
  return {
    berth: async (remote) => (await away.berth(remote)) ?? here.berth(remote),
    tick: () => here.tick(),
    closeIdle() {
      away.closeIdle();
      here.closeIdle();
    },
    close: async () => void (await Promise.all([away.close(), here.close()])),
    count: () => away.count() + here.count(),
  };
}

function sendError({ tap, port, socket }: Listener, remote: Remote, code: number, message: string): void {
  const packet = encodeTftpPacket({ kind: 'error', code, message });
  tap.sent(port, remote, packet);
  socket.send(packet, remote.port, remote.address);
}

function decode(bytes: Buffer): TftpPacket | undefined {
  try {
    return decodeTftpPacket(bytes);
  } catch (error) {
    if (error instanceof TftpDecodeError) return undefined;
    throw error;
  }
}
