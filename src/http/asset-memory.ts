import { close, read, write } from 'node:fs';
import { promisify } from 'node:util';
import type { MemoryFiles } from '../net/port.ts';

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

/** Something has to be in a page before it can be a large one. */
const SOMETHING = new Uint8Array(1);

/**
 * A file that has no name (memfd): what is sent from it by sendfile(2) is not copied. Its pages are large as far as they fill
 * one, while it is written from the beginning on; each is made while the one before is written.
 */
export function memoryFile(files: MemoryFiles, bytes: number): AssetMemory {
  const descriptor = files.open();
  const { largePage } = files;
  let enlarges = true;
  /** Of the page that is written next. */
  let ahead: Promise<boolean> | undefined;
  const writeAll = async (part: Uint8Array, at: number): Promise<void> => {
    let done = 0;
    while (done < part.length) {
      const { bytesWritten } = await writePart(descriptor, part, done, part.length - done, at + done);
      done += bytesWritten;
    }
  };
  const prepare = async (at: number): Promise<boolean> => {
    if (at + largePage > bytes) return false;
    try {
      await writeAll(SOMETHING, at);
      return await files.enlargePage(descriptor, at);
    } catch {
      // Who writes there in earnest is told why it cannot be.
      return false;
    }
  };
  const beginPage = async (at: number): Promise<void> => {
    // Where there is none now, to look for one costs more with each page.
    enlarges = await (ahead ?? prepare(at));
    ahead = enlarges ? prepare(at + largePage) : undefined;
  };
  return {
    descriptor,
    async write(part, at) {
      for (let done = 0; done < part.length; ) {
        const place = at + done;
        const left = largePage - (place % largePage);
        const piece = part.subarray(done, done + left);
        if (enlarges && left === largePage) await beginPage(place);
        await writeAll(piece, place);
        done += piece.length;
      }
    },
    async read(at, end) {
      const buffer = Buffer.allocUnsafe(Math.min(end - at, READ_BYTES));
      const { bytesRead } = await readPart(descriptor, buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Error('the file in memory is shorter than it was');
      return buffer.subarray(0, bytesRead);
    },
    close() {
      // Its number may be another file's from then on.
      void Promise.resolve(ahead).then(() => close(descriptor, () => undefined));
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
