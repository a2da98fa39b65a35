import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { verifyBackup } from '../src/backup/read-backup.ts';
import { makeBackup } from '../src/make-backup.ts';
import { MIGRATIONS } from '../src/store/migrations.ts';
import { makeSite } from './support/make-site.ts';

const NOW = Date.UTC(2027, 0, 2);
const PASSPHRASE = 'correct horse battery';

t.test(
  'a backup is one file that tar reads, for its owner only, with everything but the assets',
  async (t) => {
    const config = await makeSite(t);
    const folder = mkdtempSync(join(tmpdir(), 'tinderbox-backup-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'backup.tar.gz');
    const made = await makeBackup({ config, to: { file, force: false }, passphrase: PASSPHRASE, now: NOW });
    t.equal(statSync(file).mode & 0o777, 0o600);
    t.same(readdirSync(folder), ['backup.tar.gz']);
    t.same(
      readdirSync(config.paths.state).filter((name) => /part|wal|shm/.test(name)),
      [],
      'nothing is left beside the database',
    );

    const unpacked = join(folder, 'unpacked');
    mkdirSync(unpacked);
    execFileSync('tar', ['xzf', file, '-C', unpacked]);
    t.same(
      readdirSync(unpacked, { recursive: true, encoding: 'utf8' })
        .filter((name) => !name.startsWith('profiles/alias/'))
        .toSorted(),
      [
        'assets.json',
        'manifest.json',
        'profiles',
        'profiles/alias',
        'profiles/machines.yaml',
        'profiles/worker',
        'profiles/worker/role.yaml',
        'secrets.enc',
        'state',
        'state/tinderbox.db',
        'tinderbox-backup.json',
        'tinderbox.yaml',
      ],
    );
    const manifest = JSON.parse(readFileSync(join(unpacked, 'manifest.json'), 'utf8'));
    t.same(manifest, made);
    t.match(manifest, {
      format: 1,
      createdAt: '2027-01-02T00:00:00.000Z',
      schema: MIGRATIONS.length,
      configFile: config.file,
      secrets: {
        holds: [
          'session-key',
          'pki/etcd.pem',
          'pki/front-proxy.pem',
          'pki/kubernetes.pem',
          'pki/service-accounts.pem',
        ],
      },
    });
    t.match(JSON.parse(readFileSync(join(unpacked, 'assets.json'), 'utf8')).files, [
      { name: 'flatcar/kernel', size: 1000 },
    ]);
    const all = readdirSync(unpacked, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
      .join('');
    t.notMatch(all, /PRIVATE KEY/, 'no key is in it in clear');
    t.notOk(all.includes(readFileSync(join(config.paths.state, 'session-key'), 'latin1')));
    t.match(await verifyBackup(file), { manifest: { id: made.id } });
  },
);

t.test('without a passphrase nothing secret is in it', async (t) => {
  const config = await makeSite(t);
  const file = join(config.paths.state, '../b.tar.gz');
  const { secrets } = await makeBackup({ config, to: { file, force: false }, now: NOW });
  t.equal(secrets, undefined);
  t.notOk(execFileSync('tar', ['tzf', file], { encoding: 'utf8' }).includes('secrets'));
});

t.test('a file that is there is replaced on demand only, and only by a whole one', async (t) => {
  const config = await makeSite(t, { cluster: false });
  const file = join(config.paths.state, '../b.tar.gz');
  writeFileSync(file, 'mine');
  const make = (force: boolean) => makeBackup({ config, to: { file, force }, now: NOW });
  await t.rejects(make(false), { code: 'in-use', remedy: /--force/ });
  t.equal(readFileSync(file, 'utf8'), 'mine');
  await make(true);
  await verifyBackup(file);
  const nowhere = { file: '/nowhere/at/all', force: false };
  await t.rejects(makeBackup({ config, to: nowhere, now: NOW }), { code: 'not-found' });
  const abort = new AbortController();
  abort.abort();
  const other = join(config.paths.state, '../other');
  await t.rejects(makeBackup({ config, to: { file: other, force: false }, now: NOW, signal: abort.signal }), {
    code: 'unavailable',
    message: /interrupted/,
  });
  t.same(
    readdirSync(join(file, '..')).filter((name) => /part|other/.test(name)),
    [],
  );
});

t.test('a full disk leaves no half file', async (t) => {
  const config = await makeSite(t, { leases: 20_000 });
  const disk = mkdtempSync(join(tmpdir(), 'tinderbox-disk-'));
  t.teardown(() => rmSync(disk, { recursive: true, force: true }));
  const script = `
    import { readdirSync } from 'node:fs';
    import { loadConfig } from ${JSON.stringify(import.meta.resolve('../src/config/load.ts'))};
    import { makeBackup } from ${JSON.stringify(import.meta.resolve('../src/make-backup.ts'))};
    const [disk, configFile] = process.argv.slice(1);
    const { config } = await loadConfig(configFile, {});
    await makeBackup({ config, to: { file: disk + '/b.tar.gz', force: false }, now: 0 }).then(
      () => console.log('{}'),
      ({ code, message, remedy }) => console.log(JSON.stringify({ code, message, remedy, left: readdirSync(disk) })));`;
  const shell = 'mount -t tmpfs -o size=48k none "$1" && shift && exec "$0" "$@"';
  const node = [process.execPath, disk, '--input-type=module', '-e', script, disk, config.file];
  const inside = ['--user', '--map-root-user', '--mount', '--', 'sh', '-c', shell, ...node];
  const { NODE_OPTIONS: _, ...env } = process.env;
  t.match(JSON.parse(execFileSync('unshare', inside, { encoding: 'utf8', env })), {
    code: 'unavailable',
    message: /disk is full.*nothing is left/,
    remedy: /room/,
    left: [],
  });
});
