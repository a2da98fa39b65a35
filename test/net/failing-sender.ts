import { parentPort } from 'node:worker_threads';

/** A thread that sends nothing: it ends with an error at the first message. */
parentPort?.on('message', () => {
  throw new Error('as the test wants');
});
