import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';

/**
 * `folder`, made by `build` unless it is there. `build` gets two folders: what it leaves in `result` becomes `folder`;
 * `work` goes away. Two builders at once do no harm: a whole result is renamed into place.
 */
export async function keepBuilt(
  folder: string,
  build: (folders: { readonly work: string; readonly result: string }) => Promise<void>,
): Promise<void> {
  if (existsSync(folder)) return;
  const work = `${folder}.work-${randomUUID()}`;
  const result = `${work}/result`;
  try {
    await mkdir(result, { recursive: true });
    await build({ work, result });
    await rename(result, folder).catch((error: NodeJS.ErrnoException) => {
      // Somebody else was quicker.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
