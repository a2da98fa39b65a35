import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { mergeParameters } from '../../src/boot/merge-parameters.ts';
import type { Parameters } from '../../src/machine/role.ts';
import { roleOf } from '../render/read-shipped-role.ts';
import { checkFiles } from './support/check-files.ts';
import type { Manifest } from './support/check-manifest.ts';
import { fileOf, filesOf } from './support/cloud-config.ts';
import { CUSTOM_KINDS } from './support/custom-kinds.ts';
import { renderRole, shippedRole } from './support/render-role.ts';
import { sampleIdentity } from './support/sample-identity.ts';

const CONTROLLER = shippedRole('controller');
const ADDONS = '/etc/kubernetes/addons/';

const withAddons = (addons: Parameters) =>
  renderRole('controller', {
    identity: sampleIdentity({ kind: 'controller', hostname: 'master-1', address: '10.77.0.10' }),
    machine: { hostname: 'master-1', address: '10.77.0.10' },
    parameters: mergeParameters(CONTROLLER.parameters, { addons }),
  });

/** All objects, in the order in which they are applied. */
function objectsOf(addons: Parameters): readonly Manifest[] {
  const files = [...filesOf(withAddons(addons))].filter(([path]) => path.startsWith(ADDONS));
  return files
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, text]) => parseAllDocuments(text).map((document) => document.toJS() as Manifest | null))
    .filter((manifest) => manifest !== null);
}

const CHOICES: readonly (readonly [string, Parameters])[] = [
  ['as they ship', {}],
  ['Calico', { network: 'calico' }],
  ['ingress-nginx', { ingress: 'ingress-nginx' }],
  [
    'everything',
    {
      network: 'calico',
      loadBalancerAddresses: ['10.77.0.200-10.77.0.220'],
      dashboard: true,
      kubeProxyMode: 'nftables',
    },
  ],
  [
    'nothing',
    {
      tinderbox: false,
      kubeProxy: false,
      network: 'none',
      coreDns: false,
      ingress: 'none',
      dashboard: false,
    },
  ],
];

t.test('every add-on is valid by the published schemas', async (t) => {
  for (const [what, addons] of CHOICES) {
    t.strictSame(await checkFiles(withAddons(addons), CUSTOM_KINDS), [], what);
    t.equal(objectsOf(addons).length > 0, what !== 'nothing', what);
  }
});

t.test('nothing is applied twice, and a namespace before what lives in it', async (t) => {
  for (const [what, addons] of CHOICES) {
    const seen = new Set<string>();
    for (const { kind, metadata } of objectsOf(addons)) {
      const { name, namespace } = metadata ?? {};
      const key = `${kind} ${namespace ?? ''}/${name}`;
      t.notOk(seen.has(key), `${what}: ${key} for the second time`);
      seen.add(key);
      // These are there in every cluster.
      if (namespace === undefined || namespace === 'kube-system') continue;
      t.ok(seen.has(`Namespace /${namespace}`), `${what}: ${key} before its namespace`);
    }
  }
});

t.test('what an account may do is bound to an account that there is', async (t) => {
  for (const [what, addons] of CHOICES) {
    const objects = objectsOf(addons);
    const has = (kind: string, name: string, namespace?: string) =>
      objects.some((o) => o.kind === kind && o.metadata?.name === name && o.metadata.namespace === namespace);
    for (const object of objects.filter(({ kind }) => kind?.endsWith('RoleBinding'))) {
      const { roleRef, subjects } = object as unknown as {
        roleRef: { kind: string; name: string };
        subjects: readonly { kind: string; name: string; namespace?: string }[];
      };
      const own = roleRef.kind === 'Role' ? object.metadata?.namespace : undefined;
      const brought = roleRef.name === 'system:node-proxier';
      t.ok(brought || has(roleRef.kind, roleRef.name, own), `${what}: ${roleRef.kind} ${roleRef.name}`);
      for (const { kind, name, namespace } of subjects) {
        t.ok(kind === 'User' || has(kind, name, namespace), `${what}: ${kind} ${name}`);
      }
    }
  }
});

