import t from 'tap';
import { AUTHORITY_NAMES, CERTIFICATE_NAMES, IDENTITIES } from '../../src/machine/identity.ts';
import { formatIpv4 } from '../../src/machine/ipv4.ts';
import { checkClusterNames } from '../../src/pki/api-server-names.ts';
import {
  AUTHORITY_FILES,
  CERTIFICATE_PROFILES,
  profileOf,
  SERVICE_ACCOUNT_FILES,
  TRUSTED_AUTHORITIES,
} from '../../src/pki/certificate-profiles.ts';
import {
  administratorEntitlement,
  entitledCertificates,
  findEntitlement,
  watcherEntitlement,
} from '../../src/pki/entitled-certificates.ts';
import type { Usage } from '../../src/pki/port.ts';
import { ip } from '../support/make-environment.ts';
import { CLUSTER, CONTROLLER, entitlement, FACTS } from './support/make-cluster.ts';

t.test('the table has every named certificate once, and no two share a file', async (t) => {
  t.same(CERTIFICATE_PROFILES.map(({ name }) => name).sort(), [...CERTIFICATE_NAMES].sort());
  for (const name of CERTIFICATE_NAMES) t.equal(profileOf(name).name, name);
  for (const layout of ['current', 'coreos'] as const) {
    const paths = [
      ...CERTIFICATE_PROFILES.flatMap(({ files }) => [files[layout].certificate, files[layout].key]),
      ...AUTHORITY_NAMES.map((name) => AUTHORITY_FILES[layout][name]),
      SERVICE_ACCOUNT_FILES[layout].publicKey,
      SERVICE_ACCOUNT_FILES[layout].privateKey,
    ];
    t.equal(new Set(paths).size, paths.length, layout);
    const root = layout === 'current' ? '/etc/kubernetes/pki/' : '/etc/kubernetes/ssl/';
    t.ok(
      paths.every((path) => path.startsWith(root)),
      root,
    );
  }
  t.match(profileOf('node').files.coreos, {
    certificate: '/etc/kubernetes/ssl/worker.pem',
    key: '/etc/kubernetes/ssl/worker-key.pem',
  });
  t.equal(profileOf('kube-apiserver').files.current.certificate, '/etc/kubernetes/pki/apiserver.crt');
});

t.test('each identity is entitled to what its machine needs, and to no more', async (t) => {
  const names = Object.fromEntries(
    IDENTITIES.map((identity) => [
      identity,
      entitledCertificates({ ...(identity === 'controller' ? CONTROLLER : FACTS), identity }).map(
        ({ name }) => name,
      ),
    ]),
  );
  t.same(names['worker'], ['node', 'kube-proxy']);
  t.same(names['etcd'], ['etcd-server', 'etcd-peer']);
  t.same(names['none'], []);
  t.same(
    names['controller'],
    CERTIFICATE_PROFILES.map(({ name }) => name).filter((name) => name !== 'watcher'),
  );
});

t.test(
  'a machine is told to trust only the authorities of its own certificates and of its peers',
  async (t) => {
    for (const identity of IDENTITIES) {
      const facts = { ...(identity === 'controller' ? CONTROLLER : FACTS), identity };
      const own = new Set(entitledCertificates(facts).map(({ authority }) => authority));
      t.same([...own].sort(), [...TRUSTED_AUTHORITIES[identity]].sort(), identity);
    }
  },
);

const say = (one: ReturnType<typeof entitlement>) => ({
  subject: [one.subject.commonName, ...one.subject.organizations],
  names: [...one.names.dns, ...one.names.addresses.map(formatIpv4)],
  usage: one.usage,
  authority: one.authority,
});

t.test('subjects, names and uses are those of the specification', async (t) => {
  const both: readonly Usage[] = ['client', 'server'];
  const member = ['master-1', 'localhost', '10.77.0.10', '127.0.0.1'];
  const rows: Record<string, ReturnType<typeof say>> = {
    'kube-apiserver': {
      subject: ['kube-apiserver'],
      names: [
        'kubernetes',
        'kubernetes.default',
        'kubernetes.default.svc',
        'kubernetes.default.svc.cluster.local',
        'master-1',
        'k8s.example.org',
        '10.3.0.1',
        '10.77.0.10',
      ],
      usage: ['server'],
      authority: 'kubernetes',
    },
    'kube-apiserver-kubelet-client': {
      subject: ['kube-apiserver-kubelet-client', 'system:masters'],
      names: [],
      usage: ['client'],
      authority: 'kubernetes',
    },
    node: {
      subject: ['system:node:master-1', 'system:nodes'],
      names: ['master-1', '10.77.0.10'],
      usage: both,
      authority: 'kubernetes',
    },
    'kube-controller-manager': {
      subject: ['system:kube-controller-manager'],
      names: [],
      usage: ['client'],
      authority: 'kubernetes',
    },
    'kube-scheduler': {
      subject: ['system:kube-scheduler'],
      names: [],
      usage: ['client'],
      authority: 'kubernetes',
    },
    administrator: {
      subject: ['master-1', 'system:masters'],
      names: [],
      usage: ['client'],
      authority: 'kubernetes',
    },
    'etcd-server': { subject: ['master-1'], names: member, usage: both, authority: 'etcd' },
    'etcd-peer': { subject: ['master-1'], names: member, usage: both, authority: 'etcd' },
    'kube-apiserver-etcd-client': {
      subject: ['kube-apiserver-etcd-client'],
      names: [],
      usage: ['client'],
      authority: 'etcd',
    },
    'front-proxy-client': {
      subject: ['front-proxy-client'],
      names: [],
      usage: ['client'],
      authority: 'front-proxy',
    },
    'kube-proxy': { subject: ['system:kube-proxy'], names: [], usage: ['client'], authority: 'kubernetes' },
  };
  const found = entitledCertificates(CONTROLLER);
  t.same(Object.fromEntries(found.map((one) => [one.name, say(one)])), rows);
  t.match(watcherEntitlement(), { authority: 'kubernetes', subject: { commonName: 'tinderbox' } });
});

