import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CERTIFICATE_NAMES, type Credentials, DEFAULT_CREDENTIALS } from '../src/machine/identity.ts';
import type { Catalog, Role } from '../src/machine/role.ts';
import {
  describeIdentity,
  entitlementsOf,
  type IdentityFacts,
  issueIdentity,
  releasesSecrets,
  sampleIdentity,
} from '../src/machine-identity.ts';
import { CERTIFICATE_PROFILES } from '../src/pki/certificate-profiles.ts';
import type { SignedCertificate } from '../src/pki/port.ts';
import { makeFolder, open, openssl } from './pki/support/make-cluster.ts';
import { shippedRole } from './profiles/support/render-role.ts';
import { ip } from './support/make-environment.ts';
import { makeRole } from './support/make-role.ts';

const CLUSTER = {
  name: 'kubernetes',
  apiServer: 'https://10.77.0.1:6443',
  podNetwork: '10.2.0.0/16',
  serviceNetwork: '10.3.0.0/24',
  dnsServiceIP: '10.3.0.10',
  dnsDomain: 'cluster.local',
  controllers: [{ hostname: 'master-1', address: ip('10.77.0.10') }],
  etcd: [],
};
const EMPTY: Catalog = {
  roles: new Map(),
  machines: new Map(),
  hostnames: new Map(),
  rules: [],
  defaultRole: null,
  file: 'machines.yaml',
  generation: 1,
};
const CSR = 'http://10.77.0.1/boot/7-token/csr';

function role(identity: Role['identity'], credentials: Partial<Credentials> = {}): Role {
  return { ...makeRole(identity), identity, credentials: { ...DEFAULT_CREDENTIALS, ...credentials } };
}

function facts(one: Role, more: Partial<IdentityFacts> = {}): IdentityFacts {
  const hostname = one.identity === 'controller' ? 'master-1' : 'node-1';
  const addresses = [ip(one.identity === 'controller' ? '10.77.0.10' : '10.77.0.20')];
  return { role: one, hostname, addresses, cluster: CLUSTER, catalog: EMPTY, ...more };
}

t.test('a worker that makes its own keys is told where to have each certified', async (t) => {
  const authorities = await open(makeFolder(t));
  const identity = describeIdentity({ ...facts(role('worker')), authorities, csrUrl: CSR });
  t.same(
    identity.certificates.map(({ name, certificateFile, keyFile, url }) => [
      name,
      certificateFile,
      keyFile,
      url,
    ]),
    [
      ['node', '/etc/kubernetes/pki/kubelet.crt', '/etc/kubernetes/pki/kubelet.key', `${CSR}?name=node`],
      [
        'kube-proxy',
        '/etc/kubernetes/pki/kube-proxy.crt',
        '/etc/kubernetes/pki/kube-proxy.key',
        `${CSR}?name=kube-proxy`,
      ],
    ],
  );
  t.match(identity, {
    kind: 'worker',
    delivery: 'csr',
    nodeName: 'node-1',
    certificates: [
      { commonName: 'system:node:node-1', organizations: ['system:nodes'], addresses: ['10.77.0.20'] },
    ],
    authorities: [{ name: 'kubernetes', file: '/etc/kubernetes/pki/ca.crt', certificate: /BEGIN CERT/ }],
    serviceAccounts: { publicKeyFile: '', privateKey: '' },
  });
  t.equal(identity.authorities.length, 1, 'it is not told to trust etcd');
  t.same(await issueIdentity({ ...facts(role('worker')), authorities, csrUrl: CSR }), identity);
});

const namesOf = (one: Role) => entitlementsOf(facts(one)).map(({ name }) => name);

t.test('a role that says which certificates it uses gets no others', async (t) => {
  t.same(namesOf(role('worker')), ['node', 'kube-proxy']);
  t.same(namesOf(role('worker', { certificates: ['node'] })), ['node']);
  t.same(namesOf(role('worker', { certificates: [] })), []);
  t.same(namesOf(role('controller', { certificates: ['node', 'administrator'] })), ['node', 'administrator']);
  t.throws(() => namesOf(role('worker', { certificates: ['node', 'administrator'] })), {
    code: 'refused',
    message: 'role worker uses the certificate administrator, which its identity may not have',
    remedy: 'A machine of identity worker may have: node, kube-proxy.',
  });
});

t.test('shipped roles are entitled to no certificate that nobody there uses', async (t) => {
  t.same(namesOf(shippedRole('worker')), ['node']);
  t.same(namesOf(shippedRole('edge-router')), ['node']);
  t.same(namesOf(shippedRole('etcd')), ['etcd-server', 'etcd-peer']);
  const unused = ['watcher', 'kube-proxy'];
  t.same(
    namesOf(shippedRole('controller')),
    CERTIFICATE_PROFILES.map((profile) => profile.name).filter((name) => !unused.includes(name)),
  );
  t.same(namesOf(shippedRole('coreos-worker')), ['node', 'kube-proxy']);
});