t.test('Tinderbox may see Nodes and delete them, and nothing else', async (t) => {
  const [role, binding] = objectsOf({}) as unknown as readonly [{ rules: object }, { subjects: object }];
  t.strictSame(role.rules, [
    { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch', 'delete'] },
  ]);
  t.strictSame(binding.subjects, [
    { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'tinderbox' },
  ]);
});

interface Workload {
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
  readonly spec: { readonly template: { readonly spec: PodSpec } };
}
interface PodSpec {
  readonly hostNetwork?: boolean;
  readonly nodeSelector?: object;
  readonly tolerations?: object;
  readonly affinity?: object;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
}
interface Container {
  readonly image?: string;
  readonly args?: readonly string[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly ports?: readonly { readonly hostPort?: number }[];
  readonly livenessProbe?: { readonly httpGet?: { readonly port?: number; readonly path?: string } };
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
}
const podsOf = (addons: Parameters, name: string): PodSpec => {
  const found = objectsOf(addons).find(
    ({ kind, metadata }) => metadata?.name === name && /Set$|^Deployment$/.test(kind ?? ''),
  );
  return (found as unknown as Workload).spec.template.spec;
};

t.test('the ingress controller is on edge routers, at the ports of the Node', async (t) => {
  for (const [ingress, name] of [
    ['traefik', 'traefik'],
    ['ingress-nginx', 'ingress-nginx'],
  ] as const) {
    const { nodeSelector, hostNetwork, containers, tolerations } = podsOf({ ingress }, name);
    t.strictSame(nodeSelector, { role: 'edge-router' }, name);
    t.equal(hostNetwork, true);
    t.match(tolerations, [{ key: 'role', operator: 'Exists' }]);
    t.strictSame(
      containers[0]?.ports?.map(({ hostPort }) => hostPort),
      [80, 443, 10254],
      name,
    );
    t.equal(containers[0]?.livenessProbe?.httpGet?.port, 10254, name);
  }
  const [backend] = podsOf({}, 'default-http-backend').containers;
  t.match(backend?.livenessProbe?.httpGet, { port: 8080, path: '/healthz' });
});

t.test('Traefik serves an Ingress at the ports for it, and not where its health is asked for', async (t) => {
  const args = podsOf({}, 'traefik').containers[0]?.args ?? [];
  const entries = args.flatMap((arg) => /^--entryPoints\.(\w+)\.address=/.exec(arg)?.[1] ?? []);
  t.strictSame(entries, ['web', 'websecure', 'health']);
  t.strictSame(
    entries.filter((entry) => args.includes(`--entryPoints.${entry}.asDefault=true`)),
    ['web', 'websecure'],
  );
});

t.test('the default backend runs where its image can, and an image for all anywhere', async (t) => {
  for (const ingress of ['traefik', 'ingress-nginx'])
    t.strictSame(podsOf({ ingress }, 'default-http-backend').nodeSelector, { 'kubernetes.io/arch': 'amd64' });
  const other = podsOf(
    { defaultBackendImage: 'r:5000/backend:1', defaultBackendArch: '' },
    'default-http-backend',
  );
  t.equal(other.nodeSelector, undefined);
  t.equal(other.containers[0]?.image, 'r:5000/backend:1');
});

t.test('Calico gets to the file whose token it has to renew', async (t) => {
  const { containers, initContainers, volumes } = podsOf({ network: 'calico' }, 'calico-node');
  const [written, renewed] = [initContainers?.[0], containers[0]].map((container) =>
    container?.volumeMounts?.find(({ mountPath }) => mountPath === '/host/etc/cni/net.d'),
  );
  t.ok(written);
  t.strictSame(renewed, written);
  t.match(
    volumes?.find(({ name }) => name === renewed?.name),
    { hostPath: { path: '/etc/cni/net.d' } },
  );
});

t.test("flannel's pods keep away from Nodes where it is a service", async (t) => {
  for (const network of ['flannel', 'calico']) {
    const terms = [{ matchExpressions: [{ key: 'flannel', operator: 'NotIn', values: ['service'] }] }];
    t.strictSame(podsOf({ network }, 'kube-flannel-ds').affinity, {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
    });
  }
  t.equal(podsOf({ network: 'calico' }, 'calico-node').affinity, undefined, 'it has no service');
});

t.test('what makes Services reachable does not need one to reach the API server', async (t) => {
  const proxy = objectsOf({}).find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata?.name === 'kube-proxy',
  );
  const { data } = proxy as unknown as { data: { [file: string]: string } };
  t.match(parse(data['kubeconfig.conf'] ?? ''), {
    clusters: [{ cluster: { server: 'https://10.77.0.10:6443' } }],
  });
  t.match(parse(data['config.conf'] ?? ''), { clusterCIDR: '10.2.0.0/16', mode: 'iptables' });
  for (const [network, name] of [
    ['flannel', 'kube-flannel-ds'],
    ['calico', 'kube-flannel-ds'],
    ['calico', 'calico-node'],
  ] as const) {
    const env = podsOf({ network }, name).containers[0]?.env ?? [];
    t.equal(env.find((one) => one.name === 'KUBERNETES_SERVICE_HOST')?.value, '10.77.0.10', name);
    t.equal(env.find((one) => one.name === 'KUBERNETES_SERVICE_PORT')?.value, '6443', name);
  }
});

t.test("the cluster's DNS has the address that kubelets tell their pods", async (t) => {
  const service = objectsOf({}).find(
    ({ kind, metadata }) => kind === 'Service' && metadata?.name === 'kube-dns',
  );
  t.match(service, { spec: { clusterIP: '10.3.0.10' } });
  t.match(fileOf(withAddons({}), `${ADDONS}40-coredns.yaml`), 'kubernetes cluster.local in-addr.arpa');
});

const corefile = (addons: Parameters) => {
  const found = objectsOf(addons).find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata?.name === 'coredns',
  );
  return (found as unknown as { data: { Corefile: string } }).data.Corefile;
};

