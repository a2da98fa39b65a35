import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

export interface FileHashes {
  readonly size: number;
  /** Lower-case hex, both. */
  readonly sha256: string;
  readonly sha512: string;
}

/** Reads all of it. Rejects with Node's error. */
export async function hashFile(path: string): Promise<FileHashes> {
  const [sha256, sha512] = [createHash('sha256'), createHash('sha512')];
  let size = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    sha256.update(chunk);
    sha512.update(chunk);
    size += chunk.length;
  }
  return { size, sha256: sha256.digest('hex'), sha512: sha512.digest('hex') };
}
