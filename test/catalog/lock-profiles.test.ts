import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { lockProfiles } from '../../src/catalog/lock-profiles.ts';

const LONG_AGO = new Date(Date.now() - 60_000);

async function makeFolder(): Promise<{ dir: string; age: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'tinderbox-lock-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return { dir, age: () => utimes(join(dir, '.machines.yaml.lock'), LONG_AGO, LONG_AGO) };
}

t.test('one holds the folder at a time, and leaves nothing behind', async (t) => {
  const { dir } = await makeFolder();
  const first = await lockProfiles(dir);
  let taken = false;
  const second = lockProfiles(dir).then((lock) => {
    taken = true;
    return lock;
  });
  t.equal(taken, false);
  await first[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
  t.same(await readdir(dir), []);
});

t.test('who holds it for too long does not take it from who came after', async (t) => {
  const { dir, age } = await makeFolder();
  const slow = await lockProfiles(dir);
  await age();
  const next = await lockProfiles(dir);
  await slow[Symbol.asyncDispose]();
  t.same(await readdir(dir), ['.machines.yaml.lock'], 'the second still holds it');
  await next[Symbol.asyncDispose]();
  t.same(await readdir(dir), []);
});

t.test('a lock from before the clock was set back is as stale as an old one', async (t) => {
  const { dir } = await makeFolder();
  await lockProfiles(dir);
  const tomorrow = new Date(Date.now() + 86_400_000);
  await utimes(join(dir, '.machines.yaml.lock'), tomorrow, tomorrow);
  await (await lockProfiles(dir))[Symbol.asyncDispose]();
  t.same(await readdir(dir), []);
});