t.test('CoreDNS asks whom it is told, and in a rack without name servers nobody', async (t) => {
  for (const addons of [{}, { upstreamDns: [] }])
    t.match(corefile(addons), /^ {4}forward \. \/etc\/resolv\.conf \{\n.*\n {4}\}$/m);
  const named = corefile({ upstreamDns: ['10.77.0.1', '10.77.0.2'] });
  t.match(named, /^ {4}forward \. 10\.77\.0\.1 10\.77\.0\.2 \{$/m);
  for (const text of [corefile({}), named]) t.match(text, /^ {4}loop$/m);
  const alone = corefile({ upstreamDns: ['none'] });
  // Each of them needs somebody to go on to.
  t.notMatch(alone, /forward|loop|fallthrough|resolv\.conf/);
  t.match(
    alone,
    /^ {4}kubernetes cluster\.local in-addr\.arpa ip6\.arpa \{\n {8}pods insecure\n {8}ttl 30\n {4}\}$/m,
  );
});

interface CniFile {
  readonly type?: string;
  readonly plugins?: readonly CniFile[];
  readonly delegate?: { readonly type?: string; readonly kubernetes?: object };
}

const cniFile = (policy: boolean, dialect: string): CniFile => {
  const template = `#cloud-config
write_files:
  - path: /etc/cni/net.d/10-test.conf
    content: |
      {{> flannel-cni policy=parameters.policy dialect=parameters.dialect hostname="10.77.0.21" kubeconfig="/etc/kubernetes/worker-kubeconfig.yaml"}}
`;
  const role = roleOf(template, { policy, dialect }, CONTROLLER.partials);
  return JSON.parse(fileOf(renderRole(role), '/etc/cni/net.d/10-test.conf')) as CniFile;
};

t.test('where flannel delegates to Calico, the CNI file says so in both dialects', async (t) => {
  t.match(cniFile(true, 'current').plugins, [
    { type: 'flannel', delegate: { type: 'calico', policy: { type: 'k8s' } } },
    { type: 'portmap' },
  ]);
  t.match(cniFile(true, 'coreos'), {
    name: 'calico',
    type: 'flannel',
    delegate: {
      type: 'calico',
      datastore_type: 'kubernetes',
      nodename: '10.77.0.21',
      kubernetes: { kubeconfig: '/etc/kubernetes/worker-kubeconfig.yaml' },
    },
  });
  t.match(cniFile(false, 'current').plugins?.[0], { type: 'flannel', delegate: { isDefaultGateway: true } });
  t.strictSame(cniFile(false, 'coreos'), {
    name: 'podnet',
    type: 'flannel',
    delegate: { isDefaultGateway: true },
  });

  // And as the add-ons carry it: one writer of the file each.
  for (const [network, map, type] of [
    ['flannel', 'kube-flannel-cfg', undefined],
    ['calico', 'calico-config', 'calico'],
  ] as const) {
    const withFile = objectsOf({ network }).filter(
      (object) => 'data' in object && 'cni-conf.json' in (object['data'] as object),
    );
    t.strictSame(
      withFile.map(({ metadata }) => metadata?.name),
      [map],
    );
    const { data } = withFile[0] as unknown as { data: { [file: string]: string } };
    const { plugins } = JSON.parse(data['cni-conf.json'] ?? '') as CniFile;
    t.equal(plugins?.[0]?.delegate?.type, type);
  }
});

t.test('MetalLB gets the addresses that it may give away', async (t) => {
  const pool = objectsOf({ loadBalancerAddresses: ['10.77.0.200-10.77.0.220'] }).find(
    ({ kind }) => kind === 'IPAddressPool',
  );
  t.match(pool, { spec: { addresses: ['10.77.0.200-10.77.0.220'] } });
});
