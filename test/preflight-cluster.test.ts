import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Ipv4Network, parseNetwork } from '../src/machine/ipv4.ts';
import { type Mac, parseMac } from '../src/machine/mac.ts';
import type { Catalog, MachineEntry } from '../src/machine/role.ts';
import {
  checkAuthorities,
  checkCluster,
  checkGivenAway,
  checkIdentities,
  checkVirtualAddresses,
} from '../src/preflight-cluster.ts';
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
const DAY = 86_400_000;
const MAC = parseMac('52:54:00:00:00:0a') as Mac;

function catalogOf(entry: Partial<MachineEntry>, more: Partial<Catalog> = {}): Catalog {
  return {
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
}

function problemsOf(entry: Partial<MachineEntry>, more: Partial<Catalog> = {}): readonly string[] {
  const catalog = catalogOf(entry, more);
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

t.test('who is to be a member of the cluster has an entry with a hostname and an address', (t) => {
  const address = ip('10.77.0.13');
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
          probeAddresses: true,
          uefiProxy: 'pxe',
          declineTime: 1,
          allowOtherServers: false,
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

const NOTHING = { problems: [], issuing: [] };

t.test('authorities that cannot be used are known before the start', async (t) => {
  const folder = makeFolder(t);
  const config = { cluster: CLUSTER, paths: { state: folder } };
  const check = (now = Date.now()) => checkAuthorities(config, now);
  const year = 365 * DAY;
  t.same(await checkAuthorities({ paths: { state: folder } }, Number.NaN), NOTHING, 'without a cluster');
  t.same(await check(), NOTHING, 'the first start makes them');
  t.match(
    await check(0),
    { problems: [{ severity: 'error', message: /clock of this host says 1970-/, remedy: /Set the clock/ }] },
    'they cannot be made then',
  );
  await open(folder);
  t.same(await check(), NOTHING);
  const expired = await check(Date.now() + 11 * year);
  t.match(expired.issuing, [
    { severity: 'error', file: /pki\/kubernetes\.pem$/, message: /the kubernetes.*expired on/ },
  ]);
  t.equal(expired.issuing.length, 3);
  t.same(expired.problems, [], 'the daemon starts');
  const early = await check(Date.now() - 2 * DAY);
  t.match(early, { problems: { length: 0 }, issuing: { length: 3 } });
  t.match(early.issuing, [{ severity: 'error', message: /is valid from/, remedy: /Set the clock/ }]);
  t.match(
    (await check(Date.UTC(2024, 0, 1))).issuing.map(({ message }) => message),
    [/the clock of this host says 2024-01-01/],
    'what issuing refuses',
  );
  const soon = await check(Date.now() + 9.5 * year);
  t.match(soon, { problems: [{ severity: 'warning', message: /expires on/ }], issuing: { length: 0 } });
  writeFileSync(join(folder, 'pki/etcd.pem'), 'junk');
  rmSync(join(folder, 'pki/front-proxy.pem'));
  t.match((await check()).problems, [
    { severity: 'error', file: /etcd\.pem$/, remedy: /ca import/ },
    { severity: 'error', file: /front-proxy\.pem$/, message: 'is missing' },
  ]);
});

const machines = (name: string, virtualAddress: string) => ({
  machines: new Map([
    [
      MAC,
      {
        mac: MAC,
        role: name,
        parameters: { virtualAddress },
        parameterLines: { virtualAddress: 5 },
        line: 3,
      },
    ],
  ]),
});

t.test('a virtual address is the host of cluster.apiServer', (t) => {
  const parameters = { virtualAddress: '' };
  const role = (own: object) => ({
    ...makeRole('controller', { ...parameters, ...own }),
    identity: 'controller' as const,
  });
  const say = (own: object, more: Partial<Catalog>, apiServer = 'https://10.77.0.9:6443') => {
    const catalog: Catalog = {
      roles: new Map([
        ['controller', role(own)],
        ['worker', makeRole('worker', parameters)],
      ]),
      hostnames: new Map(),
      machines: new Map(),
      rules: [],
      defaultRole: null,
      file: 'machines.yaml',
      generation: 1,
      ...more,
    };
    return checkVirtualAddresses({ cluster: { ...CLUSTER, apiServer } }, catalog).map(
      ({ severity, file, line, message }) => `${severity} ${file}:${line} ${message}`,
    );
  };
  const rules = [{ match: {}, role: 'controller', parameters: { virtualAddress: '10.77.0.8' }, line: 7 }];
  const wrong =
    'the parameter virtualAddress of role controller is "10.77.0.8", and the host of cluster.apiServer is';
  t.same(say({}, machines('controller', '10.77.0.9')), []);
  t.same(say({}, machines('worker', '10.77.0.8')), [], 'no controller');
  t.same(say({}, { defaultRole: 'controller' }), [], 'none');
  t.same(say({}, machines('controller', '10.77.0.8')), [`error machines.yaml:5 ${wrong} 10.77.0.9`]);
  t.same(say({}, machines('controller', '10.77.0.8'), 'https://k8s.example.org'), [
    `error machines.yaml:5 ${wrong} k8s.example.org`,
  ]);
  t.same(say({}, { rules }), [`error machines.yaml:7 ${wrong} 10.77.0.9`]);
  t.same(say({ virtualAddress: '10.77.0.8' }, { defaultRole: 'controller' }), [
    `error profiles/controller/role.yaml:undefined ${wrong} 10.77.0.9`,
  ]);
  t.same(checkVirtualAddresses({}, {} as Catalog), [], 'no cluster');
  t.end();
});

t.test(
  'who may not read the authorities is told that they were not checked, not that they are broken',
  async (t) => {
    const folder = makeFolder(t);
    await open(folder);
    const config = { cluster: CLUSTER, paths: { state: folder } };
    chmodSync(folder, 0o755);
    const asNobody = async () => {
      process.seteuid?.(65_534);
      try {
        return await checkAuthorities(config, Date.now());
      } finally {
        process.seteuid?.(0);
      }
    };
    const wanted = {
      problems: [
        {
          severity: 'warning',
          message: /^the authorities could not be checked: .*may not be read by this user/,
          remedy: /^Run this with sudo/,
        },
      ],
      issuing: { length: 0 },
    };
    t.match(await asNobody(), wanted, 'the folder');
    chmodSync(join(folder, 'pki'), 0o755);
    t.match(await asNobody(), wanted, 'its files');
  },
);
