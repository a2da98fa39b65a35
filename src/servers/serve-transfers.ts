import type { DatagramBatches, SendFailure } from '../net/port.ts';
import { ackedBlock, writeDataHeader } from '../protocol/tftp/packet.ts';
import {
  acknowledgeBlock,
  blockLength,
  expireTransfer,
  startTransfer,
  type Transfer,
  type TransferStep,
} from '../protocol/tftp/transfer.ts';
import { createWorth, type Worth } from './record-tftp.ts';
import { endOfPacket, endOfSilence, type TransferEnd } from './tftp-endings.ts';
import { createThreadLog, type ThreadReports } from './tftp-thread-log.ts';
import {
  ACKNOWLEDGED,
  ASLEEP,
  FIELDS,
  HEARD,
  ORDERS,
  PROGRESS_AT,
  RESENDS,
  type StartOrder,
  type TftpThreadOptions,
  type ThreadOrder,
  UNHEARD,
} from './tftp-thread-messages.ts';

/** Between two looks for what is to be sent again. Milliseconds, as all of these. */
const TICK = 10;
/** Without transfers the thread still looks this often whether it is to end. */
const DOZE = 500;
/** It stays awake so long after a packet: in lock step the waking of a sleeping processor is most of a block's time. */
const AWAKE = 0.1;
/** Reports wait so long for others while there is more to do: waking the main thread costs as much as twenty blocks. */
const REPORT = 1;
/** Of one port before the others have their turn: more than its buffer holds, so that what came in time was read. */
const BATCHES = 8;
/** UDP_MAX_SEGMENTS of older kernels, and what one datagram before it is cut may have. */
const SEGMENTS = 64;
const SEGMENTED_BYTES = 65_000;
/**
 * With so many transfers, of which less than one in FEW has sent a packet since the last turn, the thread sleeps for a
 * moment (microseconds; the kernel makes at least 50 more of them): a turn for one packet costs twice what it costs among
 * others, and those who wait are too many to notice.
 */
const MANY = 16;
const FEW = 4;
const PAUSE = 20;
const MOST_BACKLOG = 4096;
/** The device, or the way to it, cannot do it: an old driver, a tunnel. */
const UNSEGMENTED: readonly string[] = ['EIO', 'EINVAL', 'EOPNOTSUPP', 'EMSGSIZE', 'ENOPROTOOPT'];

const PORT_IS_GONE: TransferEnd = { kind: 'stopped', reason: 'its port was closed' };

interface Port {
  readonly fd: number;
  /** By address × 65536 + port. */
  readonly flights: Map<number, Flight>;
  /** What its socket had no room for. */
  backlog: Pending[];
}

interface Flight {
  readonly slot: number;
  readonly address: number;
  readonly port: number;
  readonly key: number;
  readonly from: Port;
  /** Where its file lies: the main thread keeps it there until it was told that the transfer is over. */
  readonly at: number;
  readonly answer: Uint8Array | undefined;
  readonly state: Transfer;
  readonly worth: Worth | undefined;
  isOver: boolean;
  pending: number;
  /** Of its own: what hinders it (a narrow path to this client, an address of ours that is gone) may hinder nobody else. */
  segmenting: boolean;
}

/** Blocks to be sent; 0 is the OACK. */
interface Pending {
  readonly flight: Flight;
  readonly first: number;
  readonly last: number;
}

export interface TransferLoopParts {
  readonly options: TftpThreadOptions;
  readonly batches: DatagramBatches;
  /** The next order that was posted, without waiting. */
  readonly nextOrder: () => ThreadOrder | undefined;
  readonly report: (reports: ThreadReports) => void;
  /** Takes from the wake descriptor what was written to it. */
  readonly clearWake: () => void;
  /** Milliseconds of this thread's clock, and of the main thread's as transfers see it. */
  readonly wall: () => number;
  readonly now: () => number;
}

export interface TransferLoop {
  take(order: ThreadOrder): void;
  /** Serves as long as there are ports; blocks the thread. False: it is to end. */
  run(): boolean;
}

