import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { runCli } from '../../src/cli/program.ts';
import { loadConfig } from '../../src/config/load.ts';
import { makeKubeconfig } from '../../src/make-kubeconfig.ts';
import { makeFolder, makeForeignAuthority, open, openssl } from '../pki/support/make-cluster.ts';

const notRoot = process.getuid?.() === 0 ? false : 'needs root';
const DAY = 24 * 60 * 60 * 1000;
const CLUSTER = 'cluster: { name: lab, apiServer: "https://k8s.example.org:6443" }\n';

interface Kubeconfig {
  readonly clusters: { name: string; cluster: Record<string, string> }[];
  readonly users: { name: string; user: Record<string, string> }[];
  readonly contexts: { name: string; context: Record<string, string> }[];
  readonly 'current-context': string;
}

async function makeSite(t: { teardown(then: () => void): void }, cluster = CLUSTER) {
  const folder = makeFolder(t);
  const config = join(folder, 'tinderbox.yaml');
  writeFileSync(config, `network: { interface: nowhere0 }\n${cluster}`);
  const file = join(folder, 'home/.kube/config');
  const run = async (...argv: readonly string[]) => {
    let out = '';
    let err = '';
    const code = await runCli(['kubeconfig', '--config', config, '--file', file, ...argv], {
      out: (text) => void (out += text),
      err: (text) => void (err += text),
    });
    return { code, out, err };
  };
  const read = () => parse(readFileSync(file, 'utf8')) as Kubeconfig;
  return { folder, config, file, state: join(folder, 'var'), run, read };
}

const kubeconfig = (cluster: object, user: object, context: object): string =>
  JSON.stringify({ clusters: [cluster], users: [user], contexts: [context] });

const decoded = (base64: string | undefined): string => Buffer.from(base64 ?? '', 'base64').toString();

t.test(
  'a certificate of the administrators, that openssl accepts, in a file for its owner alone',
  async (t) => {
    const { folder, file, state, run, read } = await makeSite(t);
    const authorities = await open(state);
    const { code, out } = await run('--user', 'ada', '--days', '30', '--json');
    t.equal(code, 0);
    const said = JSON.parse(out) as { notAfter: number };
    t.match(said, {
      file,
      changed: true,
      cluster: 'lab',
      user: 'ada@lab',
      context: 'ada@lab',
      currentContext: 'ada@lab',
    });
    t.ok(said.notAfter <= Date.now() + 30 * DAY && said.notAfter > Date.now() + 29 * DAY);
    t.notMatch(out, /PRIVATE|BEGIN/);
    t.equal(statSync(file).mode & 0o777, 0o600);
    const { clusters, users } = read();
    t.equal(decoded(clusters[0]?.cluster['certificate-authority-data']), authorities.trustOf('kubernetes'));
    writeFileSync(join(folder, 'ca.crt'), authorities.trustOf('kubernetes'));
    writeFileSync(join(folder, 'ada.crt'), decoded(users[0]?.user['client-certificate-data']));
    t.match(
      openssl('verify', '-purpose', 'sslclient', '-CAfile', join(folder, 'ca.crt'), join(folder, 'ada.crt')),
      'OK',
    );
    t.match(
      openssl('x509', '-noout', '-subject', '-in', join(folder, 'ada.crt')),
      /O = system:masters, CN = ada\n/,
    );
  },
);

t.test(
  'it is made anew when less than a third of its time is left, or a shorter one is asked for',
  async (t) => {
    const { config: path, file, state, read } = await makeSite(t);
    await open(state);
    const { config } = await loadConfig(path);
    const start = Date.now();
    const at = (days: number, more: object = {}) =>
      makeKubeconfig(config, { user: 'ada', file, replace: false, clock: () => start + days * DAY, ...more });
    t.match(await at(0, { days: 90 }), { changed: true });
    const key = () => read().users[0]?.user['client-key-data'];
    const first = key();
    t.match(await at(0, { days: 90 }), { changed: false });
    t.match(await at(55), { changed: false });
    t.equal(key(), first);
    t.match(await at(65), { changed: true, reason: /third/ });
    t.not(key(), first);
    t.match(await at(66, { days: 7 }), { changed: true, reason: /longer than asked/ });
    t.match(await at(67, { days: 7 }), { changed: false });
  },
);

t.test("another cluster's entry of the same name is never overwritten, unless one says so", async (t) => {
  const { folder, file, state, run, read } = await makeSite(t);
  await open(state);
  const foreign = makeForeignAuthority(folder);
  const data = readFileSync(foreign.certificate).toString('base64');
  const none = { name: 'none' };
  const rows: [string, string, RegExp][] = [
    [
      'its server',
      kubeconfig({ name: 'lab', cluster: { server: 'https://other' } }, none, none),
      /a cluster lab already, at https:\/\/other/,
    ],
    [
      'its authority',
      kubeconfig(
        {
          name: 'lab',
          cluster: { server: 'https://k8s.example.org:6443', 'certificate-authority-data': data },
        },
        none,
        none,
      ),
      /with another certificate authority/,
    ],
    [
      'its user',
      kubeconfig(none, { name: 'ada@lab', user: { token: 'abc' } }, none),
      /a user ada@lab already/,
    ],
    [
      'its context',
      kubeconfig(none, none, { name: 'ada@lab', context: { cluster: 'x', user: 'y' } }),
      /a context ada@lab already, of y at x/,
    ],
  ];
  mkdirSync(join(file, '..'), { recursive: true });
  for (const [what, text, error] of rows) {
    writeFileSync(file, text);
    t.match(await run('--user', 'ada'), { code: 1, err: error }, what);
    t.match((await run('--user', 'ada')).err, /--context NAME[\s\S]*--replace/, what);
    t.equal(readFileSync(file, 'utf8'), text, 'untouched');
    t.match(await run('--user', 'ada', '--context', 'lab2'), { code: 0 }, what);
    t.equal(read().clusters.length, 2);
    writeFileSync(file, text);
    t.match(await run('--user', 'ada', '--replace'), { code: 0 }, what);
    t.match(
      read().clusters.find(({ name }) => name === 'lab'),
      { cluster: { server: 'https://k8s.example.org:6443' } },
    );
    t.same(Object.keys(read().users.find(({ name }) => name === 'ada@lab')?.user ?? {}), [
      'client-certificate-data',
      'client-key-data',
    ]);
  }
  rmSync(join(state, 'pki'), { recursive: true });
  rmSync(file);
  await open(state);
  await run('--user', 'ada');
  rmSync(join(state, 'pki'), { recursive: true });
  await open(state);
  t.match(
    await run('--user', 'ada'),
    { code: 1, err: /another certificate authority/ },
    'authorities made anew',
  );
});

