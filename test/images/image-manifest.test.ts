import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { readManifest } from '../../src/images/image-manifest.ts';

t.test('what lies in the place of a manifest and is none is said, and never waited for', async (t) => {
  const base = t.testdir({ none: {}, text: {}, pipe: {}, folder: {}, large: {} });
  await writeFile(join(base, 'text/image.json'), '{');
  await writeFile(join(base, 'large/image.json'), ' '.repeat(4 * 1024 * 1024 + 1));
  await mkdir(join(base, 'folder/image.json'));
  execFileSync('mkfifo', [join(base, 'pipe/image.json')]);
  t.equal(await readManifest(join(base, 'none')), undefined);
  for (const name of ['text', 'large', 'folder', 'pipe'])
    await t.rejects(readManifest(join(base, name)), { code: 'refused', message: /is damaged/ }, name);
});