t.test('by the CoreOS layout files and Node have the names of its guides', async (t) => {
  const authorities = await open(makeFolder(t));
  const coreos = role('worker', { layout: 'coreos', nodeName: 'address' });
  t.match(describeIdentity({ ...facts(coreos), authorities, csrUrl: CSR }), {
    nodeName: '10.77.0.20',
    certificates: [
      {
        commonName: 'system:node:10.77.0.20',
        dns: ['node-1'],
        certificateFile: '/etc/kubernetes/ssl/worker.pem',
        keyFile: '/etc/kubernetes/ssl/worker-key.pem',
      },
    ],
    authorities: [{ file: '/etc/kubernetes/ssl/ca.pem' }],
  });
  t.throws(() => entitlementsOf(facts(coreos, { addresses: [] })), {
    code: 'refused',
    message: /by its address, and none is known of node-1/,
  });
});

t.test('the boot script of no machine holds a secret', async (t) => {
  const authorities = await open(makeFolder(t));
  for (const identity of ['worker', 'controller', 'etcd'] as const) {
    for (const delivery of ['csr', 'issued'] as const) {
      const described = describeIdentity({
        ...facts(role(identity, { delivery })),
        authorities,
        csrUrl: CSR,
      });
      t.notMatch(JSON.stringify(described), /PRIVATE KEY/, `${identity} ${delivery}`);
      t.equal(described.serviceAccounts.privateKeyFile !== '', identity === 'controller');
    }
  }
});

t.test('issued pairs belong together, and to an authority that the machine is told to trust', async (t) => {
  const folder = makeFolder(t);
  const authorities = await open(folder);
  const said: SignedCertificate[] = [];
  const identity = await issueIdentity(
    { ...facts(role('controller', { delivery: 'issued' })), authorities, csrUrl: undefined },
    (certificate) => said.push(certificate),
  );
  t.same(
    identity.certificates.map(({ name }) => name).sort(),
    CERTIFICATE_NAMES.filter((name) => name !== 'watcher').toSorted(),
  );
  t.same(
    said.map(({ name }) => name),
    identity.certificates.map(({ name }) => name),
  );
  t.notMatch(JSON.stringify(said), /PRIVATE KEY/);
  const trusted = join(folder, 'trusted.pem');
  writeFileSync(trusted, identity.authorities.map(({ certificate }) => certificate).join(''));
  for (const { name, certificate, key, url } of identity.certificates) {
    const file = join(folder, `${name}.pem`);
    const keyFile = join(folder, `${name}.key`);
    writeFileSync(file, certificate);
    writeFileSync(keyFile, key);
    t.match(openssl('verify', '-CAfile', trusted, file), /: OK/, name);
    t.equal(
      openssl('x509', '-in', file, '-noout', '-pubkey'),
      openssl('pkey', '-in', keyFile, '-pubout'),
      name,
    );
    t.equal(url, '');
  }
  const { publicKey, privateKey } = identity.serviceAccounts;
  writeFileSync(join(folder, 'sa.key'), privateKey);
  t.equal(openssl('pkey', '-in', join(folder, 'sa.key'), '-pubout'), publicKey);
});

t.test('controllers get the shared pair with either delivery, others never', async (t) => {
  const authorities = await open(makeFolder(t));
  const controller = await issueIdentity({ ...facts(role('controller')), authorities, csrUrl: CSR });
  t.match(controller.serviceAccounts.privateKey, /PRIVATE KEY/);
  t.ok(controller.certificates.every(({ key, url }) => key === '' && url !== ''));
  const rows = [
    ['worker', 'csr', false],
    ['worker', 'issued', true],
    ['controller', 'csr', true],
    ['controller', 'issued', true],
    ['etcd', 'csr', false],
    ['etcd', 'issued', true],
    ['none', 'issued', false],
  ] as const;
  for (const [identity, delivery, wanted] of rows) {
    t.equal(releasesSecrets(role(identity, { delivery }), true), wanted, `${identity} ${delivery}`);
    t.equal(releasesSecrets(role(identity, { delivery }), false), false);
  }
});

t.test('without a cluster nobody has an identity', async (t) => {
  const input = { ...facts(role('controller'), { cluster: undefined }), csrUrl: CSR };
  t.match(sampleIdentity(input), { kind: 'none', certificates: [], authorities: [] });
  t.same(entitlementsOf(input), []);
});

/** All of it, but of what a PEM holds. */
function shape(value: unknown): string {
  return JSON.stringify(value, (_, one) =>
    typeof one === 'string' ? one.replace(/(-----BEGIN [A-Z ]+-----)[^]*$/, '$1') : one,
  );
}

t.test('a sample has the shape of life, and says that it is none', async (t) => {
  const authorities = await open(makeFolder(t));
  for (const identity of ['worker', 'controller', 'etcd'] as const) {
    for (const delivery of ['csr', 'issued'] as const) {
      const input = { ...facts(role(identity, { delivery })), csrUrl: CSR };
      const sample = sampleIdentity(input);
      const real = await issueIdentity({ ...input, authorities });
      t.equal(shape(sample), shape(real), `${identity} ${delivery}`);
      t.match(JSON.stringify(sample), /SAMPLE\/THIS\/IS\/NO\/CERTIFICATE/);
    }
  }
});

t.test('a worker may not have the name or the address of the API server', (t) => {
  t.throws(() => entitlementsOf(facts(role('worker'), { hostname: 'master-1' })), { code: 'refused' });
  t.throws(() => entitlementsOf(facts(role('worker'), { addresses: [ip('10.77.0.1')] })), {
    code: 'refused',
  });
  t.end();
});
