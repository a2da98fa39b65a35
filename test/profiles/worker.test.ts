import t from 'tap';
import { parse } from 'yaml';
import { machineScript } from '../../src/render/render-script.ts';
import { parseToml } from './support/check-toml.ts';
import { fileOf, filesOf, unitOf, unitsOf } from './support/cloud-config.ts';
import { readEnvironment } from './support/read-environment.ts';
import { type RenderOptions, renderRole, roleContext, shippedRole } from './support/render-role.ts';
import { sampleIdentity } from './support/sample-identity.ts';

const WORKER = shippedRole('worker');
const FIXED = { address: '10.77.0.21', prefix: 24, gateway: '10.77.0.1', dns: ['10.77.0.1', '10.77.0.2'] };
const MEMBER: RenderOptions = { identity: sampleIdentity({ kind: 'worker' }) };

interface KubeletConfig {
  readonly [field: string]: unknown;
  readonly clusterDNS?: readonly string[];
}
const kubeletConfig = (options: RenderOptions) =>
  parse(fileOf(renderRole('worker', options), '/etc/kubernetes/kubelet.yaml')) as KubeletConfig;
const kubeletUnit = (role: string, options: RenderOptions) =>
  unitOf(renderRole(role, options), 'kubelet.service');

t.test('the worker boots Flatcar as the design says, from the folder that `image` names', async (t) => {
  const context = roleContext(WORKER);
  const script = machineScript({ role: WORKER, context, hostname: 'h' });
  t.match(
    script,
    '\nkernel http://10.77.0.1/assets/flatcar/flatcar_production_pxe.vmlinuz initrd=initrd0 flatcar.first_boot=1 cloud-config-url=http://10.77.0.1/boot/abc/cloud-config console=ttyS0 || goto failed\n',
  );
  t.match(
    script,
    '\ninitrd --name initrd0 http://10.77.0.1/assets/flatcar/flatcar_production_pxe_image.cpio.gz || goto failed\n',
  );
  t.equal(WORKER.parameters['kubernetesVersion'], 'v1.36.0');
  const arm = machineScript({
    role: WORKER,
    context: { ...context, parameters: { ...context.parameters, image: 'flatcar-arm64' } },
    hostname: 'h',
  });
  t.match(arm, '/assets/flatcar-arm64/flatcar_production_pxe.vmlinuz');
});

const network = (machine: RenderOptions['machine'] = {}) =>
  unitOf(renderRole('worker', { machine }), '10-tinderbox.network');

t.test("the machine's own network unit holds its address, by its MAC, where it has one", async (t) => {
  t.equal(
    network(FIXED),
    '[Match]\nMACAddress=52:54:00:12:34:56\nType=ether\n\n[Network]\nAddress=10.77.0.21/24\nGateway=10.77.0.1\nDNS=10.77.0.1\nDNS=10.77.0.2\n',
  );
  t.equal(network(), '');
  t.equal(network({ ...FIXED, prefix: 0 }), '');
});

t.test('parameters reach the files of the worker', async (t) => {
  const config = renderRole('worker', {
    parameters: {
      sshAuthorizedKeys: ['key a'],
      users: [{ name: 'ada', sshAuthorizedKeys: ['key b'] }],
      registryMirror: 'http://m:5000',
      proxy: 'http://p:1',
      noProxy: 'a,.b',
      sysctl: { 'vm.swappiness': 0 },
      kubernetesVersion: 'v9.9.9',
    },
  });
  t.strictSame(config.users, [
    { name: 'core', ssh_authorized_keys: ['key a'] },
    { name: 'ada', ssh_authorized_keys: ['key b'] },
  ]);
  t.strictSame(parseToml(fileOf(config, '/etc/containerd/certs.d/_default/hosts.toml')), {
    host: { 'http://m:5000': { capabilities: ['pull', 'resolve'] } },
  });
  t.match(fileOf(config, '/etc/sysctl.d/90-tinderbox.conf'), '\nvm.swappiness = 0\n');
  t.match(
    fileOf(config, '/opt/tinderbox/fetch-programs'),
    "from='http://10.77.0.1/assets'/'kubernetes'/'v9.9.9'",
  );
  t.match(fileOf(config, '/opt/tinderbox/report'), "url='http://10.77.0.1/boot/abc/report'");
});

