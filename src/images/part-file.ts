import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises';

/** Of which representation a part is: what the next request names, so that no two are mixed. */
export interface PartOrigin {
  readonly url: string;
  /** A strong entity tag, or a date of modification. */
  readonly validator: string;
  /** Bytes of the whole; undefined: not said. */
  readonly total?: number;
}

/** A download that is not whole: `<file>.part`, and beside it `<file>.part.json` that says of what. */
export interface PartFile extends AsyncDisposable {
  /** Bytes on the disk. */
  readonly size: () => number;
  readonly origin: () => PartOrigin | undefined;
  /** Starts anew, of this origin; without one it cannot be resumed. */
  reset(origin?: PartOrigin): Promise<void>;
  append(chunk: Uint8Array): Promise<void>;
  /** Gives it its name, on disk. The lower-case hex digests are of all of it; '' where none were wanted. */
  finish(): Promise<{ readonly size: number; readonly sha256: string; readonly sha512: string }>;
}

interface Hashes {
  readonly sha256: Hash;
  readonly sha512: Hash;
}

/** What an earlier attempt left is read once, for the digests; a gigabyte costs seconds of this thread. */
export async function openPart(
  file: string,
  { digests = true }: { readonly digests?: boolean } = {},
): Promise<PartFile> {
  const [path, sidecar] = [`${file}.part`, `${file}.part.json`];
  let origin = await readOrigin(sidecar);
  const handle: FileHandle = await open(path, origin === undefined ? 'w' : 'a', 0o644);
  let size = 0;
  let hashes = newHashes();
  if (origin !== undefined && !digests) size = (await handle.stat()).size;
  if (origin !== undefined && digests) {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      hash(hashes, chunk);
      size += chunk.length;
    }
  }
  return {
    size: () => size,
    origin: () => origin,
    async reset(next) {
      // First: a new origin beside old bytes would be resumed.
      await handle.truncate(0);
      [size, hashes, origin] = [0, newHashes(), next];
      if (next === undefined) await rm(sidecar, { force: true });
      else await writeFile(sidecar, JSON.stringify(next), { mode: 0o644 });
    },
    async append(chunk) {
      for (let from = 0; from < chunk.length; ) {
        const { bytesWritten } = await handle.write(chunk, from, chunk.length - from, size);
        if (digests) hash(hashes, chunk.subarray(from, from + bytesWritten));
        from += bytesWritten;
        size += bytesWritten;
      }
    },
    async finish() {
      await handle.sync();
      await rename(path, file);
      await rm(sidecar, { force: true });
      if (!digests) return { size, sha256: '', sha512: '' };
      return { size, sha256: hashes.sha256.digest('hex'), sha512: hashes.sha512.digest('hex') };
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

export async function removePart(file: string): Promise<void> {
  for (const path of [`${file}.part`, `${file}.part.json`]) await rm(path, { force: true });
}

async function readOrigin(sidecar: string): Promise<PartOrigin | undefined> {
  try {
    const read = JSON.parse(await readFile(sidecar, 'utf8')) as Partial<PartOrigin>;
    if (typeof read.url !== 'string' || typeof read.validator !== 'string') return undefined;
    const { url, validator, total } = read;
    return { url, validator, ...(typeof total === 'number' ? { total } : {}) };
  } catch {
    return undefined;
  }
}

const newHashes = (): Hashes => ({ sha256: createHash('sha256'), sha512: createHash('sha512') });

function hash({ sha256, sha512 }: Hashes, chunk: Uint8Array): void {
  sha256.update(chunk);
  sha512.update(chunk);
}
