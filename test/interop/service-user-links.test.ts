import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import t, { type Test } from 'tap';
import { runCli } from '../../src/cli/program.ts';
import { importAuthority, planAuthorityRotation } from '../../src/manage-authorities.ts';
import { makeForeignAuthority } from '../pki/support/make-cluster.ts';
import { makeSite } from '../support/make-site.ts';
import { backUp, emptyFolder, leasesOf, NOW, restore } from '../support/restore-site.ts';

/* What root does in folders of the service's user, if that user has put links there. */
t.setTimeout(300_000);

/** `nobody` of Debian, in the part of the service's user. */
const USER = 65_534;
const SECRET = 'root:$y$j9T$secret:20000:0:99999:7:::\n';

/** tap's record of a thread is written when that ends, with whatever rights the process has then. */
const records = '.tap/processinfo';
mkdirSync(records, { recursive: true });
chmodSync(records, 0o777);

/** A site as it is installed: its folders are the service's, what is around them root's. */
async function makeInstalled(t: Test) {
  const config = await makeSite(t);
  const folder = dirname(config.file);
  execFileSync('chmod', ['755', folder]);
  execFileSync('chown', ['-Rh', `${USER}:${USER}`, config.paths.state, config.paths.profiles]);
  const elsewhere = mkdtempSync(join(tmpdir(), 'tinderbox-root-'));
  t.teardown(() => rmSync(elsewhere, { recursive: true, force: true }));
  const secret = join(elsewhere, 'shadow');
  writeFileSync(secret, SECRET, { mode: 0o600 });
  return { config, secret };
}

t.test('a backup by root reads nothing through links that the service could not', async (t) => {
  for (const name of ['session-key', 'pki/extra.pem']) {
    const { config, secret } = await makeInstalled(t);
    rmSync(join(config.paths.state, name), { force: true });
    symlinkSync(secret, join(config.paths.state, name));
    await t.rejects(backUp(t, config), { code: 'refused', message: /may not be read/ }, name);
  }
  t.same([process.geteuid?.(), process.getegid?.()], [0, 0], 'it is root again');
});

t.test('a restore by root gives nothing away through links, and puts everything in its place', async (t) => {
  const { config, secret } = await makeInstalled(t);
  const { state } = config.paths;
  const file = await backUp(t, config);
  const lock = join(state, 'tinderbox.db.lock');
  rmSync(lock, { force: true });
  symlinkSync(secret, lock);
  await t.rejects(restore(file, config.file), { code: 'refused', message: /is a link/ });
  rmSync(lock);
  for (const name of ['session-key', 'tinderbox.db', 'pki'])
    symlinkSync(secret, join(state, `${name}.restoring-new`));
  await restore(file, config.file);
  const found = statSync(secret);
  t.same([found.uid, found.mode & 0o777, readFileSync(secret, 'utf8')], [0, 0o600, SECRET]);
  for (const name of ['tinderbox.db', 'session-key', 'pki', 'pki/kubernetes.pem'])
    t.equal(statSync(join(state, name)).uid, USER, name);
  for (const path of [config.paths.profiles, join(config.paths.profiles, 'worker/role.yaml')])
    t.equal(statSync(path).uid, USER, path);
  t.same(
    readdirSync(state).filter((name) => name.includes('restoring')),
    [],
  );
  t.same([process.geteuid?.(), process.getegid?.()], [0, 0], 'it is root again');
});

t.test('what lies beside the place of a restored database is not replayed into it', async (t) => {
  const { config } = await makeInstalled(t);
  const { state } = config.paths;
  const file = await backUp(t, config);
  // A database of the same kind whose log is not written back yet.
  const staged = join(state, 'tinderbox.db.restoring-new');
  const killed = join(state, 'killed.db');
  execFileSync('cp', [join(state, 'tinderbox.db'), killed]);
  const database = new Sqlite(killed);
  database.pragma('journal_mode = WAL');
  database.pragma('wal_autocheckpoint = 0');
  database.exec('DELETE FROM leases');
  execFileSync('cp', [`${killed}-wal`, `${staged}-wal`]);
  database.close();
  await restore(file, config.file);
  t.equal((await leasesOf(state)).length, 3);
});

t.test('root reads no authorities through a link that the service could not', async (t) => {
  const { config, secret } = await makeInstalled(t);
  const key = join(config.paths.state, 'pki/kubernetes.pem');
  rmSync(key);
  symlinkSync(secret, key);
  await t.rejects(planAuthorityRotation(config, Date.now()), { code: 'refused' });
});

