import { mkdtemp, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createAssetCache } from '../../src/http/asset-cache.ts';
import { findAsset } from '../../src/http/asset-file.ts';
import { memoryBuffer, memoryFile, type OpenAssetMemory } from '../../src/http/asset-memory.ts';
import { memoryFiles } from '../../src/net/file-sender.ts';

const MIB = 1024 * 1024;

async function start(t: Test, limitBytes: number, openMemory: OpenAssetMemory = memoryBuffer) {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-cache-'));
  t.teardown(() => rm(folder, { recursive: true }));
  let now = 0;
  const cache = createAssetCache({ limitBytes, openMemory, clock: () => now });
  const write = (name: string, bytes: Uint8Array | string) => writeFile(join(folder, name), bytes);
  const file = async (name: string) => {
    const found = await findAsset(folder, [name]);
    if (found.kind !== 'file') throw new Error(`no ${name}`);
    return found.file;
  };
  const ask = async (name: string, range?: { start: number; end: number }) => {
    const asked = await file(name);
    return cache.acquire(asked, range ?? { start: 0, end: asked.size });
  };
  const held = async (name: string) => {
    const got = await ask(name);
    if (typeof got === 'string') throw new Error(got);
    await got.fill.beyond((await file(name)).size - 1);
    return got;
  };
  return { folder, cache, write, file, ask, held, pass: (ms: number) => void (now += ms) };
}

t.test('a file is read once for all who ask together, and no more is held than the limit', async (t) => {
  const { folder, cache, write, file, ask, held } = await start(t, 2 * MIB);
  for (const name of ['a', 'b', 'c']) await write(name, Buffer.alloc(MIB, name));
  const [one, two] = await Promise.all([held('a'), held('a')]);
  t.equal(one.memory, two.memory, 'one memory');
  t.equal(cache.heldBytes(), MIB);
  const b = await held('b');
  t.equal(await ask('c'), 'not-held', 'what is being sent is not thrown out');
  one.release();
  t.equal(await ask('c'), 'not-held', 'nor while one of two still sends it');
  two.release();
  const c = await held('c');
  t.equal(cache.heldBytes(), 2 * MIB);
  const old = await file('c');
  await write('c', Buffer.alloc(MIB, 'x'));
  t.equal(await ask('c'), 'not-held', 'a replaced version counts while it is sent');
  c.release();
  const replaced = await held('c');
  t.equal((await replaced.memory.read(0, MIB))[0], 'x'.charCodeAt(0));
  replaced.release();
  t.equal(
    await cache.acquire(old, { start: 0, end: MIB }),
    'changed',
    'the old version is not in the new file',
  );
  b.release();
  await truncate(join(folder, 'a'), 3 * MIB);
  for (let times = 0; times < 3; times++)
    t.equal(await ask('a'), 'not-held', 'a file above the limit is never held');
  t.ok(cache.heldBytes() <= 2 * MIB);
});

t.test('who is asked for once pushes nothing out, twice within a minute what is wanted less', async (t) => {
  const { write, ask, held, pass } = await start(t, 2 * MIB);
  for (const name of ['hot', 'warm', 'once', 'new']) await write(name, Buffer.alloc(MIB, name));
  for (let times = 0; times < 5; times++) (await held('hot')).release();
  (await held('warm')).release();
  t.equal(await ask('once'), 'not-held');
  pass(30_000);
  (await held('once')).release();
  t.equal(
    await ask('warm', undefined),
    'not-held',
    'it has gone, and is wanted no more than what came for it',
  );
  (await held('hot')).release();
  t.equal(await ask('new'), 'not-held');
  pass(300_000);
  t.equal(await ask('new'), 'not-held', 'long ago does not count');
  (await held('new')).release();
});

t.test('parts of a large file neither bring it in nor keep it', async (t) => {
  const { write, ask, held, cache } = await start(t, 8 * MIB);
  await write('large', Buffer.alloc(3 * MIB));
  await write('small', 'small');
  for (let times = 0; times < 5; times++) t.equal(await ask('large', { start: 5, end: 9 }), 'not-held');
  t.equal(cache.heldBytes(), 0);
  const small = await ask('small', { start: 1, end: 3 });
  t.notMatch(small, /not-held/, 'a small one is at once there');
  (await held('large')).release();
  t.equal(typeof (await ask('large', { start: 5, end: 9 })), 'object', 'what is there is used');
});

