import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { mergeParameters } from '../../src/boot/merge-parameters.ts';
import type { Parameters } from '../../src/machine/role.ts';
import { checkFiles } from './support/check-files.ts';
import { checkShells, scriptsOf } from './support/check-shell.ts';
import { type CloudConfig, fileOf, filesOf, unitOf, unitsOf } from './support/cloud-config.ts';
import { CUSTOM_KINDS } from './support/custom-kinds.ts';
import { type RenderOptions, renderRole, shippedRole } from './support/render-role.ts';
import { sampleIdentity } from './support/sample-identity.ts';
import { verifyUnits } from './support/verify-units.ts';

const MASTER = { hostname: 'master-1', address: '10.77.0.10' };
const OPTIONS: RenderOptions = {
  identity: sampleIdentity({ kind: 'controller', ...MASTER }),
  machine: { ...MASTER, prefix: 24 },
};
const MANIFESTS = '/etc/kubernetes/manifests';

interface Pod {
  readonly spec: {
    readonly volumes?: readonly object[];
    readonly containers: readonly {
      readonly command?: readonly string[];
      readonly image: string;
      readonly env?: readonly { readonly name: string; readonly value?: string }[];
    }[];
  };
}
const pod = (name: string, options: RenderOptions = OPTIONS) =>
  (parse(fileOf(renderRole('controller', options), `${MANIFESTS}/${name}.yaml`)) as Pod).spec;
const command = (name: string, options?: RenderOptions) => pod(name, options).containers[0]?.command ?? [];

t.test('the API server knows its cluster, and trusts each authority for what it is for', async (t) => {
  const args = command('kube-apiserver');
  for (const wanted of [
    '--advertise-address=10.77.0.10',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--etcd-servers=https://10.77.0.10:2379',
    '--etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt',
    '--requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt',
    '--secure-port=6443',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    '--service-cluster-ip-range=10.3.0.0/24',
  ]) {
    t.ok(args.includes(wanted), wanted);
  }
  t.equal(pod('kube-apiserver').containers[0]?.image, 'registry.k8s.io/kube-apiserver:v1.36.0');
  t.notOk(
    args.some((arg) => arg.startsWith('--anonymous-auth')),
    'it cannot stand beside --authentication-config',
  );
});

t.test('every file that a static pod names is one that the machine has, below what is mounted', async (t) => {
  const config = renderRole('controller', { ...OPTIONS, parameters: { virtualAddress: '10.77.0.9' } });
  const identity = sampleIdentity({ kind: 'controller', ...MASTER });
  const { publicKeyFile, privateKeyFile } = identity.serviceAccounts;
  const there = new Set([
    ...filesOf(config).keys(),
    ...identity.certificates.flatMap(({ certificateFile, keyFile }) => [certificateFile, keyFile]),
    ...identity.authorities.map(({ file }) => file),
    publicKeyFile,
    privateKeyFile,
  ]);
  const pods = [...filesOf(config)].filter(([path]) => path.startsWith(MANIFESTS) && path.endsWith('.yaml'));
  t.equal(pods.length, 4);
  const named = [...pods, ['', fileOf(config, '/etc/kubernetes/kube-vip.conf')] as const].flatMap(
    ([, text]) =>
      [...text.matchAll(/\/etc\/kubernetes\/[a-z/-]+\.(?:crt|key|pub|conf)/g)].map(([path]) => path),
  );
  t.ok(named.length > 20);
  for (const path of named) t.ok(there.has(path), path);
});

