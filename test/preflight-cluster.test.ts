import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Ipv4Network, parseNetwork } from '../src/machine/ipv4.ts';
import { type Mac, parseMac } from '../src/machine/mac.ts';
import type { Catalog, MachineEntry } from '../src/machine/role.ts';
import { checkAuthorities, checkCluster, checkGivenAway, checkIdentities } from '../src/preflight-cluster.ts';
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
  controllers: [{ hostname: 'master-1', address: ip('10.77.0.10'), line: 7 }],
  etcd: [{ hostname: 'etcd-1', address: ip('10.77.0.11'), line: 9 }],
};
const MAC = parseMac('52:54:00:00:00:0a') as Mac;

function catalogOf(entry: Partial<MachineEntry>): Catalog {
  return {
    roles: new Map(
      (['worker', 'controller', 'none'] as const).map((identity) => [
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
  };
}

function problemsOf(entry: Partial<MachineEntry>): readonly string[] {
  const catalog = catalogOf(entry);
  return checkIdentities({ cluster: CLUSTER, file: 'tinderbox.yaml' }, catalog).map(
    ({ line, message }) => `${line}: ${message}`,
  );
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

t.test('a machine that the two files disagree about is said once, with both places', (t) => {
  const rows: [string, Partial<MachineEntry>, string][] = [
    [
      'another address',
      { role: 'controller', hostname: 'master-1', address: ip('10.77.0.12') },
      'master-1 (10.77.0.12) here, and master-1 (10.77.0.10) in tinderbox.yaml:7 (cluster.controllers)',
    ],
    [
      'another name',
      { role: 'worker', hostname: 'node-1', address: ip('10.77.0.10') },
      'node-1 (10.77.0.10) here, and master-1 (10.77.0.10) in tinderbox.yaml:7 (cluster.controllers)',
    ],
    [
      'a member of etcd, without a role',
      { hostname: 'etcd-1', address: ip('10.77.0.12') },
      'etcd-1 (10.77.0.12) here, and etcd-1 (10.77.0.11) in tinderbox.yaml:9 (cluster.etcd)',
    ],
  ];
  for (const [name, entry, wanted] of rows) t.same(problemsOf(entry), [`3: ${MAC} is ${wanted}`], name);
  t.same(problemsOf({ role: 'controller', hostname: 'other', address: ip('10.77.0.13') }), []);
  t.end();
});

const said = (what: string, line: number | undefined, address: string) => [
  'warning',
  'tinderbox.yaml',
  line,
  `${what} has the address ${address}, which DHCP may give to any machine`,
];

t.test('an address of the cluster that DHCP gives away is a warning', (t) => {
  const subnet = {
    network: parseNetwork('10.77.0.0/24') as Ipv4Network,
    ranges: [{ first: ip('10.77.0.10'), last: ip('10.77.0.30') }],
    leaseTime: 60,
    dns: [],
    ntp: [],
    via: 'eth0',
  };
  const check = (apiServer: string, entry: Partial<MachineEntry> = {}, mode: 'server' | 'proxy' = 'server') =>
    checkGivenAway(
      {
        cluster: { ...CLUSTER, apiServer, etcd: [] },
        file: 'tinderbox.yaml',
        dhcp: {
          mode,
          subnets: [],
          knownOnly: false,
          uefiProxy: 'pxe',
          declineTime: 1,
          leaseDurability: 'disk',
        },
      },
      [subnet],
      catalogOf(entry),
    ).map(({ severity, file, line, message }) => [severity, file, line, message]);
  const master = said('cluster.controllers: master-1', 7, '10.77.0.10');
  t.same(check('https://10.77.0.20:6443'), [said('cluster.apiServer', undefined, '10.77.0.20'), master]);
  t.same(check('https://10.77.0.10'), [said('cluster.apiServer', undefined, '10.77.0.10')], 'once');
  t.same(check('https://10.77.0.40'), [master]);
  t.same(check('https://k8s.example.org', { address: ip('10.77.0.10') }), [], 'reserved');
  t.same(check('https://10.77.0.20', {}, 'proxy'), [], 'another server gives addresses');
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