t.test('what was read is there before the whole is, and the whole is what the file was', async (t) => {
  const inMemory = memoryFiles();
  if (inMemory === undefined) throw new Error('no C library');
  for (const openMemory of [memoryBuffer, (bytes: number) => memoryFile(inMemory, bytes)]) {
    const { write, ask } = await start(t, 64 * MIB, openMemory);
    const bytes = crypto.getRandomValues(Buffer.alloc(65_536));
    await write('image', Buffer.concat(Array.from({ length: 20 * 16 + 1 }, () => bytes)));
    const got = await ask('image');
    if (typeof got === 'string') throw new Error(got);
    const filled = got.fill.filled();
    t.ok(filled > 0 && filled < 20 * MIB, `${filled} bytes were there when it could be had`);
    await got.fill.beyond(20 * MIB);
    t.equal(got.fill.filled(), 20 * MIB + 65_536);
    for (const at of [0, 7 * MIB, 20 * MIB]) {
      t.ok((await got.memory.read(at, at + 65_536)).equals(bytes), String(at));
    }
    got.release();
  }
});

t.test('memory is told when it holds all of a file, and only then', async (t) => {
  let whole = 0;
  const openMemory = (bytes: number) => ({ ...memoryBuffer(bytes), whole: () => void whole++ });
  const { folder, write, ask } = await start(t, 64 * MIB, openMemory);
  await write('image', Buffer.alloc(2 * MIB));
  for (let times = 0; times < 2; times++) {
    const got = await ask('image');
    if (typeof got === 'string') throw new Error(got);
    await got.fill.beyond(2 * MIB - 1);
    got.release();
  }
  await new Promise(setImmediate);
  t.equal(whole, 1);
  await write('changed', Buffer.alloc(40 * MIB));
  const changed = await ask('changed');
  if (typeof changed === 'string') throw new Error(changed);
  await truncate(join(folder, 'changed'), 100);
  await changed.fill.beyond(40 * MIB - 1);
  changed.release();
  await new Promise(setImmediate);
  t.equal(whole, 1);
});

t.test('a file rewritten while it is being read fails its readers and is not kept', async (t) => {
  const { folder, write, ask, held, cache } = await start(t, 64 * MIB);
  await write('image', Buffer.alloc(40 * MIB, 'a'));
  const got = await ask('image');
  if (typeof got === 'string') throw new Error(got);
  await truncate(join(folder, 'image'), 100);
  await got.fill.beyond(40 * MIB - 1);
  t.match(got.fill.failure(), { kind: 'changed' });
  t.ok(got.fill.filled() < 40 * MIB);
  got.release();
  // Its place is given back when the file is closed.
  while (cache.heldBytes() > 0) await new Promise((resolve) => void setImmediate(resolve));
  (await held('image')).release();
  t.equal(cache.heldBytes(), 100);
});

t.test('an unreadable file fails its client alone, and a later request tries anew', async (t) => {
  const { folder, cache, write, file, held } = await start(t, MIB);
  await write('a', 'x');
  const old = await file('a');
  await rename(join(folder, 'a'), join(folder, 'b'));
  await t.rejects(cache.acquire(old, { start: 0, end: 1 }), { code: 'ENOENT' });
  t.equal(cache.heldBytes(), 0);
  await rename(join(folder, 'b'), join(folder, 'a'));
  t.equal((await stat(join(folder, 'a'))).size, 1);
  t.match(await (await held('a')).memory.read(0, 1), Buffer.from('x'));
});

t.test('without memory a file comes from disk', async (t) => {
  const { write, ask, cache } = await start(t, MIB, () => {
    throw Object.assign(new Error('memfd_create: EMFILE'), { code: 'EMFILE' });
  });
  await write('a', 'x');
  t.equal(await ask('a'), 'not-held');
  t.equal(cache.heldBytes(), 0);
});
