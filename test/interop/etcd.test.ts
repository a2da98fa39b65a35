import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { entitledCertificates } from '../../src/pki/entitled-certificates.ts';
import { FACTS, makeFolder } from '../pki/support/make-cluster.ts';
import { fileOf } from '../profiles/support/cloud-config.ts';
import { renderRole, shippedRole } from '../profiles/support/render-role.ts';
import { roleOf } from '../render/read-shipped-role.ts';
import { type EtcdCluster, type EtcdMember, eventually, makeEtcdCluster } from './support/etcd-cluster.ts';

/** Lines of `etcdctl member list`. */
interface Listed {
  readonly id: string;
  readonly status: string;
  readonly name: string;
}

async function list(member: EtcdMember): Promise<readonly Listed[]> {
  const lines = (await member.run('etcdctl', 'member', 'list')).trim().split('\n');
  return lines.map((line) => {
    const [id = '', status = '', name = ''] = line.split(', ');
    return { id, status, name };
  });
}

const idOf = async (asked: EtcdMember, member: EtcdMember) =>
  (await list(asked)).find(({ name }) => name === member.hostname)?.id;

/** Until all of them answer a linearizable read, which takes a leader. */
const healthy = (members: readonly EtcdMember[]) =>
  eventually(async () => {
    for (const member of members) await own(member, 'endpoint', 'health');
    return true;
  });

/** Towards this member alone. */
const own = (member: EtcdMember, ...args: readonly string[]) =>
  member.run('etcdctl', `--endpoints=https://${member.address}:2379`, '--command-timeout=5s', ...args);

const get = async (member: EtcdMember, key: string) =>
  (await own(member, 'get', '--print-value-only', key)).trim();

const saying = (member: EtcdMember, text: string) =>
  eventually(async () => (member.said().includes(text) ? true : undefined));

let cluster: EtcdCluster;
let first: EtcdMember;
let second: EtcdMember;
let third: EtcdMember;

t.before(async () => {
  cluster = await makeEtcdCluster({ etcdPatience: 2 });
  [first, second, third] = cluster.members as [EtcdMember, EtcdMember, EtcdMember];
});
t.teardown(async () => cluster[Symbol.asyncDispose]());

/** What the members said last, where it went wrong. */
t.afterEach((test) => {
  if (test.passing()) return;
  for (const member of cluster.members) {
    const lines = member.said().split('\n');
    test.comment(
      `${member.hostname}:\n${lines
        .filter((line) => !/rafthttp|raft20/.test(line))
        .slice(-12)
        .join('\n')}`,
    );
  }
});

t.test('three members find each other over TLS, and one keeps what another was given', async (t) => {
  for (const member of cluster.members) member.start();
  await healthy(cluster.members);
  const names = (await list(first)).map(({ status, name }) => `${name} ${status}`);
  t.strictSame(names.toSorted(), ['etcd-1 started', 'etcd-2 started', 'etcd-3 started']);
  await own(first, 'put', 'greeting', 'hello');
  t.equal(await get(third, 'greeting'), 'hello');
});

t.test(
  'whoever has no certificate of the etcd authority is refused, as a client and as a peer',
  async (t) => {
    const folder = makeFolder(t);
    const [node] = entitledCertificates(FACTS);
    const worker = await cluster.authorities.issue(node as NonNullable<typeof node>);
    const paths = { certificate: join(folder, 'worker.crt'), key: join(folder, 'worker.key') };
    writeFileSync(paths.certificate, worker.certificatePem);
    writeFileSync(paths.key, worker.keyPem);
    // A peer's certificate must have the address that it comes from.
    const pki = join(second.root, 'etc/kubernetes/pki/etcd');
    const ask = (port: number, path: string, ...options: readonly string[]) =>
      second.namespace.run([
        'curl',
        '-sS',
        '--fail',
        '--http1.1',
        // With 1.3 a client learns of it after the handshake only, in one way or another.
        '--tls-max',
        '1.2',
        '--max-time',
        '10',
        '--cacert',
        `${pki}/ca.crt`,
        ...options,
        `https://${first.address}:${port}${path}`,
      ]);
    for (const [port, path] of [
      [2379, '/version'],
      [2380, '/members'],
    ] as const) {
      await t.rejects(
        ask(port, path),
        /certificate required|bad certificate|alert/,
        `${port} without a certificate`,
      );
      const foreign = ask(port, path, '--cert', paths.certificate, '--key', paths.key);
      await t.rejects(foreign, /alert|bad certificate|unknown ca/i, `${port} with a worker's certificate`);
      const right = ask(port, path, '--cert', `${pki}/peer.crt`, '--key', `${pki}/peer.key`);
      await t.resolves(right, `${port} with the member's own`);
    }
  },
);

