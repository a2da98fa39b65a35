import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import type { Parameters } from '../../src/machine/role.ts';
import { machineScript } from '../../src/render/render-script.ts';
import { fileOf, filesOf, unitOf, unitsOf } from './support/cloud-config.ts';
import {
  BOTH,
  CLUSTER,
  type CoreosOptions,
  controller,
  dropIn,
  environmentOf,
  kubeletOptions,
  podOf,
  settingsOf,
  worker,
} from './support/render-coreos.ts';
import { renderRole, roleContext, shippedRole } from './support/render-role.ts';
import { sampleIdentity } from './support/sample-identity.ts';
import { verifyUnits } from './support/verify-units.ts';

t.test(
  "Container Linux is booted by its own names of kernel and arguments, and the configuration's URL comes last of its kind",
  async (t) => {
    for (const [name] of BOTH) {
      const role = shippedRole(name);
      const script = machineScript({ role, context: roleContext(role), hostname: 'h' });
      t.match(
        script,
        '\nkernel http://10.77.0.1/assets/coreos/coreos_production_pxe.vmlinuz initrd=initrd0 coreos.first_boot=1 cloud-config-url=http://10.77.0.1/boot/abc/cloud-config console=ttyS0 || goto failed\n',
      );
      t.match(
        script,
        '\ninitrd --name initrd0 http://10.77.0.1/assets/coreos/coreos_production_pxe_image.cpio.gz ',
      );
      t.equal(script.split('cloud-config-url=').length, 2);
    }
  },
);

t.test('units are what systemd takes, whatever is chosen', async (t) => {
  const choices: readonly CoreosOptions[] = [
    {},
    { delivery: 'csr' },
    {
      parameters: { networkPolicy: 'calico', proxy: 'http://p:1', insecureRegistries: ['r:5000', 's:5000'] },
    },
    { parameters: { disk: 'none', etcdDisk: 'none' } },
    { cluster: { ...CLUSTER, etcd: [{ hostname: 'etcd-1', address: '10.77.0.31' }] } },
  ];
  for (const [name, render] of BOTH)
    for (const choice of choices)
      t.strictSame(verifyUnits(render(choice)), [], `${name} ${JSON.stringify(choice)}`);
});

t.test('the keys that the current coreos-cloudinit drops with hyphens have underscores', async (t) => {
  for (const [, render] of BOTH) {
    const { coreos } = render();
    t.strictSame(coreos?.update, { reboot_strategy: 'off' });
    const keys: readonly string[] = JSON.stringify(coreos).match(/"[a-z_-]+":/g) ?? [];
    t.ok(keys.includes('"drop_ins":'));
    t.strictSame(
      keys.filter((key) => key.includes('-')),
      [],
    );
  }
});

t.test('keys are issued as the guides did, and made on the machine where role.yaml says csr', async (t) => {
  for (const [name, render] of BOTH) {
    const { credentials } = shippedRole(name);
    t.strictSame(credentials, { delivery: 'issued', layout: 'coreos', nodeName: 'address' });
    const issued = render();
    const keys = (issued.write_files ?? []).filter(({ content }) => content.includes('PRIVATE KEY'));
    t.ok(keys.length >= 2);
    for (const { path, permissions, owner } of keys) {
      t.match(path, /^\/etc\/kubernetes\/ssl\/[a-z-]+-key\.pem$/);
      t.equal(permissions, '0600', path);
      t.equal(owner, 'root', path);
    }
    t.equal(unitOf(issued, 'tinderbox-identity.service'), '');

    const csr = render({ delivery: 'csr' });
    t.match(fileOf(csr, '/opt/tinderbox/get-certificates'), "'/etc/kubernetes/ssl/worker-key.pem'");
    t.notOk(filesOf(csr).has('/etc/kubernetes/ssl/worker-key.pem'));
    const waits = name === 'coreos-worker' ? [] : ['etcd2.service', 'flannel-etcd.service'];
    for (const unit of ['kubelet.service', ...waits])
      t.match(
        unitOf(csr, unit),
        '\nRequires=tinderbox-identity.service\nAfter=tinderbox-identity.service\n',
        unit,
      );
    t.match(dropIn(csr, 'flanneld.service', '10-tinderbox.conf'), '\nRequires=tinderbox-identity.service\n');
  }
});

