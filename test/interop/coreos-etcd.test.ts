import t from 'tap';
import { type CoreosMachine, makeCoreosCluster } from './support/coreos-controllers.ts';

const WANTED = '{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan"}}';
const KEY = '/v2/keys/coreos.com/network/config';

/** The script waits for etcd by itself. */
const put = (machine: CoreosMachine) =>
  machine.namespace.run([machine.at('/opt/tinderbox/put-flannel-config')]);

/** With a pair of files in /etc/kubernetes/ssl, as flanneld, kubelet or API server would ask. */
function ask(machine: CoreosMachine, pair: string, authority: string, ...more: readonly string[]) {
  const ssl = (name: string) => machine.at(`/etc/kubernetes/ssl/${name}.pem`);
  return machine.namespace.run([
    'curl',
    '--http1.1',
    '--silent',
    '--show-error',
    '--fail',
    '--max-time',
    '20',
    ...(authority === '' ? ['--insecure'] : ['--cacert', ssl(authority)]),
    ...(pair === '' ? [] : ['--cert', ssl(pair), '--key', ssl(`${pair}-key`)]),
    ...more,
  ]);
}

t.test(
  'flannel of a worker gets to its own etcd with the certificate of the node, and to no other',
  async (t) => {
    await using cluster = await makeCoreosCluster();
    const { controllers, worker } = cluster;
    const [first, second] = controllers as [(typeof controllers)[number], (typeof controllers)[number]];
    for (const controller of controllers)
      for (const etcd of ['etcd2', 'flannel-etcd'] as const) controller.start(etcd);

    try {
      // In this order only where etcd was ready for both at once: it tries until it has them.
      const said = await put(first);
      t.match(said, 'put into API v2\n');
      t.match(said, 'put into API v3\n');
    } catch (thrown) {
      t.comment(first.said());
      throw thrown;
    }
    t.match(await put(second), /API v2 has one already\n.*API v3 has one already\n/);

    const flannel = `https://${second.address}:4001`;
    const kubernetes = `https://${first.address}:2379`;
    await t.test('what flanneld reads and writes', async (t) => {
      const config = JSON.parse(await ask(worker, 'worker', 'ca', `${flannel}${KEY}`)) as {
        node: { value: string };
      };
      t.equal(config.node.value, WANTED);
      const lease = `${flannel}/v2/keys/coreos.com/network/subnets/10.2.7.0-24`;
      t.match(
        await ask(worker, 'worker', 'ca', '--request', 'PUT', '--data', 'value=x', lease),
        '"action":"set"',
      );
    });

    await t.test("the API server's etcd answers the API server", async (t) => {
      const range = ['--data', '{"key":"YQ=="}', `${kubernetes}/v3/kv/range`];
      t.match(await ask(first, 'apiserver-etcd-client', 'etcd-ca', ...range), '"header"');
      t.match(await ask(second, 'apiserver-etcd-client', 'etcd-ca', ...range), '"header"');
    });

    const refused: readonly [string, string, string][] = [
      ["a node's certificate at Kubernetes' etcd", 'worker', `${kubernetes}/v2/keys/`],
      ["kube-proxy's", 'kube-proxy', `${kubernetes}/v2/keys/`],
      ["none at Kubernetes' etcd", '', `${kubernetes}/v2/keys/`],
      ["none at flannel's etcd", '', `${flannel}/v2/keys/`],
      ["a node's at a peer of flannel's", 'worker', `https://${first.address}:7001/members`],
      ["a node's at a peer of Kubernetes'", 'worker', `https://${first.address}:2380/members`],
    ];
    for (const [what, pair, url] of refused) {
      // Answered by an alert of TLS, whatever the client thinks of the server.
      await t.rejects(ask(worker, pair, '', url), { message: /ended with (35|56): / }, what);
    }
    const members = (url: string) => ask(first, 'etcd-peer', 'etcd-ca', `${url}/members`);
    t.match(
      await members(`https://${second.address}:7001`),
      '"name":"master-1"',
      'peers have the certificates of peers',
    );
  },
);
