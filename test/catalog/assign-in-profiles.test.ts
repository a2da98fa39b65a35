import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { assignInProfiles } from '../../src/catalog/assign-in-profiles.ts';
import { loadCatalog } from '../../src/catalog/load-catalog.ts';
import { readEntryText } from '../../src/catalog/read-entry-text.ts';
import { revisionOf } from '../../src/catalog/revision-of.ts';
import { writeFileAtomically } from '../../src/catalog/write-file-atomically.ts';
import type { Problem, TinderboxError } from '../../src/errors.ts';
import { type Mac, macFromBytes } from '../../src/machine/mac.ts';
import type { Catalog } from '../../src/machine/role.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const checkRole = () => [];
const macOf = (group: number, index: number): Mac => macFromBytes(Uint8Array.of(2, 0, 0, 0, group, index));

async function profiles(t: Test, text = '# mine\nmachines:\n'): Promise<{ dir: string; file: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'tb-assign-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  for (const role of ['worker', 'etcd']) {
    await mkdir(join(dir, role));
    await writeFile(join(dir, role, 'role.yaml'), 'boot: { kernel: /k }\n');
  }
  await writeFile(join(dir, 'machines.yaml'), text);
  return { dir, file: join(dir, 'machines.yaml') };
}
async function rejection(promise: Promise<unknown>): Promise<TinderboxError> {
  return promise.then(
    () => {
      throw new Error('it was accepted');
    },
    (error: unknown) => error as TinderboxError,
  );
}

t.test('an assignment is written, and says what was before', async (t) => {
  const { dir, file } = await profiles(t);
  await chmod(file, 0o640);
  t.same(await assignInProfiles({ dir, mac: MAC, role: 'worker', checkRole }), {
    after: 'worker',
    changed: true,
  });
  t.same(
    await assignInProfiles({ dir, mac: MAC, role: 'etcd', hostname: 'e1', address: '10.0.0.1', checkRole }),
    { before: 'worker', after: 'etcd', changed: true },
  );
  const text = await readFile(file, 'utf8');
  t.equal(text, `# mine\nmachines:\n  ${MAC}: { hostname: e1, address: 10.0.0.1, role: etcd }\n`);
  t.equal((await stat(file)).mode & 0o777, 0o640, 'the mode stays');
  const before = await stat(file);
  t.same(await assignInProfiles({ dir, mac: MAC, role: 'etcd', checkRole }), {
    before: 'etcd',
    after: 'etcd',
    changed: false,
  });
  t.equal((await stat(file)).ino, before.ino, 'nothing to do: nothing is written');
  t.same(
    (await readdir(dir)).toSorted(),
    ['etcd', 'machines.yaml', 'worker'],
    'neither lock nor temporary file is left',
  );
});

t.test('a result that would be broken is refused and nothing is written', async (t) => {
  const { dir, file } = await profiles(t, '# mine\nmachines:\n  00:00:00:00:00:01: { hostname: h }\n');
  const text = await readFile(file, 'utf8');
  const unknown = await rejection(assignInProfiles({ dir, mac: MAC, role: 'wroker', checkRole }));
  t.match(unknown, {
    code: 'invalid-catalog',
    message: 'there is no role "wroker"; did you mean "worker"? roles: etcd, worker',
    remedy: 'Nothing was written.',
  });
  t.same(
    unknown.problems.map(({ line, file }) => [line, file]),
    [[undefined, undefined]],
    'no line of a text that was never written',
  );
  t.match(await rejection(assignInProfiles({ dir, mac: MAC, role: 'worker', hostname: 'h', checkRole })), {
    code: 'invalid-catalog',
    message: `the host name h is given twice: 00:00:00:00:00:01 (line 3) and ${MAC}`,
  });
  const judge = (catalog: Catalog): readonly Problem[] => [
    { severity: 'warning', message: 'an old one' },
    ...(catalog.machines.has(MAC)
      ? (['one', 'two'] as const).map((message) => ({
          severity: 'error' as const,
          message,
          line: 4,
          remedy: 'R.',
        }))
      : []),
  ];
  const two = await rejection(
    assignInProfiles({ dir, mac: MAC, role: 'worker', checkRole, checkCatalog: judge }),
  );
  t.match(two, { message: 'machines.yaml would not be sound', remedy: 'Nothing was written.' });
  t.same(
    two.problems,
    ['one', 'two'].map((message) => ({ severity: 'error', message, remedy: 'R.' })),
    'warnings that were there before are not listed',
  );
  const one = (catalog: Catalog) => judge(catalog).slice(0, 2);
  t.match(
    await rejection(assignInProfiles({ dir, mac: MAC, role: 'worker', checkRole, checkCatalog: one })),
    { message: 'one', remedy: 'R. Nothing was written.' },
  );
  const outside = { severity: 'error', message: 'outside' } as const;
  t.match(
    await rejection(
      assignInProfiles({ dir, mac: MAC, role: 'worker', checkRole, checkCatalog: () => [outside] }),
    ),
    { problems: [outside] },
  );
  t.equal(await readFile(file, 'utf8'), text);
  await writeFile(file, Buffer.of(0x23, 0xff, 0x0a));
  t.match(await rejection(assignInProfiles({ dir, mac: MAC, role: 'worker', checkRole })), {
    code: 'invalid-catalog',
    message: /is not UTF-8 text/,
  });
  t.same(await readFile(file), Buffer.of(0x23, 0xff, 0x0a));
  t.match(await rejection(assignInProfiles({ dir: join(dir, 'no'), mac: MAC, role: 'worker', checkRole })), {
    code: 'not-found',
  });
});

