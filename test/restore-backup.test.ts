import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { loadConfig } from '../src/config/load.ts';
import { makeBackup } from '../src/make-backup.ts';
import { checkState } from '../src/preflight-state.ts';
import { MIGRATIONS } from '../src/store/migrations.ts';
import { openStore } from '../src/store/sqlite-store.ts';
import { isNewerVersion } from '../src/version.ts';
import { makeSite } from './support/make-site.ts';
import { backUp, emptyFolder, leasesOf, NOW, restore, STAMP, snapshot } from './support/restore-site.ts';

t.setTimeout(300_000);

t.test('a backup becomes a whole installation in an empty place', async (t) => {
  const config = await makeSite(t);
  const file = await backUp(t, config);
  const folder = emptyFolder(t);
  const configFile = join(folder, 'etc/tinderbox.yaml');
  const { moves, notes } = await restore(file, configFile);
  t.same(
    moves.map(({ what, aside }) => [what, aside]),
    ['config', 'profiles', 'database', 'authorities', 'session key'].map((what) => [what, undefined]),
  );
  t.same(notes, []);
  const etc = join(folder, 'etc');
  t.same(readdirSync(etc).toSorted(), ['profiles', 'tinderbox.yaml', 'var']);
  t.same(readdirSync(join(etc, 'var')).toSorted(), [
    'pki',
    'session-key',
    'tinderbox.db',
    'tinderbox.db.lock',
  ]);
  for (const name of ['session-key', 'pki/kubernetes.pem', 'pki/service-accounts.pem']) {
    t.same(readFileSync(join(etc, 'var', name)), readFileSync(join(config.paths.state, name)), name);
    t.equal(statSync(join(etc, 'var', name)).mode & 0o777, 0o600);
  }
  t.equal(statSync(join(etc, 'var')).mode & 0o777, 0o700);
  t.equal(statSync(join(etc, 'var/pki')).mode & 0o777, 0o700);
  t.equal(statSync(join(etc, 'var/tinderbox.db')).mode & 0o777, 0o600);
  t.equal(statSync(join(etc, 'profiles/worker/role.yaml')).mode & 0o777, 0o600);
  t.equal(readlinkSync(join(etc, 'profiles/alias')), 'worker');
  t.equal(readFileSync(join(etc, 'profiles/machines.yaml'), 'utf8'), 'default: worker # mine\n');
  t.same(await leasesOf(join(etc, 'var')), [0x0a4d0064, 0x0a4d0065, 0x0a4d0066]);
  t.same(await checkState((await loadConfig(configFile, {})).config), []);
});

t.test('what is there is set aside under a name that is said, and nothing is mixed', async (t) => {
  const config = await makeSite(t);
  const file = await backUp(t, config);
  const { state, profiles } = config.paths;
  writeFileSync(join(profiles, 'only-now.yaml'), 'x');
  writeFileSync(join(state, 'tinderbox.db-wal'), 'of the present one');
  writeFileSync(config.file, `${readFileSync(config.file, 'utf8')}# edited\n`);
  const { moves } = await restore(file, config.file);
  t.same(
    moves.map(({ path, aside }) => [path, aside]),
    [config.file, profiles, join(state, 'tinderbox.db-wal'), join(state, 'tinderbox.db'), join(state, 'pki')]
      .map((path) => [path, path.endsWith('-wal') ? `${path.slice(0, -4)}.${STAMP}-wal` : `${path}.${STAMP}`])
      .concat([[join(state, 'session-key'), `${join(state, 'session-key')}.${STAMP}`]]),
  );
  t.notOk(existsSync(join(profiles, 'only-now.yaml')));
  t.ok(existsSync(join(`${profiles}.${STAMP}`, 'only-now.yaml')));
  t.notMatch(readFileSync(config.file, 'utf8'), /edited/);
  t.match(readFileSync(`${config.file}.${STAMP}`, 'utf8'), /edited/);
  t.equal(readFileSync(`${join(state, 'tinderbox.db')}.${STAMP}-wal`, 'utf8'), 'of the present one');
  t.equal((await leasesOf(state)).length, 3);
});

t.test('a restored database knows that it may not know every lease', async (t) => {
  const config = await makeSite(t);
  await restore(await backUp(t, config), config.file);
  const file = join(config.paths.state, 'tinderbox.db');
  const store = await openStore({ file, durability: 'process', openedAt: NOW + 1 });
  t.same(store.opening, { created: false, incompleteSince: NOW, isOnceUnknown: true });
  await store.close();
});