t.test('every key and certificate that a file names is one that the machine gets', async (t) => {
  for (const [name, render] of BOTH) {
    const config = render({ parameters: { networkPolicy: 'calico', dashboard: true } });
    const text = JSON.stringify(config);
    const named = new Set(text.match(/\/etc\/kubernetes\/ssl\/[a-z-]+\.pem/g));
    for (const path of named) t.ok(filesOf(config).has(path), `${name}: ${path}`);
    for (const path of text.match(/\/etc\/kubernetes\/[a-z-]+-kubeconfig\.yaml/g) ?? [])
      t.ok(filesOf(config).has(path), `${name}: ${path}`);
  }
});

/** All but the place that they are for. */
const rules = (script: string) => script.replace(/^where=.*$/m, '');

t.test(
  "etcd's data is on a disk that nothing wipes, and images on one that the same rules keep from harm",
  async (t) => {
    const config = controller();
    for (const name of ['etcd2.service', 'flannel-etcd.service'])
      t.match(unitOf(config, name), '\nRequires=var-lib-etcd.mount\nAfter=var-lib-etcd.mount\n', name);
    t.match(settingsOf(config, 'etcd2')['data_dir'], /^\/var\/lib\/etcd\//);
    t.match(fileOf(config, '/etc/flannel/etcd.env'), '\nETCD_DATA_DIR=/var/lib/etcd/');
    t.notMatch(fileOf(config, '/opt/tinderbox/prepare-etcd-disk'), /wipefs (?!--no-act)|-F\b/);
    const current = fileOf(renderRole('worker'), '/opt/tinderbox/prepare-disk');
    for (const [, render] of BOTH) {
      const script = fileOf(render(), '/opt/tinderbox/prepare-disk');
      t.equal(rules(script), rules(current));
      t.match(script, "\nwhere='/var/lib/docker'\n");
      t.match(script, 'TINDERBOX-KEEP');
      t.match(unitOf(render(), 'var-lib-docker.mount'), '\nWhere=/var/lib/docker\n');
      t.match(dropIn(render(), 'docker.service', '10-tinderbox.conf'), 'Requires=var-lib-docker.mount');
      // rkt's images are in memory otherwise, as the root of the machine is.
      t.match(
        fileOf(render(), '/opt/tinderbox/fetch-images'),
        'mount --bind /var/lib/docker/rkt /var/lib/rkt',
      );
      t.match(unitOf(render(), 'tinderbox-images.service'), '\nRequires=var-lib-docker.mount\n');
    }
  },
);

t.test("the kubelet runs in CoreOS' wrapper, by hyperkube's image and version", async (t) => {
  for (const [, render] of BOTH) {
    const config = render({ parameters: { kubernetesVersion: 'v1.17.4', imagePrefix: 'r:5000/' } });
    t.match(unitOf(config, 'kubelet.service'), '\nExecStart=/usr/lib/coreos/kubelet-wrapper \\\n');
    const environment = environmentOf(config, '/etc/kubernetes/kubelet.env');
    t.equal(environment.get('KUBELET_IMAGE_URL'), 'docker://r:5000/k8s.gcr.io/hyperkube');
    t.equal(environment.get('KUBELET_IMAGE_TAG'), 'v1.17.4');
    for (const name of ['RKT_RUN_ARGS', 'KUBELET_OPTS'])
      for (const word of environment.get(name)?.trim().split(/\s+/) ?? ['none'])
        t.match(word, /^--[a-z0-9-]+=/, name);
    // Since v1.17 /kubelet, which the wrapper starts by itself, does not start one.
    t.equal(environment.get('KUBELET_IMAGE_ARGS'), '--exec=/usr/local/bin/kubelet');
    t.match(kubeletOptions(config), [
      '--pod-manifest-path=/etc/kubernetes/manifests',
      '--tls-cert-file=/etc/kubernetes/ssl/worker.pem',
    ]);
    t.ok(kubeletOptions(config).includes('--cni-conf-dir=/etc/kubernetes/cni/net.d'));
    t.ok(kubeletOptions(config).includes('--pod-infra-container-image=r:5000/k8s.gcr.io/pause:3.2'));
    t.match(fileOf(config, '/opt/tinderbox/fetch-images'), "'k8s.gcr.io/hyperkube':'v1.17.4'");
  }
});

t.test('a kubelet is named by its address, as its certificate is', async (t) => {
  const config = worker();
  t.match(unitOf(config, 'kubelet.service'), ' \\\n  --hostname-override=10.77.0.21\n');
  t.match(unitOf(config, 'kubelet.service'), '--kubeconfig=/etc/kubernetes/worker-kubeconfig.yaml');
  t.match(parse(fileOf(config, '/etc/kubernetes/worker-kubeconfig.yaml')), {
    clusters: [
      { cluster: { server: 'https://10.77.0.10', 'certificate-authority': '/etc/kubernetes/ssl/ca.pem' } },
    ],
    users: [
      {
        name: 'system:node:10.77.0.21',
        user: {
          'client-certificate': '/etc/kubernetes/ssl/worker.pem',
          'client-key': '/etc/kubernetes/ssl/worker-key.pem',
        },
      },
    ],
  });
  t.ok(podOf(config, 'kube-proxy').command.includes('--hostname-override=10.77.0.21'));
});

t.test('controllers register unschedulable, workers do not', async (t) => {
  t.ok(kubeletOptions(controller()).includes('--register-schedulable=false'));
  t.notMatch(kubeletOptions(worker()).join(' '), 'register-schedulable');
});

t.test('unused images go early: a machine that finds no disk has them in memory', async (t) => {
  for (const [, render] of BOTH)
    for (const flag of ['--image-gc-high-threshold=70', '--image-gc-low-threshold=50'])
      t.ok(kubeletOptions(render()).includes(flag), flag);
});

t.test(
  'taints are what the kubelet registers with, in one flag: a second one would replace the first',
  async (t) => {
    const taints = [
      { key: 'role', value: 'edge-router', effect: 'NoSchedule' },
      { key: 'example.org/slow', effect: 'PreferNoSchedule' },
    ];
    for (const [, render] of BOTH) {
      const flags = kubeletOptions(render({ parameters: { taints } })).filter((flag) =>
        flag.includes('taints'),
      );
      t.strictSame(flags, [
        '--register-with-taints=role=edge-router:NoSchedule,example.org/slow=:PreferNoSchedule',
      ]);
      t.notMatch(kubeletOptions(render()).join(' '), 'taints');
    }
  },
);

t.test(
  'the ingress controller is on edge routers, at the ports of the Node, with its default backend',
  async (t) => {
    const text = fileOf(
      controller({ parameters: { imagePrefix: 'r:5000/' } }),
      '/etc/kubernetes/addons/50-ingress.yaml',
    );
    const objects = parseAllDocuments(text)
      .map(
        (one) =>
          one.toJS() as { kind: string; apiVersion: string; metadata: { name: string }; spec: object } | null,
      )
      .filter((one) => one !== null);
    // What v1.15 does not know: Ingress and IngressClass of v1, EndpointSlices, leases for electing a leader.
    t.notMatch(text, /networking\.k8s\.io\/v1\n|IngressClass|endpointslices|leases/);
    t.equal(objects[0]?.kind, 'Namespace');
    t.match(objects.find(({ kind }) => kind === 'DaemonSet')?.spec, {
      template: {
        spec: {
          hostNetwork: true,
          nodeSelector: { role: 'edge-router' },
          tolerations: [{ key: 'role', operator: 'Exists' }],
          containers: [
            {
              image: 'r:5000/quay.io/kubernetes-ingress-controller/nginx-ingress-controller:0.30.0',
              ports: [{ hostPort: 80 }, { hostPort: 443 }, { hostPort: 10254 }],
              livenessProbe: { httpGet: { port: 10254 } },
            },
          ],
        },
      },
    });
    t.match(objects.find(({ kind }) => kind === 'Deployment')?.spec, {
      template: {
        spec: {
          nodeSelector: { 'kubernetes.io/arch': 'amd64' },
          containers: [
            {
              image: 'r:5000/k8s.gcr.io/defaultbackend-amd64:1.5',
              livenessProbe: { httpGet: { port: 8080, path: '/healthz' } },
            },
          ],
        },
      },
    });
    t.match(objects.find(({ kind }) => kind === 'Service')?.spec, {
      ports: [{ port: 80, targetPort: 8080 }],
    });
    // The leader is elected by a ConfigMap that its Role names.
    const election = /--election-id=(.*)\n.*--ingress-class=(.*)\n/.exec(text);
    t.match(text, `resourceNames: [${election?.[1]}-${election?.[2]}]`);
  },
);

t.test("the cluster's networks and ports reach all who need them", async (t) => {
  const cluster = {
    ...CLUSTER,
    podNetwork: '10.20.0.0/16',
    serviceNetwork: '10.30.0.0/24',
    dnsServiceIP: '10.30.0.7',
  };
  const config = controller({ cluster });
  const api = podOf(config, 'kube-apiserver').command;
  t.ok(api.includes('--secure-port=443'));
  t.ok(api.includes('--insecure-port=0'));
  t.ok(api.includes('--authorization-mode=Node,RBAC'));
  t.ok(api.includes('--service-cluster-ip-range=10.30.0.0/24'));
  t.ok(api.includes('--advertise-address=10.77.0.10'));
  t.ok(podOf(config, 'kube-proxy').command.includes('--cluster-cidr=10.20.0.0/16'));
  t.ok(kubeletOptions(config).includes('--cluster-dns=10.30.0.7'));
  t.match(fileOf(config, '/opt/tinderbox/put-flannel-config'), "\nnetwork='10.20.0.0/16'\n");
  const documents = parseAllDocuments(fileOf(config, '/etc/kubernetes/addons/30-coredns.yaml'));
  const service = documents.map((one) => one.toJS() as { kind: string; spec?: { clusterIP?: string } });
  t.equal(service.find(({ kind }) => kind === 'Service')?.spec?.clusterIP, '10.30.0.7');
});

t.test('without an identity the machine is a host of Docker, and says so when Docker answers', async (t) => {
  for (const [name] of BOTH) {
    for (const cluster of [undefined, null]) {
      const config = renderRole(name, cluster === undefined ? {} : { cluster });
      t.notOk(
        unitsOf(config).some(({ name: unit }) => /kubelet|flannel|etcd/.test(unit)),
        name,
      );
      t.match(fileOf(config, '/opt/tinderbox/report'), 'docker version');
      t.match(unitOf(config, 'tinderbox-start.service'), 'start docker.service tinderbox-report.service');
      t.strictSame(verifyUnits(config), []);
    }
  }
});

t.test('a controller without an address is refused with what to do', async (t) => {
  const identity = sampleIdentity({ kind: 'controller', layout: 'coreos', delivery: 'issued' });
  t.throws(() => renderRole('coreos-controller', { identity }), {
    message: /a controller needs an `address:` in machines\.yaml/,
  });
});

const addons = (parameters: Parameters) =>
  [...filesOf(controller({ parameters })).keys()]
    .filter((path) => path.startsWith('/etc/kubernetes/addons/'))
    .map((path) => path.slice('/etc/kubernetes/addons/'.length));

t.test('add-ons are those that are chosen, and the watcher may do what Tinderbox does', async (t) => {
  t.strictSame(addons({}), ['10-tinderbox.yaml', '30-coredns.yaml', '50-ingress.yaml']);
  t.strictSame(addons({ ingress: 'none' }), ['10-tinderbox.yaml', '30-coredns.yaml']);
  t.strictSame(addons({ dashboard: true, networkPolicy: 'calico' }), [
    '10-tinderbox.yaml',
    '20-calico.yaml',
    '30-coredns.yaml',
    '40-dashboard.yaml',
    '50-ingress.yaml',
  ]);
  const text = fileOf(controller(), '/etc/kubernetes/addons/10-tinderbox.yaml');
  const [role, binding] = parseAllDocuments(text).map((one) => one.toJS() as object);
  t.match(role, {
    kind: 'ClusterRole',
    rules: [{ resources: ['nodes'], verbs: ['get', 'list', 'watch', 'delete'] }],
  });
  t.match(binding, { kind: 'ClusterRoleBinding', subjects: [{ kind: 'User', name: 'tinderbox' }] });
  t.match(
    fileOf(controller({ parameters: { dashboard: true } }), '/etc/kubernetes/addons/40-dashboard.yaml'),
    '9090',
  );
});

const corefile = (parameters: Parameters) =>
  fileOf(controller({ parameters }), '/etc/kubernetes/addons/30-coredns.yaml');

t.test('CoreDNS asks whom it is told, and in a rack without name servers nobody', async (t) => {
  t.match(corefile({}), /^ {6}forward \. \/etc\/resolv\.conf$/m);
  t.match(
    corefile({ upstreamDns: ['10.77.0.1', '10.77.0.2'] }),
    /^ {6}forward \. 10\.77\.0\.1 10\.77\.0\.2$/m,
  );
  t.notMatch(corefile({ upstreamDns: ['none'] }), /forward|loop\n|fallthrough|resolv\.conf/);
});

t.test(
  'add-ons are applied in order once the API answers, and again from the first where one failed',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tinderbox-addons-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    for (const name of ['30-c.yaml', '10-a.yaml', '20-b.yaml']) writeFileSync(join(folder, name), '');
    // The API answers at the third question, and refuses 20-b.yaml once.
    const kubectl = `#!/bin/bash
echo "$*" >>"${folder}/asked"
if [[ $1 == get ]]; then (($(grep -c ^get "${folder}/asked") >= 3)); exit; fi
if [[ $2 == *20-b.yaml ]]; then (($(grep -c 20-b "${folder}/asked") >= 2)); exit; fi
`;
    writeFileSync(join(folder, 'kubectl'), kubectl, { mode: 0o755 });
    const script = fileOf(controller(), '/opt/tinderbox/apply-addons');
    const env = { PATH: process.env['PATH'], KUBECTL: join(folder, 'kubectl'), ADDONS: folder, WAIT: '0' };
    const { status } = spawnSync('bash', [], { input: script, encoding: 'utf8', env });
    t.equal(status, 0);
    const asked = readFileSync(join(folder, 'asked'), 'utf8').trim().split('\n');
    const apply = (name: string) => `apply --filename=${folder}/${name}`;
    const get = 'get --raw=/healthz';
    t.strictSame(asked, [
      get,
      get,
      get,
      apply('10-a.yaml'),
      apply('20-b.yaml'),
      get,
      ...['10-a.yaml', '20-b.yaml', '30-c.yaml'].map(apply),
    ]);
  },
);

t.test('what both roles have as a parameter they explain and set alike', async (t) => {
  const own = shippedRole('coreos-worker').parameters;
  const { parameters } = shippedRole('coreos-controller');
  t.strictSame(Object.fromEntries(Object.keys(own).map((name) => [name, parameters[name]])), own);
});