t.test('edits at the same time lose nothing, in one process and in several', async (t) => {
  const { dir } = await profiles(t);

  await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      assignInProfiles({ dir, mac: macOf(0, index), role: 'worker', checkRole }),
    ),
  );
  const script = `
    import { assignInProfiles } from ${JSON.stringify(join(import.meta.dirname, '../../src/catalog/assign-in-profiles.ts'))};
    for (let i = 0; i < 12; i++) {
      const mac = '02:00:00:00:0' + process.argv[1] + ':' + i.toString(16).padStart(2, '0');
      await assignInProfiles({ dir: ${JSON.stringify(dir)}, mac, role: 'etcd', checkRole: () => [] });
    }`;
  const children = [1, 2].map((n) =>
    spawn(process.execPath, ['--input-type=module', '-e', script, String(n)], {
      stdio: 'inherit',
      env: { PATH: process.env.PATH ?? '' },
    }),
  );
  const codes = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0] as number));
  t.same(codes, [0, 0]);
  const { catalog } = await loadCatalog(dir, { generation: 1, checkRole });
  t.equal(catalog?.machines.size, 36);
});

t.test('a lock that a killed process left is taken over', async (t) => {
  const { dir } = await profiles(t);
  const lock = join(dir, '.machines.yaml.lock');
  await writeFile(lock, '1\n');
  const old = new Date(Date.now() - 60_000);
  await utimes(lock, old, old);
  t.match(await assignInProfiles({ dir, mac: MAC, role: 'worker', checkRole }), { after: 'worker' });
  t.same(
    (await readdir(dir)).filter((name) => name.startsWith('.')),
    [],
  );
});

t.test('a symbolic link stays one and its target is replaced', async (t) => {
  const { dir, file } = await profiles(t);
  const real = join(dir, 'etcd', 'real.yaml');
  await rm(file);
  await writeFile(real, 'machines:\n', { mode: 0o600 });
  await symlink('etcd/real.yaml', file);
  await writeFileAtomically(file, 'default: worker\n');
  t.ok((await lstat(file)).isSymbolicLink());
  t.equal(await readFile(real, 'utf8'), 'default: worker\n');
  t.equal((await stat(real)).mode & 0o777, 0o600);
  await rejection(writeFileAtomically(join(dir, 'no/such'), 'x'));
  await mkdir(join(dir, 'taken'));
  await rejection(writeFileAtomically(join(dir, 'taken'), 'x'));
  t.same(
    (await readdir(dir)).filter((name) => name.startsWith('.')),
    [],
    'a failed write leaves nothing behind',
  );
});

t.test('the second of two who edit one entry is told what it is now, and nothing is written', async (t) => {
  const { dir, file } = await profiles(t, `machines:\n  ${MAC}: { role: worker }  # mine\n`);
  const options = { dir, mac: MAC, checkRole };
  const read = revisionOf(await readEntryText(file, MAC));
  await assignInProfiles({ ...options, hostname: 'first', revision: read });
  const text = await readFile(file, 'utf8');
  await t.rejects(assignInProfiles({ ...options, hostname: 'second', revision: read }), {
    code: 'conflict',
    message: `the entry of ${MAC} was changed meanwhile: it is now ${MAC}: { hostname: first, role: worker }`,
    remedy: /Look at it again/,
  });
  t.equal(await readFile(file, 'utf8'), text);
  await assignInProfiles({
    ...options,
    hostname: 'second',
    revision: revisionOf(await readEntryText(file, MAC)),
  });
  t.match(await readFile(file, 'utf8'), 'hostname: second');
});

t.test('an entry that came or went meanwhile is a conflict too', async (t) => {
  const { dir } = await profiles(t);
  const options = { dir, mac: MAC, hostname: 'a', checkRole };
  await t.rejects(assignInProfiles({ ...options, revision: '0123456789abcdef' }), {
    code: 'conflict',
    message: /it has none/,
  });
  await assignInProfiles({ ...options, revision: revisionOf(undefined) });
  await t.rejects(assignInProfiles({ ...options, revision: revisionOf(undefined) }), { code: 'conflict' });
});
