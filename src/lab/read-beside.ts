import { readFile } from 'node:fs/promises';

/** A script that lies in this folder, for an image. */
export function readBeside(name: string): Promise<Buffer> {
  return readFile(new URL(name, import.meta.url));
}
