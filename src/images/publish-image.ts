import { randomBytes } from 'node:crypto';
import { chmod, open, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ImageManifest, MANIFEST_FILE } from './image-manifest.ts';
import { syncFile } from './sync-file.ts';

/** Gives a hidden folder whose files are all proven its list and its name: from here on it is usable, or not at all. */
export async function publishImage(manifest: ImageManifest, staging: string, folder: string): Promise<void> {
  const file = join(staging, MANIFEST_FILE);
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  {
    await using handle = await open(temporary, 'wx', 0o644);
    await handle.chmod(0o644);
    await handle.writeFile(`${JSON.stringify(manifest, null, 2)}\n`);
    await handle.sync();
  }
  await rename(temporary, file);
  for (const entry of await readdir(staging, { recursive: true, withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    await chmod(path, 0o755);
    await syncFile(path);
  }
  await chmod(staging, 0o755);
  await syncFile(staging);
  await rename(staging, folder);
  await syncFile(dirname(folder));
}
