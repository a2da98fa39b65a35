import { close, read, write } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { MemoryFiles } from '../net/port.ts';

/** Room for one file's bytes, written once and read by all. */
export interface AssetMemory {
  /** Of a file in memory that other threads can send from; undefined: the bytes are in this thread's heap. */
  readonly descriptor: number | undefined;
  write(bytes: Uint8Array, at: number): Promise<void>;
  /** What lies between, or the first part of it; must have been written. */
  read(at: number, end: number): Promise<Buffer>;
  /** All of it is written: it may be laid out so that to send it costs less. */
  whole(): void;
  close(): void;
}

/** Makes room for so many bytes. Throws Node's error if there is no memory, or no descriptor. */
export type OpenAssetMemory = (bytes: number) => AssetMemory;

const readPart = promisify(read);
const writePart = promisify(write);

/** As much is copied out of a file in memory at once, for who sends from the main thread. */
const READ_BYTES = 256 * 1024;

/** Bytes. A smaller file is not worth a process. */
const LEAST_LARGE = 8 * 1024 * 1024;
/** Milliseconds before each try: pages that are being sent stay small, until later. */
const TRIES: readonly number[] = [0, 2_000, 10_000, 60_000];

/** A file that has no name (memfd): what is sent from it by sendfile(2) is not copied. */
export function memoryFile(files: MemoryFiles, bytes: number, tries = TRIES): AssetMemory {
  const descriptor = files.open();
  let isClosed = false;
  const enlarge = async (): Promise<void> => {
    for (const pause of tries) {
      await delay(pause, undefined, { ref: false });
      // Its number may be another file's by now.
      if (isClosed || (await files.enlargePages(descriptor))) return;
    }
  };
  return {
    descriptor,
    async write(part, at) {
      let done = 0;
      while (done < part.length) {
        const { bytesWritten } = await writePart(descriptor, part, done, part.length - done, at + done);
        done += bytesWritten;
      }
    },
    async read(at, end) {
      const buffer = Buffer.allocUnsafe(Math.min(end - at, READ_BYTES));
      const { bytesRead } = await readPart(descriptor, buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error('the file in memory is shorter than it was');
      return buffer.subarray(0, bytesRead);
    },
    whole() {
      if (bytes >= LEAST_LARGE) void enlarge();
    },
    close() {
      isClosed = true;
      close(descriptor, () => undefined);
    },
  };
}

export function memoryBuffer(bytes: number): AssetMemory {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  return {
    descriptor: undefined,
    async write(part, at) {
      buffer.set(part, at);
    },
    read: async (at, end) => buffer.subarray(at, end),
    whole: () => undefined,
    close: () => undefined,
  };
}
