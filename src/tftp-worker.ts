import { readSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { createDatagramBatches } from './net/datagram-batches.ts';
import { createTransferLoop } from './servers/serve-transfers.ts';
import type { TftpThreadOptions, ThreadOrder } from './servers/tftp-thread-messages.ts';

/** The thread that sends TFTP's blocks. Between transfers it is a thread like any other; with ports open it has a loop of its own. */
const options = workerData as TftpThreadOptions;
const port = parentPort;
if (port === null) throw new Error('tftp-worker.ts is the entry of a worker thread');

// Two threads have two origins of performance.now(), and one of process.hrtime().
const { hrtime, shown, pace } = options.clock;
const origin = Number(process.hrtime.bigint()) / 1e6 - performance.now();
const wall = (): number => performance.now();
const eight = new Uint8Array(8);

const loop = createTransferLoop({
  options,
  batches: createDatagramBatches(),
  nextOrder: () => receiveMessageOnPort(port)?.message as ThreadOrder | undefined,
  report: (reports) => port.postMessage(reports),
  clearWake: () => void readSync(options.wake, eight),
  wall,
  now: () => shown + (wall() + origin - hrtime) * pace,
});

port.on('message', (order: ThreadOrder) => {
  loop.take(order);
  if (!loop.run()) port.close();
});
port.postMessage('ready');
