import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createBootFiles } from '../../src/servers/tftp-files.ts';
import { createSnapshots } from '../../src/servers/tftp-snapshots.ts';
import { createRawClient, startHarness } from './support/tftp-harness.ts';

/** An operator's folder, a distribution's and a /boot, as on Debian. */
async function makeFolders(t: Test) {
  const top = await mkdtemp(join(tmpdir(), 'tinderbox-tftp-files-'));
  t.teardown(() => rm(top, { recursive: true, force: true }));
  const [own, usr, boot] = ['own', 'usr', 'boot'].map((name) => join(top, name)) as [string, string, string];
  for (const folder of [own, usr, boot, join(own, 'sub')]) await mkdir(folder);
  await writeFile(join(own, 'custom.efi'), 'custom');
  await writeFile(join(own, 'sub', 'deep.efi'), 'deep');
  await writeFile(join(usr, 'undionly.kpxe'), 'undionly');
  await writeFile(join(usr, 'ipxe.iso'), 'iso');
  await writeFile(join(boot, 'ipxe.efi'), 'ipxe');
  await writeFile(join(boot, 'vmlinuz'), 'kernel');
  await symlink(join(boot, 'ipxe.efi'), join(usr, 'ipxe.efi'));
  await writeFile(join(top, 'secret'), 'secret');
  let now = 0;
  const files = createBootFiles({
    folder: own,
    distributionFolders: [usr, join(top, 'absent'), boot],
    loaderNames: ['undionly.kpxe', 'ipxe.efi', 'snponly.efi', 'secret.efi'],
    now: () => now,
  });
  const text = async (name: string): Promise<string> => {
    const found = await files.lookup(name);
    return 'file' in found ? Buffer.from(found.file.bytes).toString() : `refused: ${found.refused}`;
  };
  return { top, own, usr, boot, files, text, pass: (ms: number) => void (now += ms) };
}

t.test('the operator’s folder comes first, then the distribution’s, for the loaders alone', async (t) => {
  const { own, usr, boot, files, text, pass } = await makeFolders(t);
  t.equal(await text('custom.efi'), 'custom');
  t.equal(await text('sub/deep.efi'), 'deep');
  t.equal(await text('undionly.kpxe'), 'undionly');
  t.equal(await text('ipxe.efi'), 'ipxe', 'a link from one of the distribution’s folders to another');
  t.equal(await text('snponly.efi'), 'refused: no such file', 'a loader that is not installed');
  t.equal(await text('ipxe.iso'), 'refused: no such file', 'no loader');
  t.equal(await text('vmlinuz'), 'refused: no such file', 'the host’s own kernel');
  t.equal(await files.find('ipxe.efi'), join(boot, 'ipxe.efi'));
  t.equal(await files.find('undionly.kpxe'), join(usr, 'undionly.kpxe'));
  t.equal(await files.find('absent'), undefined);
  await writeFile(join(own, 'undionly.kpxe'), 'the operator’s');
  pass(1000);
  t.equal(await text('undionly.kpxe'), 'the operator’s');
});

t.test('TFTP 4: nothing leaves the root', async (t) => {
  const { top, own, usr, text, pass } = await makeFolders(t);
  await symlink(join(top, 'secret'), join(own, 'link'));
  await symlink('..', join(own, 'up'));
  await symlink(join(top, 'secret'), join(usr, 'secret.efi'));
  await symlink(join(usr, 'undionly.kpxe'), join(own, 'bios'));
  await symlink(join(usr, 'ipxe.iso'), join(own, 'iso'));
  await symlink('custom.efi', join(own, 'alias'));
  await symlink('loop', join(own, 'loop'));
  const table: readonly (readonly [string, RegExp])[] = [
    ['../secret', /^refused/],
    ['sub/../../secret', /^refused/],
    ['/etc/passwd', /^refused/],
    [join(top, 'secret'), /^refused/],
    ['custom.efi\0', /^refused/],
    ['link', /^refused: a link leads out/],
    ['up/secret', /^refused: a link leads out/],
    ['secret.efi', /^refused/],
    ['iso', /^refused: a link leads out/],
    ['loop', /^refused/],
    ['bios', /^undionly$/],
    ['alias', /^custom$/],
  ];
  for (const [name, answer] of table) t.match(await text(name), answer, JSON.stringify(name));
  // A link that is turned round later is followed no longer than a second.
  await rm(join(own, 'alias'));
  await symlink(join(top, 'secret'), join(own, 'alias'));
  t.equal(await text('alias'), 'custom');
  pass(1000);
  t.match(await text('alias'), /^refused: a link leads out/);
});

