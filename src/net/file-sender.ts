import { writeSync } from 'node:fs';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { SenderAnswer, SenderCall, SenderThreadOptions } from './file-sender-messages.ts';
import { createPageEnlarger } from './large-pages.ts';
import { type Libc, loadLibc } from './libc.ts';
import { hasTransferCalls } from './libc-transfers.ts';
import type { FileSender, MemoryFiles, SentBytes, Transfer, TransferOrder } from './port.ts';

export interface FileSenderOptions {
  /** Threads for files that go out as they are. One more copies: a disk that hangs holds up nobody else. */
  readonly threads: number;
  /** A thread ended that should not have: `reason` says why. What it sent has failed; the next transfer starts another, a few times. */
  readonly crashed: (reason: string) => void;
  /** Where the threads' program is. For tests. */
  readonly entry?: URL;
}

/** Absent: this host has no C library that can be called, or lacks a call, or its processor is not known here. */
export function createFileSender(options: FileSenderOptions): FileSender | undefined {
  if (!hasTransferCalls()) return undefined;
  let libc: Libc;
  try {
    libc = loadLibc();
  } catch {
    return undefined;
  }
  // Threads start with their first transfer: most of the time nobody boots.
  const places = Array.from({ length: options.threads + 1 }, () => createPlace(libc, options));
  const [copying, ...sending] = places as [Place, ...Place[]];
  return {
    send(order) {
      const idle = sending.reduce((best, place) => (place.load() < best.load() ? place : best));
      return (order.way === 'copied' ? copying : idle).send(order);
    },
    stop: async () => void (await Promise.all(places.map((place) => place.stop()))),
  };
}

/** Undefined where there can be none. */
export function memoryFiles(): MemoryFiles | undefined {
  try {
    const libc = loadLibc();
    return {
      open: () => libc.openMemoryFile('tinderbox-asset'),
      enlargePages: createPageEnlarger(),
    };
  } catch {
    return undefined;
  }
}

/** Where a thread is, or will be. */
interface Place {
  load(): number;
  send(order: TransferOrder): Transfer | undefined;
  stop(): Promise<void>;
}

interface Running {
  readonly call: (message: SenderCall) => void;
  readonly stop: () => Promise<void>;
}

interface Pending {
  readonly socket: number;
  readonly alive: () => void;
  readonly resolve: (sent: SentBytes) => void;
  bytes: number;
}

/** After so many deaths within so many milliseconds no other is started: whoever asks sends by itself. */
const MOST_DEATHS = 3;
const DEATHS_WITHIN = 600_000;
const WAKE = new Uint8Array(BigUint64Array.of(1n).buffer);

function createPlace(libc: Libc, { crashed, entry }: FileSenderOptions): Place {
  const pending = new Map<number, Pending>();
  let lastId = 0;
  let running: Running | undefined;
  let stopped = false;
  let deaths: number[] = [];

  const isHopeless = (): boolean => {
    const since = performance.now() - DEATHS_WITHIN;
    deaths = deaths.filter((at) => at > since);
    return deaths.length >= MOST_DEATHS;
  };
  const finish = (id: number, sent: SentBytes): void => {
    const transfer = pending.get(id);
    if (transfer === undefined) return;
    pending.delete(id);
    libc.closeDescriptor(transfer.socket);
    transfer.resolve(sent);
  };
  const hear = (message: SenderAnswer): void => {
    if (message.kind === 'ended') return finish(message.id, message.sent);
    for (const { id, bytes } of message.transfers) {
      const transfer = pending.get(id);
      if (transfer === undefined) continue;
      transfer.bytes = bytes;
      transfer.alive();
    }
  };
  /** Throws Node's error if no descriptor or no thread is to be had. */
  const start = (): Running => {
    const options = openDescriptors(libc);
    const thread = startThread(options, entry);
    const exited = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
    let why = 'it ended by itself';
    thread.on('message', hear);
    thread.on('error', (error) => {
      why = error instanceof Error ? error.message : String(error);
    });
    thread.once('exit', () => {
      if (running === own) running = undefined;
      closeDescriptors(libc, options);
      if (!stopped) {
        deaths.push(performance.now());
        crashed(why);
      }
      const reason = stopped ? 'the server is stopping' : `the thread that sent it ended: ${why}`;
      for (const [id, { bytes }] of pending) finish(id, { bytes, kind: 'failed', reason });
    });
    // The sockets keep the process.
    thread.unref();
    const own: Running = {
      call(message) {
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
        thread.postMessage(message);
        writeSync(options.waker, WAKE);
      },
      async stop() {
        thread.ref();
        own.call({ kind: 'end' });
        await exited;
      },
    };
    return own;
  };

  return {
    load: () => pending.size,
    send({ alive, ...order }) {
      if (stopped || (running === undefined && isHopeless())) return undefined;
      let socket: number;
      try {
        socket = libc.duplicate(order.socket);
      } catch {
        return undefined;
      }
      try {
        running ??= start();
      } catch {
        libc.closeDescriptor(socket);
        return undefined;
      }
      const place = running;
      const id = ++lastId;
      const { promise, resolve } = Promise.withResolvers<SentBytes>();
      pending.set(id, { socket, alive, resolve, bytes: 0 });
      place.call({ kind: 'send', id, ...order, socket });
      const tell = (message: SenderCall): void => {
        if (pending.has(id)) place.call(message);
      };
      return {
        ended: promise,
        allow: (bytes) => tell({ kind: 'allow', id, bytes }),
        cancel: () => tell({ kind: 'cancel', id }),
      };
    },
    async stop() {
      stopped = true;
      for (const id of pending.keys()) running?.call({ kind: 'cancel', id });
      await running?.stop();
    },
  };
}

function startThread(options: SenderThreadOptions, entry: URL | undefined): Worker {
  // The sources run as they are; the installable package holds the same files as .js.
  const own = new URL(`./file-sender-worker${extname(import.meta.url)}`, import.meta.url);
  try {
    // It holds next to nothing: a heap of V8's usual size would be lent to it for no use.
    return new Worker(entry ?? own, {
      workerData: options,
      name: 'sender',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 },
    });
  } catch (error) {
    closeDescriptors(loadLibc(), options);
    throw error;
  }
}

function openDescriptors(libc: Libc): SenderThreadOptions {
  const epoll = libc.openEpoll();
  try {
    return { epoll, waker: libc.openWaker() };
  } catch (error) {
    libc.closeDescriptor(epoll);
    throw error;
  }
}

function closeDescriptors(libc: Libc, { epoll, waker }: SenderThreadOptions): void {
  libc.closeDescriptor(epoll);
  libc.closeDescriptor(waker);
}
