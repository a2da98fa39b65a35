import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { buildPackages } from './support/build-packages.ts';

const ROOT = join(import.meta.dirname, '../..');
const DATE = { SOURCE_DATE_EPOCH: '1000000000' };
const sum = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
const built = buildPackages(ROOT, DATE);
t.teardown(() => rmSync(built.folder, { recursive: true }));

t.test('npm install -g below a prefix gives a program that runs', async (t) => {
  const prefix = mkdtempSync(join(tmpdir(), 'tinderbox-npm-'));
  t.teardown(() => rmSync(prefix, { recursive: true }));
  const bin = join(ROOT, 'node_modules/.bin');
  execFileSync('npm', ['install', '--global', '--no-audit', '--no-fund', '--prefix', prefix, built.npm], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const run = (path: string, ...argv: readonly string[]) =>
    spawnSync(join(prefix, 'bin/tinderbox'), argv, {
      encoding: 'utf8',
      env: { PATH: `${path}:/usr/bin:/bin` },
    });
  t.match(run(bin, '--version').stdout, /^\d+\.\d+\.\d+\n$/);
  const check = run(bin, 'check', '--config', '/no/such.yaml');
  t.equal(check.status, 1);
  t.match(check.stdout + check.stderr, /no\/such\.yaml/);
});

t.test('another folder, time zone, locale, umask and clock give the same bytes', async (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'tinderbox-again-'));
  t.teardown(() => rmSync(parent, { recursive: true }));
  const clone = join(parent, 'another name');
  mkdirSync(clone);
  const files = execFileSync(
    'git',
    ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    {
      cwd: ROOT,
      encoding: 'utf8',
    },
  );
  for (const file of files
    .split('\0')
    .filter((name) => name !== '')
    .toReversed())
    cpSync(join(ROOT, file), join(clone, file));
  symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
  const umask = process.umask(0o077);
  const again = buildPackages(clone, { ...DATE, TZ: 'Pacific/Kiritimati', LC_ALL: 'C', TMPDIR: parent });
  process.umask(umask);
  t.teardown(() => rmSync(again.folder, { recursive: true }));
  for (const kind of ['deb', 'tarball', 'npm'] as const) t.equal(sum(again[kind]), sum(built[kind]), kind);
});
