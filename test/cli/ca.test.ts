import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import t from 'tap';
import { addCaCommand } from '../../src/cli/ca.ts';
import { reportFailure } from '../../src/cli/exit.ts';
import { makeFolder, makeForeignAuthority, open, openssl } from '../pki/support/make-cluster.ts';

interface Said {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

/** A site whose paths are relative to its file. */
function makeSite(t: { teardown(then: () => void): void }) {
  const folder = makeFolder(t);
  mkdirSync(join(folder, 'profiles'));
  writeFileSync(join(folder, 'tinderbox.yaml'), 'network: { interface: lo }\ndhcp: { mode: off }\n');
  const run = async (...argv: readonly string[]): Promise<Said> => {
    let out = '';
    let err = '';
    const context = {
      out: (text: string) => void (out += text),
      err: (text: string) => void (err += text),
      fail: () => undefined,
    };
    const program = new Command('tinderbox').option('--config <file>').exitOverride();
    addCaCommand(program, context);
    try {
      await program.parseAsync(['--config', join(folder, 'tinderbox.yaml'), 'ca', ...argv], { from: 'user' });
      return { out, err, code: 0 };
    } catch (thrown) {
      const { text, code } = reportFailure(thrown, false);
      return { out, err: err + text, code };
    }
  };
  return { folder, state: join(folder, 'var'), run };
}

t.test('ca show prints what the daemon made, and nothing secret', async (t) => {
  const { folder, state, run } = makeSite(t);
  const none = /there are no authorities in .*\/var\/pki yet\n {4}/;
  t.match(await run('show'), { code: 1, err: none });
  t.match(await run('rotate-plan'), { code: 1, err: /Add `cluster:` to .*tinderbox\.yaml .* without it no/ });
  writeFileSync(
    join(folder, 'tinderbox.yaml'),
    'network: { interface: lo }\ndhcp: { mode: off }\ncluster: { apiServer: "https://10.77.0.1:6443" }\n',
  );
  t.match(await run('show'), { code: 1, err: /The first start makes them/ });
  await open(state);
  const { out, code } = await run('show');
  t.equal(code, 0);
  t.match(out, /^kubernetes\n {2}subject +CN=kubernetes\n {2}key +RSA 2048\n/);
  t.match(out, /\n {2}valid +\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d \(365\d days left\)\n/);
  const json = await run('show', '--json');
  t.match(JSON.parse(json.out), [{ name: 'kubernetes' }, { name: 'etcd' }, { name: 'front-proxy' }]);
  t.notMatch(out + json.out, /PRIVATE|BEGIN/);
});

/** What kubeadm leaves, without the pair of service accounts. */
function makeKubeadmFolder(folder: string, prefix = ''): string {
  const from = join(folder, `${prefix}kubeadm`);
  mkdirSync(join(from, 'etcd'), { recursive: true });
  for (const name of ['ca', 'etcd/ca', 'front-proxy-ca']) {
    const { certificate, key } = makeForeignAuthority(folder, { name: prefix + name.replace('/', '-') });
    writeFileSync(join(from, `${name}.crt`), readFileSync(certificate));
    writeFileSync(join(from, `${name}.key`), readFileSync(key));
  }
  return from;
}

t.test('who may not read the authorities is told to use sudo, not to give them away', async (t) => {
  const { folder, state, run } = makeSite(t);
  await open(state);
  chmodSync(folder, 0o755);
  chmodSync(state, 0o755);
  process.seteuid?.(65_534);
  t.teardown(() => process.seteuid?.(0));
  for (const argv of [['show'], ['rotate-plan'], ['import', '--authority', 'etcd', '--distrust', 'AA']]) {
    const { code, err } = await run(...argv);
    process.seteuid?.(0);
    t.equal(code, 1, argv.join(' '));
    t.match(err, /pki: may not be read by this user \(EACCES\)\n {4}Run this with sudo/, argv.join(' '));
    process.seteuid?.(65_534);
  }
});

t.test('what root imports belongs to the user whose state folder it is', async (t) => {
  const { folder, state, run } = makeSite(t);
  const from = makeKubeadmFolder(folder);
  chmodSync(folder, 0o755);
  mkdirSync(state);
  chownSync(state, 65_534, 65_534);
  await run('import', '--from', from);
  const { certificate, key } = makeForeignAuthority(folder);
  await run('import', '--authority', 'etcd', '--certificate', certificate, '--key', key, '--replace');
  const names = readdirSync(join(state, 'pki'));
  t.equal(names.length, 5, 'four, and a former one');
  for (const path of ['pki', ...names.map((name) => `pki/${name}`)]) {
    t.equal(statSync(join(state, path)).uid, 65_534, path);
  }
});

t.test('ca import takes over what kubeadm left', async (t) => {
  const { folder, run } = makeSite(t);
  const nowhere = join(folder, 'nowhere');
  t.match(await run('import', '--from', nowhere), { code: 1, err: `${nowhere} is not there` });
  t.match(await run('import', '--from', join(folder, 'tinderbox.yaml')), { code: 1, err: /is no folder/ });
  mkdirSync(join(folder, 'empty'));
  t.match(await run('import', '--from', join(folder, 'empty')), { code: 1, err: /has neither ca.crt/ });
  const from = makeKubeadmFolder(folder);
  openssl('genrsa', '-out', join(from, 'sa.key'), '2048');
  const first = await run('import', '--from', from);
  t.match(first, { code: 0, err: '' });
  t.equal(
    first.out,
    'kubernetes: CN=ca is imported\netcd: CN=etcd-ca is imported\nfront-proxy: CN=front-proxy-ca is imported\n' +
      'service-accounts: the pair is imported\n',
  );
  t.match(await run('import', '--from', from), {
    code: 0,
    out: /etcd: was imported already[^]*service-accounts: the pair was imported already/,
  });
  rmSync(join(from, 'ca.key'));
  const half = await run('import', '--from', from);
  t.match(half, { code: 1, err: /ca\.key: cannot be read: ENOENT/ });
});

t.test('what becomes of the pair of service accounts is said, and what that makes void', async (t) => {
  const { folder, run } = makeSite(t);
  const from = makeKubeadmFolder(folder);
  const made = await run('import', '--from', from, '--json');
  t.match(JSON.parse(made.out), { made: ['service-accounts'], serviceAccounts: 'made' });
  t.match(
    made.err,
    /^warning: no key of service accounts \(sa\.key\) was given: a new pair was made, and .* is void\n {4}Bring/,
  );

  const sa = join(from, 'sa.key');
  openssl('genrsa', '-out', sa, '2048');
  t.match(await run('import', '--from', from), { code: 1, err: /has another service-accounts already/ });
  const replaced = await run('import', '--from', from, '--replace');
  t.match(replaced, {
    code: 0,
    err: '',
    out: /service-accounts: the pair is replaced; tokens .* are void\n$/,
  });

  const other = makeKubeadmFolder(folder, 'other-');
  const kept = await run('import', '--from', other, '--replace');
  t.match(kept, { code: 0, err: /the pair that is here stays, and every token/ });
  t.notMatch(kept.out, /service-accounts/);
  const rotated = await run(
    'import',
    '--authority',
    'etcd',
    '--certificate',
    join(from, 'etcd/ca.crt'),
    '--key',
    join(from, 'etcd/ca.key'),
    '--replace',
  );
  t.match(rotated, { code: 0, err: '' }, 'a rotation leaves tokens alone');

  rmSync(join(folder, 'var/pki/service-accounts.pem'));
  const missing = await run('import', '--from', other, '--replace');
  t.match(missing, { code: 0, out: /service-accounts: the pair is missing/ });
});

t.test('what is wrong with a key is said of its own file', async (t) => {
  const { folder, run } = makeSite(t);
  const from = makeKubeadmFolder(folder);
  const key = join(from, 'etcd/ca.key');
  openssl('pkey', '-in', key, '-aes256', '-passout', 'pass:x', '-out', `${key}.encrypted`);
  writeFileSync(key, readFileSync(`${key}.encrypted`));
  const { code, err } = await run('import', '--from', from);
  t.equal(code, 1);
  t.match(err, `${key}: the key is encrypted; decrypt it first`);
  t.notMatch(err, 'ca.crt');
});

t.test('ca import --authority replaces only if told so, and can trust one more', async (t) => {
  const { folder, state, run } = makeSite(t);
  await open(state);
  const { certificate, key } = makeForeignAuthority(folder);
  const given = ['import', '--authority', 'etcd', '--certificate', certificate, '--key', key];
  t.match(await run(...given), { code: 1, err: /has another etcd already/ });
  const trusted = await run('import', '--authority', 'etcd', '--trust', certificate);
  t.match(trusted, { code: 0, out: /also trusted +CN=foreign/ });
  t.match(await run('rotate-plan'), { code: 0, out: /etcd: expires .*under way/ });
  t.match(await run(...given, '--replace'), { code: 0, out: 'etcd: CN=foreign is imported\n' });
  const [, etcd] = JSON.parse((await run('show', '--json')).out) as {
    alsoTrusted: { fingerprint: string }[];
  }[];
  const fingerprint = etcd?.alsoTrusted[0]?.fingerprint ?? '';
  const last = await run('import', '--authority', 'etcd', '--distrust', fingerprint);
  t.match(last, { code: 0 });
  t.notMatch(last.out, /also trusted/);
  t.match(
    last.err,
    /^warning: .*\/pki\/etcd\.until-.*\.old holds the private key of a former authority\n {4}.*sudo rm .*\.old\n$/,
  );
  const plan = await run('rotate-plan');
  t.match(plan, { out: /etcd: expires .*nothing to do now/ });
  const made = plan.out.match(/-out \S+/g) ?? [];
  t.equal(new Set(made).size, 3, 'no plan takes the files of another');
  t.notMatch(plan.out, /--distrust FINGERPRINT/);
});

t.test('options that do not go together are wrong usage', async (t) => {
  const { run } = makeSite(t);
  const rows: [readonly string[], RegExp][] = [
    [[], /give one of/],
    [['--from', 'x', '--trust', 'y'], /give one of/],
    [['--from', 'x', '--authority', 'etcd'], /takes all of them/],
    [['--certificate', 'x', '--key', 'y'], /--authority is missing/],
    [['--authority', 'etcd', '--certificate', 'x'], /go together/],
  ];
  for (const [argv, err] of rows) t.match(await run('import', ...argv), { code: 2, err }, argv.join(' '));
  t.match(
    await run('import', '--authority', 'etcd', '--certificate', '/nowhere/a', '--key', '/nowhere/b'),
    { code: 1, err: /\/nowhere\/a: cannot be read[\s\S]*\/nowhere\/b: cannot be read/ },
    'both files are named',
  );
});
