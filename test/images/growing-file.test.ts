import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createGrowingFile } from '../../src/images/growing-file.ts';

t.test('who was told the size of one version gets no byte of the next', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tb-growing-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'k.part');
  await writeFile(file, 'new');
  const growing = createGrowingFile();
  growing.note(1, 10);
  const old = growing.current();
  growing.note(0, 3);
  growing.note(3, 3);
  const fresh = growing.current();
  if (old === undefined || fresh === undefined) return t.fail('how long it is is known');
  t.equal(old.size, 10);
  const [former, reader] = [await old.follow(file), await fresh.follow(file)];
  t.equal(await former.read(0, 10), undefined);
  t.equal(String(await reader.read(0, 3)), 'new');
  await former.close();
  await reader.close();
});