const proxyOf = (options: RenderOptions) =>
  readEnvironment(
    fileOf(
      renderRole('worker', { ...options, parameters: { proxy: 'http://p:1', ...options.parameters } }),
      '/etc/tinderbox/proxy.env',
    ),
  );

t.test('the proxy is never asked for what is inside the cluster', async (t) => {
  const here = 'localhost,127.0.0.1,10.77.0.1';
  const cluster = '10.77.0.10,10.2.0.0/16,10.3.0.0/24,.svc,.cluster.local';
  const inside = `${here},${cluster}`;
  t.equal(proxyOf({})['NO_PROXY'], inside);
  t.equal(proxyOf({ parameters: { noProxy: 'a,.b' } })['NO_PROXY'], `a,.b,${inside}`);
  t.equal(proxyOf({ cluster: null })['NO_PROXY'], here);
  t.equal(
    proxyOf({ parameters: { registryMirror: 'http://mirror.rack:5000' } })['NO_PROXY'],
    `${here},mirror.rack,${cluster}`,
  );
  const proxy = "http://u:it's%40@p:1";
  t.match(proxyOf({ parameters: { proxy } }), { HTTP_PROXY: proxy, HTTPS_PROXY: proxy });
  const unit = unitsOf(renderRole('worker', { parameters: { proxy: 'http://p:1' } })).find(
    ({ name }) => name === 'containerd.service',
  );
  t.match(unit?.drop_ins?.[0]?.content, '\nEnvironmentFile=/etc/tinderbox/proxy.env\n');
});

t.test('without an identity the kubelet is alone, and nobody can call it', async (t) => {
  for (const options of [{}, { cluster: null }]) {
    const config = renderRole('worker', options);
    const kubelet = kubeletConfig(options);
    t.strictSame(kubelet['authentication'], { anonymous: { enabled: false }, webhook: { enabled: false } });
    t.strictSame(kubelet['authorization'], { mode: 'AlwaysAllow' });
    t.strictSame(kubelet.clusterDNS, 'cluster' in options ? undefined : ['10.3.0.10']);
    t.notOk(filesOf(config).has('/etc/kubernetes/kubelet.conf'));
    t.notOk(filesOf(config).has('/opt/tinderbox/get-certificates'));
    t.notMatch(unitOf(config, 'kubelet.service'), /kubeconfig|identity/);
  }
});

t.test('as a member the kubelet shows its certificate both ways, and asks who calls it', async (t) => {
  const config = renderRole('worker', MEMBER);
  const kubelet = kubeletConfig(MEMBER);
  t.match(kubelet, {
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: '/etc/kubernetes/pki/ca.crt' },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: '/etc/kubernetes/pki/kubelet.crt',
    tlsPrivateKeyFile: '/etc/kubernetes/pki/kubelet.key',
    rotateCertificates: false,
    cgroupDriver: 'systemd',
    clusterDNS: ['10.3.0.10'],
    clusterDomain: 'cluster.local',
  });
  t.match(parse(fileOf(config, '/etc/kubernetes/kubelet.conf')), {
    clusters: [
      {
        cluster: {
          server: 'https://10.77.0.10:6443',
          'certificate-authority': '/etc/kubernetes/pki/ca.crt',
        },
      },
    ],
    users: [
      {
        name: 'system:node:node-123456',
        user: {
          'client-certificate': '/etc/kubernetes/pki/kubelet.crt',
          'client-key': '/etc/kubernetes/pki/kubelet.key',
        },
      },
    ],
  });
  const unit = unitOf(config, 'kubelet.service');
  t.match(unit, '\nRequires=tinderbox-identity.service\nAfter=tinderbox-identity.service\n');
  t.match(unit, '--kubeconfig=/etc/kubernetes/kubelet.conf');
  t.match(unit, '--hostname-override=node-123456');
  t.match(unitOf(config, 'tinderbox-identity.service'), '\nBefore=kubelet.service\n');
  t.match(fileOf(config, '/etc/kubernetes/pki/ca.crt'), 'BEGIN CERTIFICATE');
});

