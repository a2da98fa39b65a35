import { join } from 'node:path';
import { hashFile } from './hash-file.ts';
import type { StoredVersion } from './image-folder.ts';

/** What of a version is not as it was pulled, each a sentence; reads all of it. */
export async function verifyImage({ folder, manifest }: StoredVersion): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const { name, size, sha512 } of manifest.files) {
    try {
      const found = await hashFile(join(folder, name));
      if (found.size !== size) problems.push(`${name} has ${found.size} bytes in the place of ${size}`);
      else if (found.sha512 !== sha512) problems.push(`${name} was changed`);
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      problems.push(
        code === 'ENOENT' ? `${name} is missing` : `${name} cannot be read (${code ?? 'unknown'})`,
      );
    }
  }
  return problems;
}