/**
 * Everything that happens to a transfer between its start and its end, for all transfers, in one thread that does nothing
 * else: wait, receive a batch, move each transfer on (protocol/tftp/transfer.ts), send a batch. It never returns to an
 * event loop while it has ports, so that a block costs no callback, no object and a part of two system calls.
 */
export function createTransferLoop(parts: TransferLoopParts): TransferLoop {
  const { batches, wall, now } = parts;
  const { control, progress, wake } = parts.options;
  const { received } = batches;
  const log = createThreadLog(() => Atomics.load(control, UNHEARD));
  const ports: Port[] = [];
  const flights = new Map<number, Flight>();
  /** What the messages of the batch that is being filled hold, by index; undefined: another packet than of a transfer. */
  let batch: (Pending | undefined)[] = [];
  let batchOf: Port | undefined;
  let activeAt = 0;
  let stopped = false;

  const failures: { readonly index: number; readonly failure: SendFailure }[] = [];
  const onFailure = (index: number, failure: SendFailure): void => void failures.push({ index, failure });

  const flush = (): void => {
    const port = batchOf;
    if (port === undefined) return;
    batchOf = undefined;
    const filled = batch;
    batch = [];
    const sent = batches.flush(port.fd, onFailure);
    for (let index = sent; index < filled.length; index++) putOff(port, filled[index]);
    if (failures.length > 0) mend(filled);
  };

  const putOff = (port: Port, pending: Pending | undefined): void => {
    // What is no block nobody waits for; what does not fit is mended by the timer.
    if (pending === undefined || port.backlog.length >= MOST_BACKLOG) return;
    if (port.backlog.length === 0) batches.watchRoom(port.fd, true);
    port.backlog.push(pending);
    pending.flight.pending++;
  };

  const mend = (filled: readonly (Pending | undefined)[]): void => {
    const again: Pending[] = [];
    for (const { index, failure } of failures.splice(0)) {
      const pending = filled[index];
      if (pending === undefined || pending.last === pending.first || !UNSEGMENTED.includes(failure.code)) {
        log.failed(failure.code);
        continue;
      }
      pending.flight.segmenting = false;
      again.push(pending);
    }
    for (const { flight, first, last } of again) if (!flight.isOver) sendBlocks(flight, first, last);
    flush();
  };

  const room = (port: Port, blocks: number, bytes: number): void => {
    if (batchOf !== port || !batches.hasRoom(blocks, bytes)) flush();
    batchOf = port;
  };

  const sendPacket = (port: Port, address: number, to: number, packet: Uint8Array, what?: Pending): void => {
    room(port, 1, packet.length);
    batches.open(address, to, 0);
    batches.addLoose(packet);
    batch.push(what);
  };

  const sendBlocks = (flight: Flight, first: number, last: number): void => {
    const { state, from } = flight;
    if (from.backlog.length > 0) {
      putOff(from, { flight, first, last });
      return;
    }
    const { blockSize } = state;
    const most = flight.segmenting
      ? Math.max(1, Math.min(SEGMENTS, Math.floor(SEGMENTED_BYTES / (blockSize + 4))))
      : 1;
    for (let block = first; block <= last; ) {
      const end = Math.min(last, block + most - 1);
      room(from, end - block + 1, 0);
      batches.open(flight.address, flight.port, end > block ? blockSize + 4 : 0);
      batch.push({ flight, first: block, last: end });
      for (; block <= end; block++) {
        const start = batches.addBlock(flight.at + (block - 1) * blockSize, blockLength(state, block));
        writeDataHeader(batches.starts, block, start);
      }
    }
  };

  const sendAnswer = (flight: Flight): void => {
    if (flight.answer === undefined) return;
    sendPacket(flight.from, flight.address, flight.port, flight.answer, { flight, first: 0, last: 0 });
  };

  const resume = (port: Port): void => {
    const waiting = port.backlog;
    port.backlog = [];
    batches.watchRoom(port.fd, false);
    for (const { flight, first, last } of waiting) {
      flight.pending--;
      if (flight.isOver) continue;
      if (last === 0) sendAnswer(flight);
      else if (last > flight.state.acknowledged)
        sendBlocks(flight, Math.max(first, flight.state.acknowledged + 1), last);
    }
    flush();
  };

  const publish = ({ slot, state }: Flight): void => {
    const at = slot * FIELDS;
    progress[at + PROGRESS_AT] = state.progressAt;
    progress[at + ACKNOWLEDGED] = state.acknowledged;
    progress[at + RESENDS] = state.resends;
    progress[at + HEARD] = state.heard ? 1 : 0;
  };

  const finish = (flight: Flight, end: TransferEnd | undefined): void => {
    flight.isOver = true;
    flight.from.flights.delete(flight.key);
    flights.delete(flight.slot);
    log.ended(flight.slot, end);
  };

  const move = (flight: Flight, step: TransferStep): void => {
    const { state } = flight;
    publish(flight);
    switch (step) {
      case 'none':
        return;
      case 'oack':
        if (flight.worth !== undefined) log.sawAnswer(flight.slot);
        sendAnswer(flight);
        return;
      case 'data':
        if (flight.worth !== undefined) {
          for (let block = state.sendFrom; block <= state.sent; block++)
            if (flight.worth.ofBlock(block)) log.sawBlock(flight.slot, block);
        }
        sendBlocks(flight, state.sendFrom, state.sent);
        return;
      case 'finished':
        finish(flight, { kind: 'finished', acknowledged: true });
        return;
      case 'finished-unacknowledged':
        finish(flight, { kind: 'finished', acknowledged: false });
        return;
      case 'stalled':
        finish(flight, endOfSilence(state));
        return;
    }
  };

  const receiveOther = (flight: Flight, packet: Uint8Array): void => {
    if (flight.worth?.ofOther() === true) log.sawOther(flight.slot, packet);
    const how = endOfPacket(flight.state, packet);
    if (how === 'nonsense') log.ignored();
    else if (how !== undefined) finish(flight, how);
  };

  const receiveFrom = (port: Port, at: number): number => {
    let total = 0;
    for (let round = 0; round < BATCHES; round++) {
      const count = batches.receive(port.fd);
      for (let index = 0; index < count; index++) {
        const address = received.addressOf(index);
        const source = received.portOf(index);
        const start = received.startOf(index);
        const length = received.lengthOf(index);
        const flight = port.flights.get(address * 65_536 + source);
        if (flight === undefined) {
          log.stray(port.fd, address, source, received.bytes.slice(start, start + length));
          continue;
        }
        const block = ackedBlock(received.bytes, start, length);
        if (block === -1) {
          receiveOther(flight, received.bytes.slice(start, start + length));
          continue;
        }
        if (flight.worth?.ofAck(block) === true) {
          if (length === 4) log.sawAck(flight.slot, block);
          else log.sawOther(flight.slot, received.bytes.slice(start, start + length));
        }
        move(flight, acknowledgeBlock(flight.state, block, at));
      }
      flush();
      total += count;
      if (count < batches.mostReceived) break;
    }
    return total;
  };

  const expireAll = (at: number): void => {
    for (const flight of flights.values()) {
      // What still waits for room was not even sent: the timer would only lengthen the queue.
      if (flight.state.deadline <= at && flight.pending === 0) move(flight, expireTransfer(flight.state, at));
    }
    flush();
  };

  const start = (order: StartOrder): void => {
    const port = ports.find(({ fd }) => fd === order.fd);
    // Whoever ends this thread ends the transfers of all.
    if (port === undefined) return log.ended(order.slot, PORT_IS_GONE);
    const { address, answer } = order;
    const state = startTransfer({
      fileSize: order.size,
      blockSize: order.blockSize,
      windowSize: order.windowSize,
      timeout: order.timeout,
      negotiating: answer !== undefined,
      now: now(),
    });
    const key = address * 65_536 + order.port;
    const flight: Flight = {
      slot: order.slot,
      address,
      port: order.port,
      key,
      from: port,
      at: order.at,
      answer,
      state,
      worth: order.recorded ? createWorth(state) : undefined,
      isOver: false,
      pending: 0,
      segmenting: true,
    };
    port.flights.set(key, flight);
    flights.set(order.slot, flight);
    move(flight, answer === undefined ? 'data' : 'oack');
  };

  const watch = (): void => {
    batches.watch([wake, ...ports.map(({ fd }) => fd)]);
    for (const port of ports) if (port.backlog.length > 0) batches.watchRoom(port.fd, true);
  };

  const take = (order: ThreadOrder): void => {
    Atomics.sub(control, ORDERS, 1);
    switch (order.kind) {
      case 'start':
        start(order);
        return;
      case 'open':
        ports.push({ fd: order.fd, flights: new Map(), backlog: [] });
        watch();
        return;
      case 'close': {
        flush();
        const at = ports.findIndex(({ fd }) => fd === order.fd);
        if (at !== -1) ports.splice(at, 1);
        // The descriptor is another's soon, and would be sent their blocks by the timer.
        for (const flight of flights.values()) if (flight.from.fd === order.fd) finish(flight, PORT_IS_GONE);
        watch();
        log.closed(order.fd);
        return;
      }
      case 'end': {
        const flight = flights.get(order.slot);
        if (flight === undefined) return;
        if (order.packet !== undefined) sendPacket(flight.from, flight.address, flight.port, order.packet);
        finish(flight, undefined);
        return;
      }
      case 'send': {
        const port = ports.find(({ fd }) => fd === order.fd);
        if (port !== undefined) sendPacket(port, order.address, order.port, order.packet);
        return;
      }
      case 'stop':
        stopped = true;
        return;
    }
  };

  const takeAll = (): void => {
    for (let order = parts.nextOrder(); order !== undefined; order = parts.nextOrder()) take(order);
    flush();
    activeAt = wall();
  };
  const report = (): void => {
    if (log.isEmpty()) return;
    const reports = log.take();
    Atomics.add(control, UNHEARD, reports.told);
    parts.report(reports);
  };
  const isStopped = (): boolean => stopped;
  const hasOrders = (): boolean => Atomics.load(control, ORDERS) !== 0;

  /** All ports, those without transfers as well. */
  const lookAtAll = (ms: number): number => {
    if (batches.wait(ms) === 0) return 0;
    if (batches.mayRead(0)) parts.clearWake();
    let count = 0;
    const at = now();
    for (const [index, port] of ports.entries()) {
      if (port.backlog.length > 0 && batches.mayWrite(index + 1)) resume(port);
      if (batches.mayRead(index + 1)) count += receiveFrom(port, at);
    }
    return count;
  };

  const sleep = (): number => {
    report();
    Atomics.store(control, ASLEEP, 1);
    // Whoever posts an order counts it first and looks for a sleeper then; so one of the two sees the other.
    const count = hasOrders() ? 0 : lookAtAll(flights.size > 0 ? TICK : DOZE);
    Atomics.store(control, ASLEEP, 0);
    return count;
  };

  return {
    take,
    run() {
      takeAll();
      let tickAt = wall() + TICK;
      let reportAt = wall() + REPORT;
      while (ports.length > 0 && !isStopped()) {
        if (hasOrders()) takeAll();
        let count = 0;
        const at = now();
        let isBlocked = false;
        for (const port of ports) {
          if (port.flights.size > 0) count += receiveFrom(port, at);
          isBlocked ||= port.backlog.length > 0;
        }
        const time = wall();
        if (time >= tickAt || isBlocked) count += lookAtAll(0);
        if (time >= tickAt) {
          expireAll(now());
          tickAt = time + TICK;
        }
        if (count > 0) activeAt = time;
        if (flights.size >= MANY && count * FEW < flights.size && !isBlocked) batches.pause(PAUSE);
        if (time >= reportAt || flights.size === 0) {
          report();
          reportAt = time + REPORT;
        }
        if (count === 0 && time - activeAt >= AWAKE && sleep() > 0) activeAt = wall();
      }
      report();
      return !stopped;
    },
  };
}
