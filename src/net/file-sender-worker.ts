import { setPriority } from 'node:os';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { SenderAnswer, SenderCall, SenderThreadOptions } from './file-sender-messages.ts';
import { loadLibc } from './libc.ts';
import { createSendLoop } from './send-loop.ts';

/**
 * A thread that sends files. Without transfers it waits for messages as every thread of Node; with some it waits in the
 * kernel for room in their sockets, and is woken for messages by a descriptor.
 */
const { epoll, waker } = workerData as SenderThreadOptions;
const port = parentPort;
if (port === null) throw new Error('file-sender-worker.ts is the entry of a worker thread');

/** Whoever answers machines goes first; the kernel has a niceness for each thread. */
const NICENESS = 5;
try {
  setPriority(0, NICENESS);
} catch {
  // Not allowed to: then all are alike.
}

const loop = createSendLoop({
  libc: loadLibc(),
  epoll,
  waker,
  answer: (message: SenderAnswer) => port.postMessage(message),
  now: () => performance.now(),
});

let running = false;
port.on('message', (first: SenderCall) => {
  // Messages that came in while the loop ran are taken by it.
  take(first);
  if (running) return;
  running = true;
  while (loop.isBusy()) {
    loop.turn();
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      take((next as { readonly message: SenderCall }).message);
    }
  }
  running = false;
});

function take(call: SenderCall): void {
  if (call.kind === 'end') port?.close();
  else loop.take(call);
}
