import { open } from 'node:fs/promises';

/** Resolves when a file's bytes, or a folder's names, are on disk. */
export async function syncFile(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}
