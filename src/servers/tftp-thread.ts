import { closeSync, writeSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import type { Logger } from '../logger.ts';
import type { RawMemory } from '../net/port.ts';
import { encodeTftpPacket, TFTP_ERRORS } from '../protocol/tftp/packet.ts';
import type { TransferFigures } from './tftp-carrier.ts';
import type { TransferEnd } from './tftp-endings.ts';
import { LOGGED, type Stray, type ThreadReports } from './tftp-thread-log.ts';
import {
  ACKNOWLEDGED,
  ASLEEP,
  CONTROL_NUMBERS,
  FIELDS,
  HEARD,
  MOST_SLOTS,
  ORDERS,
  PROGRESS_AT,
  RESENDS,
  type StartOrder,
  type TftpThreadOptions,
  type ThreadOrder,
  UNHEARD,
} from './tftp-thread-messages.ts';
import { createWarnings } from './tftp-warnings.ts';

/** So many deaths of it within so many milliseconds, and transfers stay on the main thread. */
const MOST_DEATHS = 3;
const DEATHS_WITHIN = 600_000;
const ONE = new Uint8Array(BigUint64Array.of(1n).buffer);

/** What the thread tells of one transfer. */
export interface ThreadTransfer {
  /** Kept as they are until `over`. */
  readonly bytes: Uint8Array;
  readonly order: Omit<StartOrder, 'kind' | 'slot' | 'at' | 'size'>;
  /** `acknowledged` and `sent`: blocks, by their number. */
  acknowledged(block: number): void;
  sent(block: number): void;
  answered(): void;
  received(packet: Uint8Array): void;
  /** Undefined: as `end` asked for. Nothing comes after it. */
  over(end: TransferEnd | undefined): void;
}

/** A port as the thread uses it. */
export interface ThreadPort {
  onStray(stray: Stray): void;
  /** The thread does not know the descriptor any more. */
  onClosed(): void;
}

export interface TransferThread {
  /** Starts it where it does not run. False: there is none to be had. */
  ready(): Promise<boolean>;
  open(fd: number, port: ThreadPort): void;
  close(fd: number): void;
  send(fd: number, address: number, port: number, packet: Uint8Array): void;
  /** A slot for one transfer; undefined: all are taken. */
  reserve(): number | undefined;
  /** Where nothing is carried in it. */
  release(slot: number): void;
  /** The slot is free again when it is over. */
  carry(slot: number, transfer: ThreadTransfer): void;
  figures(slot: number): Omit<TransferFigures, 'blockSize'>;
  /** As of a carrier's transfer. */
  quietFor(slot: number): number | undefined;
  end(slot: number, packet: Uint8Array | undefined): void;
  /** Ends it, and whatever it carries. */
  stop(): Promise<void>;
}

export interface TransferThreadOptions {
  readonly startWorker: (options: TftpThreadOptions) => Worker;
  readonly memory: RawMemory;
  readonly logger: Logger;
  readonly onIgnored: (times: number) => void;
  readonly onSendFailed: (times: number) => void;
  /** Milliseconds of the clock by which transfers are resent; performance.now() unless a test has another. */
  readonly now?: () => number;
  /** How many times faster than the wall's that clock goes. */
  readonly pace?: number;
}

interface Running {
  readonly worker: Worker;
  readonly control: Int32Array;
  readonly progress: Float64Array;
  readonly wake: number;
  readonly ready: Promise<boolean>;
}

/** The main thread's end of the thread that carries transfers: starts it when it is first needed, and again when it died. */
export function createTransferThread(options: TransferThreadOptions): TransferThread {
  const now = options.now ?? (() => performance.now());
  const warn = createWarnings(options.logger, () => performance.now());
  const transfers = new Map<number, ThreadTransfer>();
  const ports = new Map<number, ThreadPort>();
  const closing = new Set<number>();
  const free: number[] = [];
  let unused = 0;
  let running: Running | undefined;
  /** Of the thread that runs, or of the one that died. */
  let progress: Float64Array = new Float64Array();
  const deaths: number[] = [];
  let isHopeless = false;
  let isStopped = false;

  /** As long as there is a port, its closing is to be waited for. */
  const holdProcess = (): void => {
    if (ports.size > 0) running?.worker.ref();
    else running?.worker.unref();
  };

  const post = (order: ThreadOrder): void => {
    if (running === undefined) return;
    const { worker, control, wake } = running;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(order);
    Atomics.add(control, ORDERS, 1);
    if (Atomics.load(control, ASLEEP) === 1) writeSync(wake, ONE);
  };

  const start = (): Running => {
    const control = new Int32Array(new SharedArrayBuffer(4 * CONTROL_NUMBERS));
    const shared = new Float64Array(new SharedArrayBuffer(8 * FIELDS * MOST_SLOTS));
    const wake = options.memory.openWake();
    const clock = {
      hrtime: Number(process.hrtime.bigint()) / 1e6,
      shown: now(),
      pace: options.pace ?? 1,
    };
    let worker: Worker;
    try {
      worker = options.startWorker({ control, progress: shared, wake, clock });
    } catch (error) {
      closeSync(wake);
      throw error;
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    let cause = 'it ended by itself';
    worker.on('message', (message: 'ready' | ThreadReports) => {
      if (message === 'ready') return resolve(true);
      Atomics.sub(control, UNHEARD, message.told);
      hear(message);
    });
    worker.on('error', (error) => {
      cause = String(error instanceof Error ? error.message : error);
    });
    worker.once('exit', () => {
      resolve(false);
      closeSync(wake);
      if (running?.worker === worker) bury(cause);
    });
    return { worker, control, progress: shared, wake, ready: promise };
  };

  const startAnew = (): void => {
    running = start();
    progress = running.progress;
    holdProcess();
    for (const fd of ports.keys()) post({ kind: 'open', fd });
  };

  const giveUp = (error: unknown): void => {
    isHopeless = true;
    options.logger.warn({ error: String(error) }, 'no thread for TFTP: the main thread sends the files');
  };

  /** It is gone, and nothing of it uses memory or descriptors any more. */
  const bury = (cause: string): void => {
    running = undefined;
    const at = performance.now();
    deaths.push(at);
    while (deaths[0] !== undefined && (deaths.length > MOST_DEATHS || at - deaths[0] > DEATHS_WITHIN)) {
      if (at - deaths[0] <= DEATHS_WITHIN) isHopeless = true;
      deaths.shift();
    }
    for (const fd of closing) forget(fd);
    const lost = [...transfers.entries()];
    options.logger.error(
      { error: cause, transfers: lost.length },
      isHopeless
        ? 'the thread that sends files over TFTP died again: the main thread sends them from now on'
        : 'the thread that sends files over TFTP died: it is started again',
    );
    for (const [slot] of lost)
      over(slot, { kind: 'stopped', reason: `the thread that sends files died (${cause})` });
    if (isHopeless) return;
    try {
      startAnew();
    } catch (error) {
      giveUp(error);
      return;
    }
    const packet = encodeTftpPacket({ kind: 'error', code: TFTP_ERRORS.other, message: 'the server failed' });
    for (const [, { order }] of lost)
      post({ kind: 'send', fd: order.fd, address: order.address, port: order.port, packet });
  };

  const forget = (fd: number): void => {
    closing.delete(fd);
    const port = ports.get(fd);
    ports.delete(fd);
    holdProcess();
    port?.onClosed();
  };

  const over = (slot: number, end: TransferEnd | undefined): void => {
    const transfer = transfers.get(slot);
    if (transfer === undefined) return;
    transfer.over(end);
    transfers.delete(slot);
    free.push(slot);
  };

  const hear = (reports: ThreadReports): void => {
    const { entries } = reports;
    for (let at = 0; at < entries.length; at += 3) {
      const slot = entries[at] as number;
      const value = entries[at + 2] as number;
      const transfer = transfers.get(slot);
      switch (entries[at + 1]) {
        case LOGGED.ack:
          transfer?.acknowledged(value);
          break;
        case LOGGED.block:
          transfer?.sent(value);
          break;
        case LOGGED.answer:
          transfer?.answered();
          break;
        case LOGGED.packet:
          transfer?.received(reports.packets[value] as Uint8Array);
          break;
        case LOGGED.finished:
          over(slot, { kind: 'finished', acknowledged: true });
          break;
        case LOGGED.unacknowledged:
          over(slot, { kind: 'finished', acknowledged: false });
          break;
        case LOGGED.ended:
          over(slot, reports.ends[value]);
          break;
        // `given`.
        default:
          over(slot, undefined);
          break;
      }
    }
    for (const stray of reports.strays) ports.get(stray.fd)?.onStray(stray);
    for (const fd of reports.closed) forget(fd);
    if (reports.ignored > 0) options.onIgnored(reports.ignored);
    for (const [code, times] of reports.failed) {
      options.onSendFailed(times);
      warn('a packet could not be sent', { error: code });
    }
  };

  const fieldOf = (slot: number, field: number): number => progress[slot * FIELDS + field] ?? 0;

  return {
    async ready() {
      if (isHopeless || isStopped) return false;
      try {
        if (running === undefined) startAnew();
        return (await running?.ready) === true && !isHopeless;
      } catch (error) {
        giveUp(error);
        return false;
      }
    },
    open(fd, port) {
      ports.set(fd, port);
      holdProcess();
      post({ kind: 'open', fd });
    },
    close(fd) {
      if (running === undefined) {
        forget(fd);
        return;
      }
      closing.add(fd);
      post({ kind: 'close', fd });
    },
    send: (fd, address, port, packet) => post({ kind: 'send', fd, address, port, packet }),
    reserve: () => free.pop() ?? (unused < MOST_SLOTS ? unused++ : undefined),
    release: (slot) => void free.push(slot),
    carry(slot, transfer) {
      transfers.set(slot, transfer);
      if (running === undefined) {
        over(slot, { kind: 'stopped', reason: 'the thread that sends files is gone' });
        return;
      }
      progress.fill(0, slot * FIELDS, (slot + 1) * FIELDS);
      const { bytes, order } = transfer;
      post({ ...order, kind: 'start', slot, at: options.memory.addressOf(bytes), size: bytes.length });
    },
    figures: (slot) => ({ acknowledged: fieldOf(slot, ACKNOWLEDGED), resends: fieldOf(slot, RESENDS) }),
    quietFor: (slot) => (fieldOf(slot, HEARD) === 0 ? undefined : now() - fieldOf(slot, PROGRESS_AT)),
    end: (slot, packet) => post({ kind: 'end', slot, packet }),
    async stop() {
      if (isStopped) return;
      isStopped = true;
      const last = running;
      if (last === undefined) return;
      const exited = new Promise((resolve) => last.worker.once('exit', resolve));
      last.worker.ref();
      post({ kind: 'stop' });
      running = undefined;
      await exited;
      for (const slot of transfers.keys()) over(slot, { kind: 'stopped', reason: 'the server stops' });
      for (const fd of ports.keys()) forget(fd);
    },
  };
}