t.test('parts are restored alone, and a dry run changes nothing', async (t) => {
  const config = await makeSite(t);
  const file = await backUp(t, config);
  const folder = dirname(config.file);
  const before = snapshot(folder);
  const { moves } = await restore(file, config.file, { dryRun: true });
  t.equal(moves.length, 5);
  t.same(snapshot(folder), before);
  await restore(file, config.file, {
    parts: ['profiles'],
    passphrase: () => Promise.reject(new Error('asked')),
  });
  t.same(
    Object.keys(snapshot(folder))
      .filter((name) => !(name in before))
      .toSorted(),
    Object.keys(before)
      .filter((name) => name.startsWith('profiles/'))
      .map((name) => name.replace('profiles', `profiles.${STAMP}`))
      .toSorted(),
  );
});

/** Changes bytes of a backup below its compression, where a name or a value stands. */
function tamper(file: string, from: string, to: string): string {
  const bytes = gunzipSync(readFileSync(file));
  const at = bytes.indexOf(from);
  if (at < 0 || from.length !== to.length) throw new Error(`there is no ${from}`);
  bytes.write(to, at);
  const changed = `${file}.${Math.random()}`;
  writeFileSync(changed, gzipSync(bytes));
  return changed;
}

/** Gives the one link another target, with a checksum that is right again. */
function retarget(file: string): string {
  const bytes = gunzipSync(readFileSync(file));
  const header = bytes.subarray(bytes.indexOf('profiles/alias\0'));
  header.write('/shad\0', 157);
  header.write(' '.repeat(8), 148);
  const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const changed = `${file}.link`;
  writeFileSync(changed, gzipSync(bytes));
  return changed;
}

t.test('what cannot be restored as a whole is refused before anything is touched', async (t) => {
  const config = await makeSite(t);
  const file = await backUp(t, config);
  const folder = dirname(config.file);
  const before = snapshot(folder);
  const cut = `${file}.cut`;
  writeFileSync(cut, readFileSync(file).subarray(0, -2000));
  const text = `${file}.text`;
  writeFileSync(text, 'no backup');
  const rows: readonly [
    string,
    () => Promise<unknown>,
    { readonly code?: string; readonly message?: RegExp | string; readonly remedy?: RegExp },
  ][] = [
    [
      'a wrong passphrase',
      () => restore(file, config.file, { passphrase: async () => 'wrong' }),
      { code: 'refused', message: /passphrase/ },
    ],
    [
      'no passphrase',
      () => restore(file, config.file, { passphrase: async () => undefined }),
      { code: 'usage', remedy: /--passphrase-file/ },
    ],
    [
      'a file that is cut off',
      () => restore(cut, config.file),
      { code: 'invalid-config', message: /no sound backup/ },
    ],
    ['no backup', () => restore(text, config.file), { code: 'invalid-config' }],
    ['no file', () => restore('/nowhere', config.file), { code: 'not-found' }],
    [
      'a byte of a profile changed',
      () => restore(tamper(file, 'default: worker', 'default: rescue'), config.file),
      { message: /machines\.yaml is not what it was/ },
    ],
    [
      'a manifest that was changed along with it',
      () => restore(tamper(file, '"configFile": "/', '"configFile": "x'), config.file),
      { code: 'refused' },
    ],
    [
      'a newer format',
      () => restore(tamper(file, '"format": 1', '"format": 9'), config.file),
      { code: 'refused', message: /format 9/, remedy: /Install Tinderbox/ },
    ],
    [
      'a link that names something else',
      () => restore(retarget(file), config.file),
      { code: 'invalid-config', message: /profiles\/alias is not what it was/ },
    ],
    [
      'what would write to the terminal',
      () => restore(tamper(file, '2027-01-02T', '\\u001b[2Jab'), config.file),
      { code: 'invalid-config', message: /its createdAt is none/ },
    ],
    [
      'a newer schema',
      () => restore(tamper(file, `"schema": ${MIGRATIONS.length}`, '"schema": 99'), config.file),
      { code: 'newer-database', message: /schema version 99/, remedy: /Install Tinderbox/ },
    ],
    [
      'a daemon that runs',
      () => restore(file, config.file, { refuseDaemon: () => Promise.reject(new Error('it runs')) }),
      { message: 'it runs' },
    ],
  ];
  for (const [name, attempt, expected] of rows) {
    await t.rejects(attempt(), expected as { message: string }, name);
    t.same(snapshot(folder), before, name);
  }
  const held = await openStore({ file: join(config.paths.state, 'tinderbox.db'), durability: 'process' });
  await t.rejects(restore(file, config.file), { code: 'in-use' }, 'a daemon whose socket is elsewhere');
  await held.close();
  t.ok(isNewerVersion('0.2.0', '0.1.9') && isNewerVersion('1.0.0', '1.0.0-rc.1'));
  t.notOk(
    isNewerVersion('0.1.0', '0.1.0') ||
      isNewerVersion('0.1.9', '0.2.0') ||
      isNewerVersion('1.0.0-rc.1', '1.0.0'),
  );
});

