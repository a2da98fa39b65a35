import t from 'tap';
import type { Parameters } from '../../src/machine/role.ts';
import { type CloudConfig, fileOf, filesOf, unitOf, unitsOf } from './support/cloud-config.ts';
import {
  BOTH,
  CLUSTER,
  controller,
  dropIn,
  environmentOf,
  podOf,
  settingsOf,
  worker,
} from './support/render-coreos.ts';
import { renderRole } from './support/render-role.ts';
import { sampleIdentity } from './support/sample-identity.ts';

/** The files that the kubelet reads of how pods are connected, with their paths. */
const networks = (config: CloudConfig) =>
  [...filesOf(config)].filter(([path]) => path.startsWith('/etc/kubernetes/cni/net.d/'));

t.test(
  'a worker gets nothing that opens etcd: its own flannel is let in by the certificate of the node',
  async (t) => {
    const config = worker();
    t.strictSame(
      [...filesOf(config).keys()].filter((path) => path.startsWith('/etc/kubernetes/ssl/')).toSorted(),
      ['ca', 'kube-proxy-key', 'kube-proxy', 'worker-key', 'worker'].map(
        (name) => `/etc/kubernetes/ssl/${name}.pem`,
      ),
    );
    t.notMatch(JSON.stringify(config), /:2379|etcd-ca|etcd2/);
  },
);

t.test("flannel's files, drop-ins and etcd are those of the guides", async (t) => {
  for (const [name, render] of BOTH) {
    const config = render();
    const options = environmentOf(config, '/etc/flannel/options.env');
    const address = name === 'coreos-worker' ? '10.77.0.21' : '10.77.0.10';
    t.equal(options.get('FLANNELD_IFACE'), address);
    t.equal(options.get('FLANNELD_ETCD_ENDPOINTS'), 'https://10.77.0.10:4001,https://10.77.0.11:4001');
    t.equal(options.get('FLANNELD_ETCD_CAFILE'), '/etc/kubernetes/ssl/ca.pem');
    t.match(
      dropIn(config, 'flanneld.service', '40-ExecStartPre-symlink.conf'),
      /^\[Service\]\nExecStartPre=\/usr\/bin\/ln -sf \/etc\/flannel\/options\.env \/run\/flannel\/options\.env\n$/,
    );
    t.match(
      dropIn(config, 'docker.service', '40-flannel.conf'),
      /^\[Unit\]\nRequires=flanneld\.service\nAfter=flanneld\.service\n/,
    );
    // What coreos-cloudinit writes to /run/flannel/options.env before the link is there says the same.
    const { interface: iface, ...rest } = settingsOf(config, 'flannel');
    t.equal(iface, options.get('FLANNELD_IFACE'));
    for (const [key, value] of Object.entries(rest))
      t.equal(value, options.get(`FLANNELD_${key.toUpperCase()}`), key);
    // Docker's own bridge would be in the same network as that of the pods.
    t.match(fileOf(config, '/etc/kubernetes/cni/docker_opts_cni.env'), /^DOCKER_OPT_BIP=""$/m);
  }
});

t.test('a reserved address is the one that flannel takes, whatever the Node is called', async (t) => {
  const identity = sampleIdentity({
    kind: 'worker',
    layout: 'coreos',
    delivery: 'issued',
    nodeName: 'node-1',
  });
  const config = renderRole('coreos-worker', { identity, machine: { address: '10.77.0.22', prefix: 24 } });
  t.equal(environmentOf(config, '/etc/flannel/options.env').get('FLANNELD_IFACE'), '10.77.0.22');
  t.match(unitOf(config, 'kubelet.service'), '--hostname-override=node-1\n');
});

t.test(
  'a controller puts the network of the pods where flannel looks, and only where there is none',
  async (t) => {
    const script = fileOf(controller(), '/opt/tinderbox/put-flannel-config');
    t.match(script, "\npath='/coreos.com/network'/config\n");
    t.match(script, "\nnetwork='10.2.0.0/16'\n");
    t.match(script, '{"Network":"\'$network\'","Backend":{"Type":"vxlan"}}');
    t.match(script, 'prevExist=false');
    t.match(script, "<<<'https://10.77.0.10:4001'");
    t.notOk(filesOf(worker()).has('/opt/tinderbox/put-flannel-config'));
  },
);

