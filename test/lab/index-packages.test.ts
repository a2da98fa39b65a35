import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { indexPackages } from '../../src/lab/index-packages.ts';
import { runProgram } from '../../src/lab/run-program.ts';

t.test('apt finds what a folder of packages holds', async (t) => {
  const folder = join(t.testdir({ source: {} }), 'source');
  for (const name of ['one', 'two']) {
    const tree = join(folder, '..', name);
    await mkdir(join(tree, 'DEBIAN'), { recursive: true });
    await writeFile(
      join(tree, 'DEBIAN/control'),
      `Package: ${name}\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@localhost>\nDescription: a test\n`,
    );
    await runProgram([
      'dpkg-deb',
      '--root-owner-group',
      '--build',
      tree,
      join(folder, `${name}_1.0_all.deb`),
    ]);
  }
  await indexPackages(folder);
  const index = await readFile(join(folder, 'Packages'), 'utf8');
  t.match(index, /^Package: one\n[^]*\n\nPackage: two\n/);

  const state = join(folder, '../state');
  for (const path of ['lists/partial', 'cache/archives/partial'])
    await mkdir(join(state, path), { recursive: true });
  await writeFile(join(state, 'status'), '');
  await writeFile(join(state, 'sources.list'), `deb [trusted=yes] file:${folder} ./\n`);
  const options = [
    `Dir::Etc::sourcelist=${state}/sources.list`,
    'Dir::Etc::sourceparts=-',
    `Dir::State=${state}`,
    `Dir::State::status=${state}/status`,
    `Dir::Cache=${state}/cache`,
    'APT::Sandbox::User=root',
    'Debug::NoLocking=1',
  ].flatMap((option) => ['-o', option]);
  const apt = (...args: readonly string[]) => runProgram(['apt-get', '-q', ...options, ...args]);
  await apt('update');
  t.match(await apt('--simulate', 'install', 'two'), /^Inst two \(1\.0 /m);
  t.match(index, new RegExp(`Size: ${(await stat(join(folder, 'two_1.0_all.deb'))).size}\n`));
});
