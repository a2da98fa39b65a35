import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { toTinderboxError } from './errors.ts';
import type { Logger } from './logger.ts';
import { hasDatagramBatches, openRawMemory } from './net/datagram-batches.ts';
import type { OpenUdpDescriptor } from './net/port.ts';
import { createTransferThread, type TransferThreadOptions } from './servers/tftp-thread.ts';
import type { TftpThreadAccess } from './servers/tftp-types.ts';

export interface StartTftpThreadOptions
  extends Omit<TransferThreadOptions, 'startWorker' | 'memory' | 'logger'> {
  readonly openDescriptor: OpenUdpDescriptor;
  readonly logger: Logger;
  /** As the running thread is made; a test may want to hold it. */
  readonly startWorker?: TransferThreadOptions['startWorker'];
}

/** The thread for TFTP's transfers; undefined where this platform has none: the main thread sends then, half as fast. */
export function startTftpThread(options: StartTftpThreadOptions): TftpThreadAccess | undefined {
  const { openDescriptor, logger, ...rest } = options;
  if (!hasDatagramBatches()) return undefined;
  try {
    const memory = openRawMemory();
    return {
      thread: createTransferThread({ startWorker, ...rest, memory, logger }),
      openDescriptor,
      closeDescriptor: (fd) => memory.closeDescriptor(fd),
    };
  } catch (error) {
    logger.warn(
      { error: toTinderboxError(error).message },
      'no thread for TFTP: the main thread sends the files',
    );
    return undefined;
  }
}

/** The sources run as they are; the installable package holds the same files as .js. */
export const startWorker: TransferThreadOptions['startWorker'] = (options) =>
  // Without the process's own flags: loaders that it was started with are not for this thread.
  new Worker(new URL(`./tftp-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: options,
    name: 'tftp',
    execArgv: [],
  });