t.test(
  'etcd speaks TLS alone, on 2379 and 2380, and asks everybody for a certificate of its authority',
  async (t) => {
    const etcd2 = settingsOf(controller(), 'etcd2');
    t.match(etcd2, {
      name: 'master-1',
      listen_client_urls: 'https://10.77.0.10:2379,https://127.0.0.1:2379',
      listen_peer_urls: 'https://10.77.0.10:2380',
      initial_cluster: 'master-1=https://10.77.0.10:2380,master-2=https://10.77.0.11:2380',
      initial_cluster_state: 'new',
      client_cert_auth: true,
      peer_client_cert_auth: true,
      trusted_ca_file: '/etc/kubernetes/ssl/etcd-ca.pem',
      peer_trusted_ca_file: '/etc/kubernetes/ssl/etcd-ca.pem',
    });
    t.notMatch(JSON.stringify(etcd2), 'http:');
    const flannel = fileOf(controller(), '/etc/flannel/etcd.env');
    t.notMatch(flannel, 'http:');
    t.match(flannel, '\nETCD_CLIENT_CERT_AUTH=true\n');
    t.match(flannel, '\nETCD_PEER_CLIENT_CERT_AUTH=true\n');
    t.match(flannel, 'ETCD_NAME=master-1\n');
  },
);

t.test("where other machines are Kubernetes' etcd, a controller runs flannel's alone", async (t) => {
  const etcd = [{ hostname: 'etcd-1', address: '10.77.0.31' }];
  const config = controller({ cluster: { ...CLUSTER, etcd, etcdEndpoints: ['https://10.77.0.31:2379'] } });
  t.notOk('etcd2' in (config.coreos ?? {}));
  t.notOk(unitsOf(config).some(({ name }) => name === 'etcd2.service'));
  t.notMatch(unitOf(config, 'flannel-etcd.service'), 'etcd2');
  t.match(unitOf(controller(), 'flannel-etcd.service'), '\nWants=etcd2.service\n');
  t.ok(podOf(config, 'kube-apiserver').command.includes('--etcd-servers=https://10.77.0.31:2379'));
});

t.test('pods are connected by flannel alone, or by Calico where policy is its matter', async (t) => {
  for (const [, render] of BOTH) {
    const [[path, alone] = ['', ''], ...others] = networks(render());
    t.strictSame(others, []);
    t.match(path, /10-flannel\.conf$/);
    t.strictSame(JSON.parse(alone), {
      name: 'podnet',
      type: 'flannel',
      delegate: { isDefaultGateway: true },
    });
    t.notOk(unitsOf(render()).some(({ name }) => name === 'calico-node.service'));

    const policed = render({ parameters: { networkPolicy: 'calico' } });
    const [[calicoPath, delegating] = ['', ''], ...more] = networks(policed);
    t.strictSame(more, []);
    t.match(calicoPath, /10-calico\.conf$/);
    const nodename = /--hostname-override=(\S+)/.exec(unitOf(policed, 'kubelet.service'))?.[1];
    t.match(JSON.parse(delegating), {
      name: 'calico',
      type: 'flannel',
      delegate: {
        type: 'calico',
        datastore_type: 'kubernetes',
        nodename,
        policy: { type: 'k8s' },
        kubernetes: { kubeconfig: '/etc/kubernetes/worker-kubeconfig.yaml' },
      },
    });
    t.notMatch(delegating, 'etcd');
    t.match(unitOf(policed, 'calico-node.service'), `--env=NODENAME=${nodename} `);
    t.match(unitOf(policed, 'kubelet.service'), 'tinderbox-plugins.service');
  }
});

t.test('a proxy is for downloads: flannel and etcd do not ask it for their neighbours', async (t) => {
  for (const [, render] of BOTH) {
    const config = render({ parameters: { proxy: 'http://p:1' } });
    t.match(unitOf(config, 'tinderbox-images.service'), '\nEnvironmentFile=/etc/tinderbox/proxy.env\n');
    t.match(
      dropIn(config, 'docker.service', '10-tinderbox.conf'),
      '\nEnvironmentFile=/etc/tinderbox/proxy.env\n',
    );
    t.notMatch(dropIn(config, 'flanneld.service', '10-tinderbox.conf'), 'proxy');
    for (const name of ['etcd2.service', 'flannel-etcd.service', 'kubelet.service'])
      t.notMatch(unitOf(config, name), 'proxy.env', name);
  }
});

t.test('registries of your own, and this server, are not asked of the proxy', async (t) => {
  for (const [, render] of BOTH) {
    const noProxy = (parameters: Parameters) =>
      environmentOf(
        render({ parameters: { proxy: 'http://p:1', ...parameters } }),
        '/etc/tinderbox/proxy.env',
      )
        .get('NO_PROXY')
        ?.split(',')
        .slice(0, -5);
    const here = ['localhost', '127.0.0.1', '10.77.0.1'];
    t.strictSame(noProxy({}), here);
    t.strictSame(noProxy({ imagePrefix: 'r.rack:5000/mirror/' }), [...here, 'r.rack']);
    t.strictSame(noProxy({ imagePrefix: '10.9.0.1:5000/', insecureRegistries: ['10.9.0.1:5000', 's:80'] }), [
      ...here,
      '10.9.0.1',
      '10.9.0.1',
      's',
    ]);
  }
});
