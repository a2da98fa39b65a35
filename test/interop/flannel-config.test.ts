import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { contentOf, renderPartials } from './support/render-files.ts';

const WANTED = '{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan"}}';
const KEY = '/coreos.com/network/config';

function scriptFor(endpoints: string): string {
  const machine = renderPartials(
    `write_files:
  {{> flannel-config-files endpoints=parameters.endpoints ca="" certificate="" key="" keyPath="/coreos.com/network"}}
coreos:
  units:
    {{> flannel-config-unit after="etcd.service"}}
`,
    { endpoints },
  );
  t.match(machine.units.get('tinderbox-flannel-config.service')?.content, /After=.* etcd\.service\n/);
  return contentOf(machine, '/opt/tinderbox/put-flannel-config');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** One member without TLS, with or without the API that Container Linux' flannel reads. */
async function startEtcd(t: { teardown(then: () => Promise<void>): void }, v2: boolean): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-etcd-'));
  const client = `http://127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(
    'etcd',
    [
      `--enable-v2=${v2}`,
      `--data-dir=${folder}/data`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
    ],
    { stdio: 'ignore' },
  );
  t.teardown(async () => {
    const gone = once(child, 'exit');
    child.kill();
    await gone;
    rmSync(folder, { recursive: true });
  });
  execFileSync('curl', [
    '-fsS',
    '--retry',
    '60',
    '--retry-delay',
    '1',
    '--retry-all-errors',
    `${client}/health`,
  ]);
  return client;
}

const etcdctl = (endpoint: string, version: 2 | 3, ...args: readonly string[]): string =>
  execFileSync('etcdctl', [`--endpoints=${endpoint}`, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ETCDCTL_API: String(version) },
  });

const v2Value = (endpoint: string) => etcdctl(endpoint, 2, 'get', KEY).trim();
const v3Value = (endpoint: string) => etcdctl(endpoint, 3, 'get', '--print-value-only', KEY).trim();

function put(endpoints: string, tries = 1) {
  const { status, stdout, stderr } = spawnSync('bash', [], {
    input: scriptFor(endpoints),
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], TRIES: String(tries), WAIT: '0' },
  });
  return { status, output: stdout + stderr };
}

t.test('flannel finds its configuration in both APIs of etcd', async (t) => {
  const etcd = await startEtcd(t, true);
  t.match(put(etcd), { status: 0, output: /put into API v2\n.*put into API v3\n/ });
  t.equal(v2Value(etcd), WANTED);
  t.equal(v3Value(etcd), WANTED);
  t.match(put(etcd), { status: 0, output: /API v2 has one already\n.*API v3 has one already\n/ });
  t.equal(v3Value(etcd), WANTED);
  t.match(etcdctl(etcd, 3, 'get', KEY, '-w', 'json'), '"version":1');
});

t.test('what an operator has put there stays', async (t) => {
  const etcd = await startEtcd(t, true);
  etcdctl(etcd, 2, 'set', KEY, '{"Network":"10.9.0.0/16"}');
  etcdctl(etcd, 3, 'put', KEY, '{"Network":"10.8.0.0/16"}');
  t.equal(put(etcd).status, 0);
  t.equal(v2Value(etcd), '{"Network":"10.9.0.0/16"}');
  t.equal(v3Value(etcd), '{"Network":"10.8.0.0/16"}');
});

t.test('an etcd without API v2 gets it in v3 alone', async (t) => {
  const etcd = await startEtcd(t, false);
  const { status, output } = put(etcd);
  t.equal(status, 0);
  t.notMatch(output, 'v2');
  t.equal(v3Value(etcd), WANTED);
});

t.test('an endpoint that does not answer is passed over, and it gives up when none does', async (t) => {
  const etcd = await startEtcd(t, true);
  const nobody = `http://127.0.0.1:${await freePort()}`;
  t.match(put(`${nobody}, ${etcd}`), { status: 0, output: /put into API v3/ });
  t.match(put(nobody, 2), { status: 1, output: /no etcd took/ });
});

t.test('shellcheck has nothing against the script', async (t) => {
  const { status, stdout } = spawnSync('shellcheck', ['-'], {
    input: scriptFor('http://e:2379'),
    encoding: 'utf8',
  });
  t.equal(status, 0, stdout);
});