t.test('a member with its data just comes back', async (t) => {
  const id = await idOf(first, third);
  await third.stop();
  await own(first, 'put', 'meanwhile', 'x');
  third.start();
  await healthy(cluster.members);
  t.equal(await idOf(first, third), id);
  t.equal(await get(third, 'meanwhile'), 'x');
  t.match(third.said(), /data is there: coming back as it was/);
  t.notMatch(third.said(), /removing/);
});

t.test('a member that lost its data removes its old self and joins again', async (t) => {
  const id = await idOf(first, second);
  await second.stop();
  second.loseData();
  second.start();
  await healthy(cluster.members);
  const now = await list(first);
  t.equal(now.length, 3);
  t.notOk(
    now.some((one) => one.id === id),
    'the old identity is gone',
  );
  t.equal(await get(second, 'greeting'), 'hello');
  t.match(second.said(), `removing ${id}`);
});

t.test('one that was interrupted while it joined goes on, and is not removed once more', async (t) => {
  await third.stop();
  third.loseData();
  await third.run('prepare-etcd');
  const peers = await list(first);
  const joining = peers.find(({ status }) => status === 'unstarted');
  t.equal(peers.length, 3);
  t.match(joining, { name: '' });
  await third.run('prepare-etcd');
  t.strictSame(await list(first), peers);
  third.start();
  await healthy(cluster.members);
  t.equal(await idOf(first, third), joining?.id);
});

t.test('after an outage of all, one without data waits for those that have it', async (t) => {
  for (const member of cluster.members) await member.stop();
  first.loseData();
  // As machines.yaml should say once the cluster is up.
  const env = join(first.root, 'etc/tinderbox/etcd.env');
  execFileSync('sed', ['-i', "s/^WHEN_ALONE=.*/WHEN_ALONE='existing'/", env]);
  first.start();
  await saying(first, 'waiting to join the cluster');
  second.start();
  third.start();
  await healthy(cluster.members);
  t.equal(await get(first, 'greeting'), 'hello');
  t.equal((await list(second)).length, 3);
});

t.test(
  'one without data makes no cluster where another member remembers one, though it has no quorum',
  async (t) => {
    for (const member of cluster.members) await member.stop();
    third.loseData();
    second.start();
    const pki = join(third.root, 'etc/kubernetes/pki/etcd');
    const files = ['--cacert', `${pki}/ca.crt`, '--cert', `${pki}/peer.crt`, '--key', `${pki}/peer.key`];
    const url = `https://${second.address}:2380/members`;
    await eventually(() => third.namespace.run(['curl', '-fsS', '--http1.1', ...files, url]));
    const before = third.said().length;
    third.start();
    await eventually(async () =>
      third.said().slice(before).includes('waiting to join the cluster') ? true : undefined,
    );
    first.start();
    await healthy(cluster.members);
    t.notMatch(third.said().slice(before), /a new cluster|making a cluster/);
    t.equal(await get(third, 'greeting'), 'hello');
  },
);

t.test('a snapshot brings back what it had, on all members', async (t) => {
  const file = join(cluster.folder, 'snapshot.db');
  await first.run('save-etcd', file);
  await own(first, 'put', 'greeting', 'spoilt');
  await t.rejects(first.run('save-etcd', file), /there already/);
  for (const member of cluster.members) await member.stop();
  await t.rejects(first.run('restore-etcd', file), /is not empty: stop etcd and move its content away/);
  for (const member of cluster.members) {
    member.loseData();
    await member.run('restore-etcd', file);
    member.start();
  }
  await healthy(cluster.members);
  for (const member of cluster.members) t.equal(await get(member, 'greeting'), 'hello', member.hostname);
});

t.test('health is for everybody on the member itself', async (t) => {
  t.match(await first.namespace.run(['curl', '-sS', 'http://127.0.0.1:2381/health']), /"health":"?true/);
  await t.rejects(
    second.namespace.run(['curl', '-sS', '--max-time', '5', `http://${first.address}:2381/health`]),
  );
});

t.test("flannel's configuration is put in over TLS, with a client's certificate", async (t) => {
  const pki = join(first.root, 'etc/kubernetes/pki/etcd');
  const template = `#cloud-config
write_files:
  {{> flannel-config-files
    endpoints=(join cluster.etcdEndpoints " ")
    ca=parameters.ca
    certificate=parameters.certificate
    key=parameters.key
    keyPath="/coreos.com/network"
  }}
`;
  const files = { ca: `${pki}/ca.crt`, certificate: `${pki}/server.crt`, key: `${pki}/server.key` };
  const role = roleOf(template, files, shippedRole('controller').partials);
  const etcdEndpoints = [second, third].map(({ address }) => `https://${address}:2379`);
  const script = fileOf(
    renderRole(role, { cluster: { etcdEndpoints } }),
    '/opt/tinderbox/put-flannel-config',
  );
  const put = () => first.namespace.run(['bash'], { input: script });
  t.match(await put(), /put into API v3/);
  t.match(await put(), /API v3 has one already/);
  t.match(JSON.parse(await get(first, '/coreos.com/network/config')), { Network: '10.2.0.0/16' });
});