const days = (facts: typeof CONTROLLER) =>
  new Set(entitledCertificates(facts).map(({ lifetime }) => lifetime / (24 * 60 * 60 * 1000)));

t.test('a worker lasts 90 days without a reboot, a controller with its Node a year', async (t) => {
  t.same([...days(FACTS)], [90]);
  t.same([...days(CONTROLLER)], [365]);
  t.same([...days({ ...CONTROLLER, identity: 'etcd' })], [365]);
});

t.test('the API server is reached by every controller, by an address too', async (t) => {
  const second = { hostname: 'Master-2', addresses: [ip('10.77.0.11')] };
  const { names } = entitlement('kube-apiserver', {
    ...CONTROLLER,
    controllers: [...CONTROLLER.controllers, second],
    cluster: { ...CLUSTER, apiServer: 'https://10.77.0.5' },
  });
  t.ok(names.dns.includes('master-2'));
  t.notOk(names.dns.includes('10.77.0.5'));
  t.same(names.addresses.map(formatIpv4), ['10.3.0.1', '10.77.0.10', '10.77.0.11', '10.77.0.5']);
});

t.test('a kubelet that registers by its address has a Node of that name', async (t) => {
  const node = entitlement('node', { ...FACTS, nodeName: '10.77.0.20' });
  t.equal(node.subject.commonName, 'system:node:10.77.0.20');
  t.same(node.names, { dns: ['node-1'], addresses: FACTS.addresses });
  t.throws(() => entitlement('node', { ...FACTS, nodeName: 'node-2' }), {
    code: 'invalid-config',
    problems: [{ message: /'node-2' is neither the machine's hostname nor its address/ }],
  });
});

t.test('a hostname is written as the kubelet does: in lower case', async (t) => {
  const node = entitlement('node', { ...FACTS, hostname: 'Node-A' });
  t.match(node, { subject: { commonName: 'system:node:node-a' }, names: { dns: ['node-a'] } });
});

t.test('hostnames that RFC 1123 forbids are refused', async (t) => {
  const rows = ['', '-a', 'a-', 'a_b', 'a b', 'a..b', '.a', 'ä', 'a/b', 'a\n', '10.0.0.1', 'x'.repeat(64)];
  for (const hostname of [...rows, `${'a.'.repeat(127)}a`]) {
    t.throws(() => entitledCertificates({ ...FACTS, hostname }), { code: 'invalid-config' }, hostname);
  }
  for (const hostname of ['a', '7', 'a.b', 'x'.repeat(63)]) {
    t.doesNotThrow(() => entitledCertificates({ ...FACTS, hostname }), hostname);
  }
  t.throws(
    () => entitledCertificates({ ...CONTROLLER, controllers: [{ hostname: 'no_name', addresses: [] }] }),
    { code: 'invalid-config', problems: [{ message: "'no_name' is no hostname (RFC 1123)" }] },
  );
});

t.test('a worker cannot get a certificate that would pass for the API server or a controller', async (t) => {
  const rows: [string, Partial<typeof FACTS>][] = [
    ['kubernetes', { hostname: 'kubernetes' }],
    ['kubernetes.default.svc', { hostname: 'Kubernetes.Default.svc' }],
    ['k8s.example.org', { hostname: 'k8s.example.org' }],
    ['master-1', { hostname: 'master-1' }],
    ['10.77.0.10', { addresses: [ip('10.77.0.20'), ip('10.77.0.10')] }],
    ['10.3.0.1', { addresses: [ip('10.3.0.1')] }],
  ];
  for (const [clash, facts] of rows) {
    t.throws(
      () => entitledCertificates({ ...FACTS, ...facts }),
      { code: 'refused', message: new RegExp(`^${clash} belongs to`) },
      clash,
    );
  }
});

t.test(
  'a cluster block whose names no certificate can hold is refused, with all that is wrong',
  async (t) => {
    t.same(checkClusterNames(CLUSTER), []);
    const rows: [Partial<Record<keyof typeof CLUSTER, string>>, RegExp][] = [
      [{ apiServer: 'http://10.77.0.1' }, /names no host/],
      [{ apiServer: 'https://[fd00::1]:6443' }, /names no host/],
      [{ apiServer: 'https://a_b:6443' }, /names no host/],
      [{ apiServer: 'nonsense' }, /names no host/],
      [{ serviceNetwork: '10.3.0.1/32' }, /has no first address/],
      [{ serviceNetwork: '10.3.0.1/24' }, /has no first address/],
      [{ dnsDomain: 'cluster_local' }, /no domain/],
    ];
    for (const [change, message] of rows) {
      t.match(
        checkClusterNames({ ...CLUSTER, ...change }),
        [{ severity: 'error', message }],
        JSON.stringify(change),
      );
    }
    const broken = { apiServer: 'x', serviceNetwork: 'y', dnsDomain: '' };
    t.throws(() => entitledCertificates({ ...FACTS, cluster: broken }), {
      code: 'invalid-config',
      problems: { length: 3 },
    });
  },
);

t.test('a machine that asks for what it is not entitled to is told what it may ask for', async (t) => {
  const worker = entitledCertificates(FACTS);
  t.equal(findEntitlement(worker, 'node').name, 'node');
  t.throws(() => findEntitlement(worker, 'administrator'), {
    code: 'refused',
    message: /not entitled to a certificate 'administrator'/,
    remedy: 'It may ask for: node, kube-proxy.',
  });
  t.throws(() => findEntitlement([], 'node'), { code: 'refused', remedy: /identity: none/ });
});

t.test("an administrator's name is not one of Kubernetes' own", async (t) => {
  t.same(administratorEntitlement('ada@example.org').subject, {
    commonName: 'ada@example.org',
    organizations: ['system:masters'],
  });
  for (const user of ['system:admin', '', 'a b', 'a\nb', '-', 'x'.repeat(65)]) {
    t.throws(() => administratorEntitlement(user), { code: 'usage' }, JSON.stringify(user));
  }
});

t.test('a controller gets certificates only as the others know it', async (t) => {
  const known = { hostname: 'Master-1', addresses: [ip('10.77.0.10'), ip('10.78.0.10')] };
  const as =
    (hostname: string, ...addresses: string[]) =>
    () =>
      entitledCertificates({
        ...FACTS,
        identity: 'controller',
        nodeName: hostname,
        hostname,
        addresses: addresses.map(ip),
        controllers: [known],
      });
  t.ok(as('master-1', '10.77.0.10')().length > 0);
  t.ok(as('MASTER-1', '10.78.0.10')().length > 0, 'by any of its addresses');
  t.ok(as('master-1')().length > 0, 'where its address is not known, its certificates hold the known one');
  const rows: [string, () => unknown, RegExp][] = [
    ['unknown', as('node-7', '10.77.0.27'), /node-7 is none of the cluster's controllers/],
    ['unknown, at the address of a known one', as('node-7', '10.77.0.10'), /none of/],
    [
      'elsewhere',
      as('master-1', '10.77.0.20'),
      /master-1 is to be at 10.77.0.10, 10.78.0.10, not at 10.77.0.20/,
    ],
    ['elsewhere too', as('master-1', '10.77.0.10', '10.77.0.20'), /not at 10.77.0.20/],
  ];
  for (const [name, call, message] of rows) t.throws(call, { code: 'refused', message }, name);
});

t.test(
  'no certificate of a worker has a name or an address of the API server or of any controller',
  async (t) => {
    const controllers = [CONTROLLER, { hostname: 'master-2', addresses: [ip('10.77.0.11')] }];
    const servers = controllers.flatMap(({ hostname, addresses }) => {
      const facts = { ...CONTROLLER, hostname, nodeName: hostname, addresses, controllers };
      return entitledCertificates(facts).filter(({ name }) => name === 'kube-apiserver');
    });
    const reserved = new Set(
      servers.flatMap(({ names }) => [...names.dns, ...names.addresses.map(formatIpv4)]),
    );
    t.ok(reserved.has('master-2') && reserved.has('10.77.0.11') && reserved.has('10.3.0.1'));
    for (const name of reserved) {
      const address = /^[\d.]+$/.test(name) ? ip(name) : undefined;
      const mine = address === undefined ? { hostname: name, nodeName: name } : { addresses: [address] };
      t.throws(
        () => entitledCertificates({ ...FACTS, ...mine, identity: 'worker', controllers }),
        { code: 'refused', message: `${name} belongs to the API server or a controller, not to a worker` },
        name,
      );
    }
  },
);
