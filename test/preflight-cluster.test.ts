import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Mac, parseMac } from '../src/machine/mac.ts';
import type { Catalog, MachineEntry } from '../src/machine/role.ts';
import { checkAuthorities, checkCluster, checkIdentities } from '../src/preflight-cluster.ts';
import { makeFolder, open } from './pki/support/make-cluster.ts';
import { ip } from './support/make-environment.ts';
import { makeRole } from './support/make-role.ts';

const CLUSTER = {
  name: 'kubernetes',
  apiServer: 'https://k8s.example.org:6443',
  podNetwork: '10.2.0.0/16',
  serviceNetwork: '10.3.0.0/24',
  dnsServiceIP: '10.3.0.10',
  dnsDomain: 'cluster.local',
  controllers: [{ hostname: 'master-1', address: ip('10.77.0.10') }],
  etcd: [],
};
const MAC = parseMac('52:54:00:00:00:0a') as Mac;

function problemsOf(entry: Partial<MachineEntry>, more: Partial<Catalog> = {}): readonly string[] {
  const catalog: Catalog = {
    roles: new Map(
      (['worker', 'controller', 'etcd', 'none'] as const).map((identity) => [
        identity,
        { ...makeRole(identity), identity },
      ]),
    ),
    hostnames: new Map(),
    machines: new Map([[MAC, { mac: MAC, parameters: {}, line: 3, ...entry }]]),
    rules: [],
    defaultRole: 'worker',
    file: 'machines.yaml',
    generation: 1,
    ...more,
  };
  return checkIdentities({ cluster: CLUSTER }, catalog).map(({ line, message }) => `${line}: ${message}`);
}

t.test('no worker has a name or an address of the API server or a controller', (t) => {
  const rows: [string, Partial<MachineEntry>, RegExp | undefined][] = [
    ['its own', { role: 'worker', hostname: 'node-1', address: ip('10.77.0.20') }, undefined],
    ['nothing given', { role: 'worker' }, undefined],
    ["the API server's", { role: 'worker', hostname: 'k8s.example.org' }, /^3: .*k8s.example.org belongs to/],
    ["a controller's", { role: 'worker', hostname: 'master-1' }, /master-1 belongs to/],
    ['by default', { hostname: 'kubernetes' }, /kubernetes belongs to/],
    ['an address', { role: 'worker', address: ip('10.77.0.10') }, /10.77.0.10 belongs to/],
    ['a service', { role: 'worker', address: ip('10.3.0.1') }, /10.3.0.1 belongs to/],
    ['a controller', { role: 'controller', hostname: 'master-1', address: ip('10.77.0.10') }, undefined],
    ['without identity', { role: 'none', hostname: 'master-1' }, undefined],
  ];
  for (const [name, entry, wanted] of rows) {
    const problems = problemsOf(entry);
    if (wanted === undefined) t.same(problems, [], name);
    else t.match(problems, [wanted], name);
  }
  t.end();
});

t.test('who is to be a member of the cluster has an entry with a hostname and an address', (t) => {
  const address = ip('10.77.0.11');
  const rows: [string, Partial<MachineEntry>, readonly RegExp[]][] = [
    ['both', { role: 'controller', hostname: 'master-2', address }, []],
    [
      'an address alone',
      { role: 'controller', address },
      [/^3: 52:54.*role controller .* gives no hostname$/],
    ],
    ['a hostname alone', { role: 'etcd', hostname: 'db-1' }, [/^3: .*role etcd .* gives no address$/]],
    ['neither', { role: 'etcd' }, [/gives no hostname and no address$/]],
    ['a worker', { role: 'worker' }, []],
  ];
  for (const [name, entry, wanted] of rows) t.match(problemsOf(entry), wanted, name);
  for (const [name, entry, wanted] of rows) t.equal(problemsOf(entry).length, wanted.length, name);
  t.end();
});

t.test('no rule and no default makes a member of the cluster', (t) => {
  const rule = { match: {}, role: 'etcd', parameters: {}, line: 7 };
  t.match(problemsOf({}, { rules: [rule] }), [
    /^7: the rule gives the role etcd: .* known before it is seen/,
  ]);
  t.match(problemsOf({}, { defaultRole: 'controller' }), [/`default:` gives the role controller/]);
  t.same(problemsOf({}, { rules: [{ ...rule, role: 'worker' }], defaultRole: null }), []);
  const own = { ...rule, match: { mac: MAC } };
  const entry = { role: 'etcd', hostname: 'db-1', address: ip('10.77.0.12') };
  t.same(problemsOf(entry, { rules: [own] }), [], 'its entry makes it one');
  t.equal(problemsOf({ role: 'worker' }, { rules: [own] }).length, 1);
  t.end();
});

const check = (more: object) => checkCluster({ file: 'tinderbox.yaml', cluster: { ...CLUSTER, ...more } });

t.test('a cluster that no certificate can name is said with its file', (t) => {
  t.same(check({}), []);
  t.match(check({ apiServer: 'http://10.77.0.1' }), [
    { severity: 'error', file: 'tinderbox.yaml', message: /cluster.apiServer/, remedy: /https/ },
  ]);
  t.match(check({ serviceNetwork: '10.3.0.0/32' }), [{ message: /no first address/ }]);
  t.match(check({ dnsDomain: 'a b' }), [{ message: /cluster.dnsDomain/ }]);
  t.same(checkCluster({ file: 'tinderbox.yaml' }), []);
  t.end();
});

t.test('authorities that cannot be used are known before the start', async (t) => {
  const folder = makeFolder(t);
  const config = { cluster: CLUSTER, paths: { state: folder } };
  const check = (now = Date.now()) => checkAuthorities(config, now);
  const year = 365 * 86_400_000;
  t.same(await checkAuthorities({ paths: { state: folder } }, Number.NaN), [], 'without a cluster');
  t.same(await check(), [], 'the first start makes them');
  t.match(await check(0), [
    { severity: 'error', message: /clock of this host says 1970-/, remedy: /Set the clock/ },
  ]);
  await open(folder);
  t.same(await check(), []);
  const expired = await check(Date.now() + 11 * year);
  t.match(expired, [
    { severity: 'warning', file: /pki\/kubernetes\.pem$/, message: /the kubernetes.*expired on/ },
  ]);
  t.equal(expired.length, 3);
  t.match(await check(Date.now() - year), [
    { severity: 'warning', message: /is valid from/, remedy: /Set the clock/ },
  ]);
  writeFileSync(join(folder, 'pki/etcd.pem'), 'junk');
  rmSync(join(folder, 'pki/front-proxy.pem'));
  t.match(await check(), [
    { severity: 'error', file: /etcd\.pem$/, remedy: /ca import/ },
    { severity: 'error', file: /front-proxy\.pem$/, message: 'is missing' },
  ]);
});