t.test('other authorities than those that machines trust are exchanged on demand only', async (t) => {
  const file = await backUp(t, await makeSite(t));
  const other = await makeSite(t, { ownAuthorities: true });
  await t.rejects(restore(file, other.file), { code: 'in-use', message: /another one/, remedy: /--force/ });
  await restore(file, other.file, { parts: ['profiles', 'database'] });
  await restore(file, other.file, { parts: ['authorities'], force: true, now: NOW + 1000 });
});

t.test('a database of an older schema is brought up to date on the way', async (t) => {
  const { default: Sqlite } = await import('better-sqlite3');
  const { migrate } = await import('../src/store/migrations.ts');
  const config = await makeSite(t, { cluster: false });
  const database = join(config.paths.state, 'tinderbox.db');
  rmSync(database);
  const old = new Sqlite(database);
  migrate(old, database, MIGRATIONS.slice(0, 3));
  old.exec("INSERT INTO leases VALUES (7, '52:54:00:00:00:01', 'bound', 9000000000000, 'lo', NULL)");
  old.close();
  const file = await backUp(t, config);
  const folder = emptyFolder(t);
  await restore(file, join(folder, 'tinderbox.yaml'));
  t.same(await leasesOf(join(folder, 'var')), [7]);
  t.same(
    readdirSync(join(folder, 'var')).filter((name) => /bak|restoring/.test(name)),
    [],
  );
});

t.test('a backup that anybody may have written sends nothing to other places', async (t) => {
  const config = await makeSite(t);
  writeFileSync(
    config.file,
    `${readFileSync(config.file, 'utf8')}paths: { profiles: ${config.paths.profiles} }\n`,
  );
  const sealed = await backUp(t, config);
  const file = `${sealed}.open`;
  await makeBackup({ config, to: { file, force: false }, now: NOW });
  const elsewhere = () => join(emptyFolder(t), 'tinderbox.yaml');
  const before = snapshot(dirname(config.file));
  const refusal = { code: 'refused', message: config.paths.profiles, remedy: /--force/ };
  await t.rejects(restore(file, elsewhere()), refusal);
  await t.rejects(restore(sealed, elsewhere(), { parts: ['config', 'profiles'] }), refusal);
  t.same(snapshot(dirname(config.file)), before);
  await t.rejects(
    restore(sealed, elsewhere()),
    { code: 'refused', message: /would replace/, remedy: /--force/ },
    'nor does one of our own take the place of what another configuration uses',
  );
  t.same(snapshot(dirname(config.file)), before);
  await restore(file, config.file);
  await restore(sealed, elsewhere(), { dryRun: true });
  await restore(file, elsewhere(), { dryRun: true, force: true });
});

t.test('root gives what it restores to the user that owns the state folder', async (t) => {
  if (process.geteuid?.() !== 0) return t.fail('this test runs as root');
  const config = await makeSite(t);
  const file = await backUp(t, config);
  // As on an installed system: the service's user must get there, and root works there with its rights.
  chmodSync(dirname(config.file), 0o755);
  execFileSync('chown', ['-R', '65534:65534', config.paths.state, config.paths.profiles]);
  await restore(file, config.file);
  for (const path of ['tinderbox.db', 'tinderbox.db.lock', 'pki', 'pki/etcd.pem', 'session-key'].map((name) =>
    join(config.paths.state, name),
  ))
    t.match(statSync(path), { uid: 65534, gid: 65534 }, path);
  t.match(statSync(join(config.paths.profiles, 'worker/role.yaml')), { uid: 65534 });
  t.match(statSync(config.file), { uid: 0 });
});
