import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { keepBuilt } from '../../src/lab/keep-built.ts';

t.test('what is built is kept, and built once', async (t) => {
  const parent = t.testdir({});
  const folder = join(parent, 'image');
  let builds = 0;
  const build = async ({ work, result }: { work: string; result: string }) => {
    builds += 1;
    await writeFile(join(work, 'scratch'), '');
    await writeFile(join(result, 'disk'), `build ${builds}`);
  };
  await keepBuilt(folder, build);
  await keepBuilt(folder, build);
  t.equal(builds, 1);
  t.equal(await readFile(join(folder, 'disk'), 'utf8'), 'build 1');
  t.same(await readdir(parent), ['image'], 'nothing else is left');
});

t.test('a build that fails leaves nothing behind', async (t) => {
  const parent = t.testdir({});
  const failing = keepBuilt(join(parent, 'image'), async ({ result }) => {
    await writeFile(join(result, 'disk'), 'half');
    throw new Error('no space');
  });
  await t.rejects(failing, { message: 'no space' });
  t.same(await readdir(parent), []);
});

t.test('of two builders at once one is kept whole', async (t) => {
  const parent = t.testdir({});
  const folder = join(parent, 'image');
  const ready = Promise.withResolvers<void>();
  let building = 0;
  const build = (name: string) => () =>
    keepBuilt(folder, async ({ result }) => {
      building += 1;
      if (building === 2) ready.resolve();
      await ready.promise;
      await Promise.all(['disk', 'kernel'].map((file) => writeFile(join(result, file), name)));
    });
  await Promise.all([build('one')(), build('two')()]);
  t.same(await readdir(parent), ['image']);
  t.equal(await readFile(join(folder, 'disk'), 'utf8'), await readFile(join(folder, 'kernel'), 'utf8'));
});