t.test('TFTP 9: only regular files are served', async (t) => {
  const { own, text } = await makeFolders(t);
  execFileSync('mkfifo', [join(own, 'fifo')]);
  await symlink('/dev/zero', join(own, 'zero'));
  t.equal(await text('sub'), 'refused: not a regular file');
  t.equal(await text('fifo'), 'refused: not a regular file');
  t.match(await text('zero'), /^refused/);
  t.match(await text('custom.efi/x'), /^refused/);
});

t.test('TFTP 9: a file is read once for each of its states', async (t) => {
  const { own, files, text } = await makeFolders(t);
  const path = join(own, 'custom.efi');
  const bytes = async () => {
    const found = await files.lookup('custom.efi');
    return 'file' in found ? found.file.bytes : undefined;
  };
  const first = await bytes();
  const [again, andAgain] = await Promise.all([bytes(), bytes()]);
  t.equal(again, first);
  t.equal(andAgain, first);
  await writeFile(`${path}.new`, 'CUSTOM');
  await rename(`${path}.new`, path);
  t.equal(await text('custom.efi'), 'CUSTOM', 'same size, other file');
  await truncate(path, 3);
  t.equal(await text('custom.efi'), 'CUS');
  t.equal(Buffer.from(first ?? []).toString(), 'custom', 'what is being sent does not change');
  await rm(path);
  t.match(await text('custom.efi'), /^refused/);
});

t.test('TFTP 9: memory is bounded, and what is too large is said', async (t) => {
  const { own } = await makeFolders(t);
  const snapshots = createSnapshots({
    cacheBytes: 1000,
    maxFileBytes: 5000,
    memoryBytes: 10_000,
    wallClock: () => Number.POSITIVE_INFINITY,
  });
  for (let nth = 0; nth < 20; nth++) await writeFile(join(own, `f${nth}`), randomBytes(300));
  await writeFile(join(own, 'large'), randomBytes(3000));
  await writeFile(join(own, 'huge'), randomBytes(5001));
  for (let nth = 0; nth < 20; nth++) {
    await snapshots.read(join(own, `f${nth}`));
    t.ok(snapshots.size() <= 1000);
  }
  const one = await snapshots.read(join(own, 'large'));
  const other = await snapshots.read(join(own, 'large'));
  t.ok('bytes' in one && 'bytes' in other && one.bytes === other.bytes, 'shared while it is in use');
  t.ok(snapshots.size() <= 1000);
  t.match(await snapshots.read(join(own, 'huge')), { refused: /larger than 5000 bytes/ });
});

t.test('TFTP 9: all files in use have a bound together, and one that ends gives its room back', async (t) => {
  const { own } = await makeFolders(t);
  const snapshots = createSnapshots({
    cacheBytes: 1000,
    maxFileBytes: 5000,
    memoryBytes: 9000,
    wallClock: () => Number.POSITIVE_INFINITY,
  });
  const path = (name: string): string => join(own, name);
  for (const name of ['a', 'b', 'c']) await writeFile(path(name), randomBytes(4000));
  await writeFile(path('small'), randomBytes(900));
  const read = async (name: string) => {
    const answer = await snapshots.read(path(name));
    if ('refused' in answer) throw new TypeError(answer.refused);
    return answer;
  };
  const [a, again, b] = [await read('a'), await read('a'), await read('b')];
  t.match(await snapshots.read(path('c')), { refused: /no memory for its 4000 bytes/, busy: true });
  (await read('small')).release();
  t.equal(snapshots.size(), 900, 'what fits beside them is kept');
  a.release();
  a.release();
  t.match(await snapshots.read(path('c')), { busy: true }, 'another one still uses it');
  t.equal((await read('a')).bytes, again.bytes, 'and shares it');
  b.release();
  const c = await read('c');
  t.equal(c.bytes.length, 4000);
  await truncate(path('c'), 100);
  t.equal((await read('c')).bytes.length, 100, 'a new state is another file');
  const other = await Promise.all([snapshots.read(path('b')), snapshots.read(path('b'))]);
  t.match(other, [{ busy: true }, { busy: true }]);
});