t.test('whoever is nobody learns of the API server that it is well, and nothing else', async (t) => {
  const { anonymous, ...rest } = parse(
    fileOf(renderRole('controller', OPTIONS), '/etc/kubernetes/authentication.conf'),
  ) as { anonymous: object };
  t.strictSame(rest, { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration' });
  t.strictSame(anonymous, {
    enabled: true,
    conditions: [{ path: '/livez' }, { path: '/readyz' }, { path: '/healthz' }],
  });
});

t.test("the controller manager has no authority's key to sign with", async (t) => {
  const args = command('kube-controller-manager');
  t.notOk(args.some((arg) => arg.includes('cluster-signing') || arg.includes('ca.key')));
  t.ok(args.includes('--cluster-cidr=10.2.0.0/16'));
  t.ok(args.includes('--allocate-node-cidrs=true'));
  t.ok(args.includes('--use-service-account-credentials=true'));
});

t.test('a controller registers with scheduling disabled', async (t) => {
  const kubelet = parse(fileOf(renderRole('controller', OPTIONS), '/etc/kubernetes/kubelet.yaml')) as object;
  t.match(kubelet, {
    registerWithTaints: [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }],
  });
});

t.test('etcd is a pod, a service, or somewhere else', async (t) => {
  const asPod = renderRole('controller', OPTIONS);
  t.ok(filesOf(asPod).has('/etc/tinderbox/etcd-pod.yaml'));
  t.notOk(
    filesOf(asPod).has(`${MANIFESTS}/etcd.yaml`),
    'the kubelet gets it once its disk and its state are known',
  );
  t.match(unitOf(asPod, 'tinderbox-etcd-pod.service'), /prepare-etcd\n.*cp .*manifests\/etcd\.yaml\n/);

  const asService = renderRole('controller', { ...OPTIONS, parameters: { etcdRuns: 'service' } });
  t.notOk(filesOf(asService).has('/etc/tinderbox/etcd-pod.yaml'));
  t.match(unitOf(asService, 'etcd.service'), 'ExecStart=/opt/tinderbox/start-etcd');

  const other = { hostname: 'etcd-1', address: '10.77.0.11' };
  const external = { ...OPTIONS, cluster: { etcd: [other], etcdEndpoints: ['https://10.77.0.11:2379'] } };
  const without = renderRole('controller', external);
  t.notOk(unitsOf(without).some(({ name }) => /etcd/.test(name)));
  t.notOk([...filesOf(without).keys()].some((path) => /prepare-etcd|etcd-pod/.test(path)));
  t.ok(command('kube-apiserver', external).includes('--etcd-servers=https://10.77.0.11:2379'));

  for (const config of [asPod, asService, without]) t.strictSame(verifyUnits(config), []);
});

t.test("flannel's configuration goes into etcd where it is asked for", async (t) => {
  const config = renderRole('controller', { ...OPTIONS, parameters: { flannelInEtcd: true } });
  t.match(
    fileOf(config, '/opt/tinderbox/put-flannel-config'),
    "certificate='/etc/kubernetes/pki/apiserver-etcd-client.crt'",
  );
  t.strictSame(verifyUnits(config), []);
  t.notOk(filesOf(renderRole('controller', OPTIONS)).has('/opt/tinderbox/put-flannel-config'));
});

const withFlannel = (flannelRuns: string, addons: Parameters = {}, more: RenderOptions = OPTIONS) =>
  renderRole('controller', {
    ...more,
    parameters: mergeParameters(shippedRole('controller').parameters, { flannelRuns, addons }),
  });
const json = (text = '') => JSON.parse(text) as object;
const flannelArguments = (config: CloudConfig) =>
  unitOf(config, 'flanneld.service').match(/(?<=^ +)--\S+/gm) ?? [];

t.test('flannel is a pod of the DaemonSet, and nothing of it is on the machine', async (t) => {
  for (const config of [renderRole('controller', OPTIONS), withFlannel('service', { network: 'none' })]) {
    t.notOk(unitsOf(config).some(({ name }) => /flannel/.test(name)));
    t.notOk([...filesOf(config).keys()].some((path) => /fetch-flannel|kube-flannel|cni\/net\.d/.test(path)));
    t.notMatch(unitOf(config, 'kubelet.service'), /node-labels/);
    t.match(fileOf(config, '/opt/tinderbox/apply-addons'), / flannel-\n/);
  }
});

t.test('flannel is a service, where no DaemonSet comes', async (t) => {
  const config = withFlannel('service');
  t.match(
    fileOf(config, '/opt/tinderbox/fetch-flannel'),
    /\/'flannel'\/'v0\.27\.4'\n[\s\S]*files=\(flannel\.tar\.gz cni-plugin-flannel\.tgz\)/,
  );
  t.strictSame(flannelArguments(config), [
    '--kube-subnet-mgr',
    '--kubeconfig-file=/etc/kubernetes/admin.conf',
    '--net-config-path=/etc/kube-flannel/net-conf.json',
    '--iface=10.77.0.10',
    '--ip-masq',
  ]);
  t.match(unitOf(config, 'flanneld.service'), /^Environment=NODE_NAME=master-1$/m);
  t.ok(filesOf(config).has('/etc/kubernetes/admin.conf'));
  t.match(unitOf(config, 'tinderbox-start-flannel.service'), 'start flanneld.service\n');
  t.match(unitOf(config, 'kubelet.service'), '--node-labels=flannel=service ');
  t.match(
    fileOf(config, '/opt/tinderbox/apply-addons'),
    / flannel=service\n/,
    'a Node that was there before',
  );
  t.strictSame(verifyUnits(config), []);
  t.strictSame(checkShells(scriptsOf(config).values()), []);
  t.strictSame(await checkFiles(config, CUSTOM_KINDS), []);

  const named = withFlannel('service', { flannelInterface: 'enp1s0' });
  t.strictSame(
    flannelArguments(named).filter((argument) => argument.startsWith('--iface')),
    ['--iface=enp1s0', '--iface=10.77.0.10'],
    'it takes the first that there is',
  );
  const issued = {
    ...OPTIONS,
    identity: sampleIdentity({ kind: 'controller', ...MASTER, delivery: 'issued' }),
  };
  t.strictSame(verifyUnits(withFlannel('service', {}, issued)), []);
});

t.test('the service and the DaemonSet of flannel make one network', async (t) => {
  const config = withFlannel('service');
  const configMap = parseAllDocuments(fileOf(config, '/etc/kubernetes/addons/30-flannel.yaml'))
    .map((document) => document.toJS() as { kind: string; data: { [file: string]: string } })
    .find(({ kind }) => kind === 'ConfigMap');
  t.strictSame(
    json(fileOf(config, '/etc/kube-flannel/net-conf.json')),
    json(configMap?.data['net-conf.json']),
  );
  t.strictSame(
    json(fileOf(config, '/etc/cni/net.d/10-flannel.conflist')),
    json(configMap?.data['cni-conf.json']),
  );

  // With Calico's policies flannel is the network all the same, and Calico writes the CNI file.
  const calico = withFlannel('service', { network: 'calico' });
  t.ok(filesOf(calico).has('/etc/kube-flannel/net-conf.json'));
  t.notOk([...filesOf(calico).keys()].some((path) => path.startsWith('/etc/cni/net.d/')));
  t.match(unitOf(calico, 'kubelet.service'), '--node-labels=flannel=service ');
  t.strictSame(verifyUnits(calico), []);

  // All controllers apply the same, however flannel runs on each.
  for (const network of ['flannel', 'calico']) {
    const [pods, service] = ['pod', 'service'].map((runs) =>
      fileOf(withFlannel(runs, { network }), `/etc/kubernetes/addons/30-${network}.yaml`),
    );
    t.equal(service, pods);
  }
});

t.test('a virtual address is brought up by a pod that needs none', async (t) => {
  const options = { ...OPTIONS, parameters: { virtualAddress: '10.77.0.9' } };
  const hosts = fileOf(renderRole('controller', options), '/etc/kubernetes/kube-vip-hosts');
  t.match(hosts, /^127\.0\.0\.1 .*\bkubernetes$/m);
  t.match(pod('kube-vip', options), { volumes: [{ name: 'hosts' }] });
  t.match(pod('kube-vip', options).containers[0]?.env?.[0], { name: 'address', value: '10.77.0.9' });
  t.match(
    fileOf(renderRole('controller', options), '/etc/kubernetes/kube-vip.conf'),
    'server: https://kubernetes:6443\n',
  );
  t.notOk(filesOf(renderRole('controller', OPTIONS)).has(`${MANIFESTS}/kube-vip.yaml`));
});

const LABEL = 'label --overwrite node master-1 node-role.kubernetes.io/control-plane= flannel-';

/** Runs apply-addons with a kubectl that fails as often as it is told (a shell's condition), and notes what it is asked. */
function applyAddons(failures: number | string): {
  readonly status: number | null;
  readonly asked: readonly string[];
} {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-addons-'));
  try {
    const config = renderRole('controller', OPTIONS);
    mkdirSync(join(folder, 'addons'));
    for (const [path, content] of filesOf(config)) {
      if (path.startsWith('/etc/kubernetes/addons/'))
        writeFileSync(join(folder, 'addons', path.slice(23)), content);
    }
    writeFileSync(join(folder, 'asked'), '');
    writeFileSync(
      join(folder, 'kubectl'),
      `#!/bin/bash\necho "$*" >>${folder}/asked\n${typeof failures === 'string' ? `! { ${failures.replaceAll('ASKED', join(folder, 'asked'))}; }` : `(( $(wc -l <${folder}/asked) > ${failures} ))`}\n`,
    );
    chmodSync(join(folder, 'kubectl'), 0o755);
    const script = fileOf(config, '/opt/tinderbox/apply-addons')
      .replaceAll('/opt/bin/kubectl', join(folder, 'kubectl'))
      .replaceAll('/etc/kubernetes/addons', join(folder, 'addons'));
    const { status } = spawnSync('bash', [], {
      input: script,
      encoding: 'utf8',
      env: { ...process.env, WAIT: '0' },
    });
    const asked = readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n');
    return {
      status,
      asked: asked.map((line) => line.replace(/^--kubeconfig=\S+ --request-timeout=60s /, '')),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

t.test('add-ons are applied in order, once the API answers, until all of them are', async (t) => {
  const { status, asked } = applyAddons(0);
  t.equal(status, 0);
  t.equal(asked[0], 'get --raw=/readyz');
  const files = asked.slice(2).map((line) => /--filename=.*\/(\S+)$/.exec(line)?.[1]);
  t.strictSame(files, [
    '10-tinderbox.yaml',
    '20-kube-proxy.yaml',
    '30-flannel.yaml',
    '40-coredns.yaml',
    '50-ingress.yaml',
  ]);
  for (const line of asked.slice(2))
    t.match(line, 'apply --server-side --force-conflicts --field-manager=tinderbox');
  t.equal(asked[1], LABEL);

  // Two answers that it is not ready; then two files fail, which are tried again with all others.
  const late = applyAddons(5);
  t.equal(late.status, 0);
  t.equal(late.asked.filter((line) => line === 'get --raw=/readyz').length, 6);
  t.ok(execFileSync('bash', ['--version']));
});

t.test(
  'a Node has its label while an add-on is refused, and add-ons are there before the Node',
  async (t) => {
    // CoreDNS is refused for the first three rounds.
    const refused = applyAddons('[[ $* == *40-coredns.yaml ]] && (($(grep -c 40-coredns ASKED) < 4))');
    t.equal(refused.status, 0);
    t.equal(refused.asked.filter((line) => line === LABEL).length, 1, 'once is enough');
    t.ok(
      refused.asked.indexOf(LABEL) < refused.asked.findIndex((line) => line.endsWith('10-tinderbox.yaml')),
    );
    t.equal(refused.asked.filter((line) => line.endsWith('40-coredns.yaml')).length, 4);

    const noNode = applyAddons(
      '[[ $* == *"label --overwrite"* ]] && (($(grep -c "label --overwrite" ASKED) < 3))',
    );
    t.equal(noNode.status, 0);
    t.equal(noNode.asked.filter((line) => line.endsWith('10-tinderbox.yaml')).length, 1, 'applied once');
    t.equal(noNode.asked.at(-1), LABEL);
  },
);