t.test('two users of a cluster stand beside each other', async (t) => {
  const { state, run, read } = await makeSite(t);
  await open(state);
  await run('--user', 'ada');
  await run('--user', 'bob');
  t.match(read(), {
    clusters: [{ name: 'lab' }],
    users: [{ name: 'ada@lab' }, { name: 'bob@lab' }],
    contexts: [{ name: 'ada@lab' }, { name: 'bob@lab' }],
    'current-context': 'ada@lab',
  });
});

t.test('what is no kubeconfig stays as it is', async (t) => {
  const { file, state, run } = await makeSite(t);
  await open(state);
  mkdirSync(join(file, '..'), { recursive: true });
  const rows: [string, RegExp][] = [
    ['clusters: [', /not YAML/],
    ['- a\n', /it is no map/],
    ['kind: Secret\n', /its kind is not Config/],
    ['clusters: {}\n', /`clusters` is no list/],
    ['users: [{ user: {} }]\n', /an entry of `users` has no name/],
    ['contexts: [{ name: a }, { name: a }]\n', /`contexts` has a twice/],
    ['a: 1\n---\nb: 2\n', /not YAML/],
    ['\u0000', /is no kubeconfig/],
  ];
  for (const [text, error] of rows) {
    writeFileSync(file, text);
    t.match(await run('--user', 'ada'), { code: 1, err: error }, text);
    t.equal(readFileSync(file, 'utf8'), text);
    t.notOk(existsSync(`${file}.lock`));
  }
});

t.test('without authorities or a cluster nothing is made, and the remedy is said', async (t) => {
  const { state, file, run } = await makeSite(t);
  t.match(await run(), { code: 1, err: /there are no authorities in .*pki yet\n[\s\S]*tinderbox ca import/ });
  t.notOk(existsSync(join(state, 'pki')));
  t.notOk(existsSync(file));
  const { run: bare } = await makeSite(t, '');
  t.match(await bare(), { code: 1, err: /has no `cluster:`/ });
});

t.test('wrong usage', async (t) => {
  const { state, run } = await makeSite(t);
  await open(state);
  const rows: [string[], RegExp][] = [
    [['--days', '0'], /--days is a number of days from 1 to 365/],
    [['--days', '400'], /from 1 to 365/],
    [['--days', 'x'], /from 1 to 365/],
    [['--user', 'system:node:a'], /cannot be the name of an administrator/],
    [['--context', ''], /--context is empty/],
    [['more'], /too many arguments/],
  ];
  for (const [argv, error] of rows) t.match(await run(...argv), { code: 2, err: error }, argv.join(' '));
});

t.test(
  'with sudo the file in the home belongs to who ran it, and a link does not lead root astray',
  async (t) => {
    const { folder, config, state } = await makeSite(t);
    await open(state);
    chmodSync(folder, 0o755);
    const home = join(folder, 'nobody');
    mkdirSync(home);
    chownSync(home, 65534, 65534);
    const sudo = () =>
      spawnSync(
        process.execPath,
        [join(import.meta.dirname, '../../src/main.ts'), 'kubeconfig', '--config', config],
        {
          encoding: 'utf8',
          env: {
            ...process.env,
            SUDO_UID: '65534',
            KUBECONFIG: `:${join(home, '.kube/config')}:${join(home, 'second')}`,
          },
        },
      );
    t.match(sudo(), { status: 0, stdout: /wrote the context nobody@lab/ });
    const { uid, gid, mode } = statSync(join(home, '.kube/config'));
    t.same([uid, gid, mode & 0o777], [65534, 65534, 0o600]);
    rmSync(join(home, '.kube/config'));
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'users: []\n', { mode: 0o600 });
    symlinkSync(secret, join(home, '.kube/config'));
    t.match(sudo(), { status: 1, stderr: /cannot be written \(EACCES\)/ });
    t.equal(readFileSync(secret, 'utf8'), 'users: []\n');
  },
);

t.test('who may not read the authorities is told to use sudo', { skip: notRoot }, async (t) => {
  const { folder, config, state } = await makeSite(t);
  await open(state);
  chmodSync(folder, 0o755);
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      join(import.meta.dirname, '../../src/main.ts'),
      'kubeconfig',
      '--config',
      config,
      '--file',
      join(folder, 'x'),
    ],
    { encoding: 'utf8', uid: 65534, gid: 65534 },
  );
  t.equal(status, 1);
  t.match(stderr, /you may not read the authorities in .*\n.*sudo/);
});