t.test('keys that are issued are in the configuration, and nothing asks for them', async (t) => {
  const config = renderRole('worker', {
    identity: sampleIdentity({ kind: 'worker', delivery: 'issued' }),
  });
  const key = config.write_files?.find(({ path }) => path === '/etc/kubernetes/pki/kubelet.key');
  t.match(key, { permissions: '0600', owner: 'root', content: /^-----BEGIN PRIVATE KEY-----\n/ });
  t.match(fileOf(config, '/etc/kubernetes/pki/kubelet.crt'), 'BEGIN CERTIFICATE');
  t.notOk(filesOf(config).has('/opt/tinderbox/get-certificates'));
  t.equal(unitOf(config, 'tinderbox-identity.service'), '');
  t.notMatch(unitOf(config, 'kubelet.service'), 'identity');
});

t.test("kube-proxy's certificate is not asked for: there it runs with a service account", async (t) => {
  for (const delivery of ['csr', 'issued'] as const) {
    const config = renderRole('worker', { identity: sampleIdentity({ kind: 'worker', delivery }) });
    t.notMatch(JSON.stringify(config), 'kube-proxy', delivery);
  }
});

t.test('labels, taints and a fixed address are what the kubelet registers with', async (t) => {
  const taints = [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }];
  const options = {
    ...MEMBER,
    machine: FIXED,
    parameters: { labels: { rack: 'r7', 'example.org/zone': 'a' }, taints },
  };
  t.strictSame(kubeletConfig(options)['registerWithTaints'], taints);
  t.notOk('registerWithTaints' in kubeletConfig(MEMBER));
  t.match(
    kubeletUnit('worker', options),
    ' \\\n  --node-labels=rack=r7 \\\n  --node-labels=example.org/zone=a \\\n  --node-ip=10.77.0.21 \\\n',
  );
  t.notMatch(kubeletUnit('worker', MEMBER), /node-labels|node-ip/);
});

t.test('an edge router is a worker with its label, and knows its public address', async (t) => {
  const options = {
    ...MEMBER,
    parameters: { publicAddress: '203.0.113.7', domain: 'edge.example.org', labels: { rack: 'r7' } },
  };
  const config = renderRole('edge-router', options);
  t.match(
    kubeletUnit('edge-router', options),
    '--node-labels=role=edge-router \\\n  --node-labels=rack=r7 \\\n',
  );
  t.equal(
    fileOf(config, '/etc/tinderbox/edge-router.env'),
    'PUBLIC_ADDRESS="203.0.113.7"\nDOMAIN="edge.example.org"\n',
  );
  const without = config.write_files?.filter(({ path }) => path !== '/etc/tinderbox/edge-router.env');
  t.strictSame(without, renderRole('worker', options).write_files);
  const { publicAddress: _address, domain: _domain, ...parameters } = shippedRole('edge-router').parameters;
  t.strictSame(parameters, WORKER.parameters);
});

t.test('without a disk container images have a bound in memory', async (t) => {
  const options = { parameters: { disk: 'none', imageMemory: 40 } };
  const config = renderRole('worker', options);
  const names = unitsOf(config).map(({ name }) => name);
  t.notOk(names.includes('tinderbox-disk.service'));
  t.notOk(filesOf(config).has('/opt/tinderbox/prepare-disk'));
  t.match(
    unitOf(config, 'var-lib-containerd.mount'),
    /\[Mount\]\nWhat=tmpfs\nWhere=\/var\/lib\/containerd\nType=tmpfs\n#.*\nOptions=size=40%%,/,
  );
});

t.test('on a host that is installed nothing is wiped, and nothing is laid over its images', async (t) => {
  for (const role of ['worker', 'controller', 'coreos-worker', 'coreos-controller']) {
    const config = renderRole(role, { parameters: { disk: 'host' } });
    const units = unitsOf(config);
    t.notOk(
      units.some(({ name }) => name === 'tinderbox-disk.service'),
      role,
    );
    t.notOk(filesOf(config).has('/opt/tinderbox/prepare-disk'), role);
    const mount = units.find(({ name }) => /^var-lib-(containerd|docker)\.mount$/.test(name))?.content ?? '';
    t.match(mount, '\nConditionPathExists=/run/tinderbox/disk\n', `${role}: nothing makes that link`);
    t.notMatch(mount, /tmpfs|tinderbox-disk\.service/, role);
  }
});

t.test(
  'unused images go early whatever `disk` is: a machine that finds none has them in memory',
  async (t) => {
    for (const disk of ['none', 'auto', '/dev/sda'])
      t.match(
        kubeletConfig({ parameters: { disk } }),
        { imageGCHighThresholdPercent: 70, imageGCLowThresholdPercent: 50 },
        disk,
      );
  },
);