t.test('an import by root neither writes nor removes anything where a link leads', async (t) => {
  const { config, secret } = await makeInstalled(t);
  const { state } = config.paths;
  const roots = dirname(secret);
  const source = { authority: 'etcd', ...makeForeignAuthority(roots, { name: 'etcd-ca' }) } as const;
  const options = { replace: true, now: Date.now() };
  const pki = join(state, 'pki');
  const [elsewhere, leftover] = [join(roots, 'elsewhere'), join(roots, 'elsewhere/.a.0123456789ab.tmp')];
  renameSync(pki, join(state, 'own'));
  execFileSync('cp', ['-R', join(state, 'own'), elsewhere]);
  writeFileSync(leftover, 'of root');
  const before = readdirSync(elsewhere);
  symlinkSync(elsewhere, pki);
  await t.rejects(importAuthority(config, source, options), { code: 'refused' });
  t.same(readdirSync(elsewhere), before, 'nothing was written or removed');
  rmSync(pki);

  // The folder itself, and what it was before there was one.
  renameSync(join(state, 'own'), pki);
  await importAuthority(config, source, options);
  for (const name of readdirSync(pki)) t.equal(statSync(join(pki, name)).uid, USER, name);
  t.same([process.geteuid?.(), process.getegid?.()], [0, 0], 'it is root again');
});

t.test('a state folder that is a link by the service makes root no more than the service', async (t) => {
  const { config, secret } = await makeInstalled(t);
  const { state } = config.paths;
  const elsewhere = join(dirname(secret), 'elsewhere');
  renameSync(state, elsewhere);
  execFileSync('chown', ['-R', '0:0', elsewhere]);
  symlinkSync(elsewhere, state);
  t.ok((await planAuthorityRotation(config, Date.now())).length > 0, "root's own link is followed");
  execFileSync('chown', ['-h', `${USER}:${USER}`, state]);
  await t.rejects(planAuthorityRotation(config, Date.now()), { code: 'refused' });
});

t.test("on a new host the configuration is root's, whatever the backup says", async (t) => {
  const { config } = await makeInstalled(t);
  execFileSync('chown', [`${USER}:${USER}`, config.file]);
  execFileSync('chmod', ['666', config.file]);
  const file = await backUp(t, config);
  const folder = emptyFolder(t);
  execFileSync('chmod', ['755', folder]);
  const target = join(folder, 'tinderbox.yaml');
  await restore(file, target);
  const group = /^tinderbox:[^:]*:(\d+):/m.exec(readFileSync('/etc/group', 'utf8'))?.[1] ?? 0;
  const { uid, gid, mode } = statSync(target);
  t.same([uid, gid, mode & 0o777], [0, Number(group), 0o640]);

  // One that is there says it better.
  execFileSync('chmod', ['644', target]);
  execFileSync('chown', [`0:${USER}`, target]);
  await restore(file, target, { now: NOW + 1000 });
  const again = statSync(target);
  t.same([again.uid, again.gid, again.mode & 0o777], [0, USER, 0o644]);
});

t.test("root edits machines.yaml through a link of its own, and through none of the service's", async (t) => {
  const { config, secret } = await makeInstalled(t);
  const { profiles } = config.paths;
  const machines = join(profiles, 'machines.yaml');
  const assign = async (mac: string) => {
    let said = '';
    const say = (text: string) => void (said += text);
    const argv = ['assign', mac, 'worker', '--config', config.file];
    return { code: await runCli(argv, { out: say, err: say }), said };
  };
  execFileSync('sh', ['-c', 'echo "boot: { kernel: /k }" > "$0"', join(profiles, 'worker/role.yaml')]);
  t.match(await assign('52:54:00:00:00:01'), { code: 0 });
  t.equal(statSync(machines).uid, USER, 'its own file');

  const target = join(dirname(secret), 'machines.yaml');
  execFileSync('chmod', ['755', dirname(secret)]);
  writeFileSync(target, readFileSync(machines), { mode: 0o644 });
  rmSync(machines);
  symlinkSync(target, machines);
  t.match(await assign('52:54:00:00:00:02'), { code: 0 });
  t.match(readFileSync(target, 'utf8'), /52:54:00:00:00:02/);
  t.equal(readlinkSync(machines), target, 'it is a link still');

  execFileSync('chown', ['-h', `${USER}:${USER}`, machines]);
  t.match(await assign('52:54:00:00:00:03'), { code: 1, said: /cannot be written/ });
  t.notMatch(readFileSync(target, 'utf8'), /52:54:00:00:00:03/);
  t.same([process.geteuid?.(), process.getegid?.()], [0, 0], 'it is root again');
});
