import { spawnSync } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { levelTree } from '../../packaging/archive.ts';
import { packagesOf } from '../../packaging/bundle-program.ts';
import { newestRelease, readSourceDate } from '../../packaging/source-date.ts';

t.test('the time is what is given, else the newest commit, else the newest release', async (t) => {
  const folder = t.testdir({
    'CHANGELOG.md': '## [Unreleased]\n\n## [0.2.0] - 2026-12-24\n\n## [0.1.0] - 2026-12-01\n',
  });
  t.equal(readSourceDate(folder, '77'), 77);
  // A folder below a clone is part of it.
  const git = spawnSync('git', ['-C', folder, 'log', '-1', '--format=%ct'], {
    encoding: 'utf8',
  }).stdout.trim();
  t.equal(readSourceDate(folder, undefined), git === '' ? Date.UTC(2026, 11, 24) / 1000 : Number(git));
  t.equal(newestRelease('## [0.2.0] - 2026-12-24\n'), Date.UTC(2026, 11, 24) / 1000);
  t.equal(newestRelease('## [Unreleased]\n'), undefined);
});

t.test('packages are named as npm nests them', async (t) => {
  const files = [
    'src/a.ts',
    'node_modules/b/c.js',
    'node_modules/@d/e/f/g.js',
    'node_modules/b/node_modules/h/i.js',
  ];
  t.strictSame(packagesOf(files), ['@d/e', 'b', 'b/node_modules/h']);
});

t.test('modes and times in an archive are nobody’s umask and clock', async (t) => {
  const folder = t.testdir({ bin: { node: 'x' }, share: { data: 'x' } });
  writeFileSync(`${folder}/share/secret`, 'x', { mode: 0o600 });
  cpSync(`${folder}/share`, `${folder}/copy`, { recursive: true });
  levelTree(folder, 1_000_000_000);
  const list = spawnSync('find', [folder, '-mindepth', '1', '-printf', '%P %m %T@\n'], {
    encoding: 'utf8',
  }).stdout;
  t.strictSame(
    list
      .trim()
      .split('\n')
      .toSorted()
      .map((line) => line.replace(/\.0*$/, '')),
    ['bin 755 1000000000', 'bin/node 755 1000000000', 'copy 755 1000000000', 'copy/data 644 1000000000']
      .concat(['copy/secret 644 1000000000', 'share 755 1000000000', 'share/data 644 1000000000'])
      .concat(['share/secret 644 1000000000']),
  );
});