t.test(
  'TFTP 9: who asks for a file that there is no memory for hears nothing, and gets it later',
  async (t) => {
    const top = t.testdir({ a: 'a'.repeat(4000), b: 'b'.repeat(4000) });
    const files = createBootFiles({
      folder: top,
      distributionFolders: [],
      loaderNames: [],
      cacheBytes: 100,
      memoryBytes: 5000,
    });
    const harness = await startHarness({ lookup: files.lookup, pace: 'frozen' });
    t.teardown(harness.stop);
    const [first, second] = [await createRawClient(harness.port), await createRawClient(harness.port)];
    t.teardown(first.close);
    t.teardown(second.close);
    await first.ask('a');
    let { packet, from } = await first.next();
    await second.ask('b');
    await harness.until('it is ignored', () =>
      harness.observations.some(({ outcome }) => outcome === 'ignored'),
    );
    t.match(harness.observations.at(-1), { outcome: 'ignored', reasons: [/no memory .*: it asks again/] });
    for (let block = 1; block <= 8; block++) {
      await first.ack(block, from.port);
      if (block < 8) ({ packet, from } = await first.next());
    }
    t.match(packet, { kind: 'data' });
    await harness.until('it ends', () => harness.observations.some(({ kind }) => kind === 'tftp.done'));
    await second.ask('b');
    t.match(await second.next(), { packet: { kind: 'data', block: 1 } });
  },
);

t.test('TFTP 9: a file that is replaced during a transfer changes nothing for it', async (t) => {
  const { own, files } = await makeFolders(t);
  const before = randomBytes(1300);
  await writeFile(join(own, 'custom.efi'), before);
  const harness = await startHarness({ lookup: files.lookup, pace: 'frozen' });
  t.teardown(harness.stop);
  const client = await createRawClient(harness.port);
  t.teardown(client.close);
  await client.ask('\\custom.efi');
  const got: Uint8Array[] = [];
  for (let block = 1; block <= 3; block++) {
    const { packet, from } = await client.next();
    if (packet.kind === 'data') got.push(packet.bytes);
    await writeFile(join(own, 'custom.efi'), randomBytes(block === 2 ? 10 : 5000));
    await client.ack(block, from.port);
  }
  t.same(Buffer.concat(got), before);
  await harness.until('it ends', () => harness.observations.length === 2);
  t.match(harness.observations[0], { reasons: [`${join(own, 'custom.efi')}, 1300 bytes`] });
});

t.test(
  'TFTP 9: what is only truncated yet is not taken for whole, and who writes on and on is told of',
  async (t) => {
    const { own, files } = await makeFolders(t);
    const path = join(own, 'custom.efi');
    await truncate(path, 0);
    const asked = files.lookup('custom.efi');
    await writeFile(path, 'written anew');
    t.match(await asked, { file: { bytes: Buffer.from('written anew') } });
    let age = 0;
    const snapshots = createSnapshots({
      cacheBytes: 1000,
      maxFileBytes: 1000,
      memoryBytes: 1000,
      wallClock: () => stamp + age,
    });
    const stamp = (await stat(path)).mtimeMs;
    age = 99.9;
    t.same(await snapshots.read(path), { refused: 'the file is being written', missing: false });
    age = 100;
    t.match(await snapshots.read(path), { bytes: Buffer.from('written anew') });
  },
);
