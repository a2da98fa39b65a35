import { close, read, write } from 'node:fs';
import { promisify } from 'node:util';

/** Room for one file's bytes, written once and read by all. */
export interface AssetMemory {
  /** Of a file in memory that other threads can send from; undefined: the bytes are in this thread's heap. */
  readonly descriptor: number | undefined;
  write(bytes: Uint8Array, at: number): Promise<void>;
  /** What lies between, or the first part of it; must have been written. */
  read(at: number, end: number): Promise<Buffer>;
  close(): void;
}

/** Makes room for so many bytes. Throws Node's error if there is no memory, or no descriptor. */
export type OpenAssetMemory = (bytes: number) => AssetMemory;

const readPart = promisify(read);
const writePart = promisify(write);

/** As much is copied out of a file in memory at once, for who sends from the main thread. */
const READ_BYTES = 256 * 1024;

/** A file that has no name (memfd): what is sent from it by sendfile(2) is not copied. */
export function memoryFile(descriptor: number): AssetMemory {
  return {
    descriptor,
    async write(bytes, at) {
      let done = 0;
      while (done < bytes.length) {
        const { bytesWritten } = await writePart(descriptor, bytes, done, bytes.length - done, at + done);
        done += bytesWritten;
      }
    },
    async read(at, end) {
      const buffer = Buffer.allocUnsafe(Math.min(end - at, READ_BYTES));
      const { bytesRead } = await readPart(descriptor, buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error('the file in memory is shorter than it was');
      return buffer.subarray(0, bytesRead);
    },
    close() {
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
    close: () => undefined,
  };
}
