import t, { type Test } from 'tap';
import type { Mac } from '../src/machine/mac.ts';
import type { BootSession, NodeRegistration } from '../src/machine/session.ts';
import type { Observation } from '../src/store/port.ts';
import { makeTestCluster } from './cluster/support/start-cluster.ts';
import { ip } from './support/make-environment.ts';
import { until } from './support/until.ts';
import { alice, type Site, settled, uuid, watchCluster, worker } from './support/watch-cluster.ts';

const cluster = await makeTestCluster(t);
const setUp = (t: Test, options: Parameters<typeof watchCluster>[2] = {}) =>
  watchCluster(t, cluster, options);
const bob = '52:54:00:00:00:0b' as Mac;

type Assigned = NonNullable<Observation['assigned']>;

function as(role: string, more: Partial<NodeRegistration> = {}, hostname = 'node-1'): Assigned {
  return { ...worker, role, hostname, registration: { role, nodeName: hostname, marks: 'm', ...more } };
}

async function becomesReady({ api, boot, stage }: Site, bootId: string, assigned: Assigned): Promise<void> {
  boot(alice, assigned);
  api.putNode(assigned.registration?.nodeName ?? '', { bootId, systemUuid: uuid });
  await until(() => stage() === 'ready');
}

const deletions = ({ api }: Site) => api.requests.filter((line) => line.includes(' DELETE '));
const ofNodes = ({ events }: Site, mac: Mac = alice) =>
  events.filter((event) => event.mac === mac && ['node.deleted', 'node.left'].includes(event.kind));

t.test('the Node of a machine whose role changed is gone before its kubelet registers', async (t) => {
  const site = await setUp(t);
  const { api, record, journal, stage, told } = site;
  await site.watching();
  await becomesReady(site, 'b1', as('worker'));
  record(alice, 'dhcp.discover', { client: 'rom', stage: 'offered' });
  record(alice, 'http.script', { client: 'script', stage: 'script', assigned: as('edge-router') });
  await settled(site);
  t.ok(api.node('node-1'), 'until its configuration is handed out, the kubelet of before may still run');
  record(alice, 'http.config', { stage: 'config' });
  await until(() => api.node('node-1') === undefined);
  await until(() => ofNodes(site).length > 0);
  t.match(ofNodes(site), [
    {
      kind: 'node.deleted',
      sessionId: 2,
      asked: /node-1 .*was deleted/,
      reasons: [/was worker and is edge-router now/, /does not apply labels/, /boot before/],
    },
  ]);
  t.equal(journal.sessionOf(alice)?.formerRegistration, undefined);
  record(alice, 'http.config');
  record(alice, 'http.csr');
  api.putNode('node-1', { bootId: 'b2', systemUuid: uuid });
  await until(() => stage() === 'ready');
  record(alice, 'http.csr');
  await settled(site, 1);
  t.same([deletions(site).length, told()], [1, ['node.ready', 'node.deleted', 'node.ready']]);
  site.boot(alice, as('edge-router'));
  await settled(site, 2);
  t.equal(deletions(site).length, 1, 'and the next boot as the same keeps its Node');
});

t.test('what makes a Node be replaced', async (t) => {
  const rows: readonly (readonly [string, Assigned, RegExp | undefined])[] = [
    ['nothing new', as('worker'), undefined],
    ['other labels', as('worker', { marks: 'n' }), /labels or taints/],
    ['another hostname', as('worker', {}, 'node-7'), /was called node-1 and is called node-7/],
    [
      'a member of etcd',
      { role: 'etcd', hostname: 'node-1', registration: { role: 'etcd', marks: '' } },
      /is etcd/,
    ],
    ['a rescue system, and back', { role: 'rescue', hostname: 'node-1' }, undefined],
  ];
  for (const [name, assigned, why] of rows) {
    await t.test(name, async (t) => {
      const site = await setUp(t);
      const { api, boot } = site;
      await site.watching();
      await becomesReady(site, 'b1', as('worker'));
      boot(alice, assigned);
      if (why === undefined) {
        await settled(site);
        boot(alice, as('worker'));
        await settled(site, 1);
        t.ok(api.node('node-1'));
        t.same(ofNodes(site), []);
        return;
      }
      await until(() => ofNodes(site).length > 0);
      t.equal(api.node('node-1'), undefined);
      t.match(ofNodes(site), [{ kind: 'node.deleted', reasons: [why] }]);
    });
  }
});

t.test(
  'a Node of another name is the machine by the name that it had, whatever it says of its hardware or not',
  async (t) => {
    for (const systemUuid of [uuid, '']) {
      const site = await setUp(t);
      await site.watching();
      await becomesReady(site, 'b1', as('worker'));
      if (systemUuid === '') site.api.putNode('node-1', { bootId: 'b1' });
      site.boot(alice, as('worker', {}, 'node-7'));
      await until(() => site.api.node('node-1') === undefined);
    }
    t.pass('both are deleted');
  },
);

const named = (address: string): Assigned => ({
  ...as('coreos-worker', { nodeName: address }),
  address: ip(address),
});

t.test('a kubelet that is named by an address leaves the Node of its former one', async (t) => {
  const site = await setUp(t);
  await site.watching();
  await becomesReady(site, 'b1', named('10.77.0.20'));
  site.api.putNode('10.77.0.20', { bootId: 'b1' });
  site.boot(alice, named('10.77.0.21'));
  await until(() => site.api.node('10.77.0.20') === undefined);
  await until(() => ofNodes(site).length > 0);
  t.match(ofNodes(site), [{ kind: 'node.deleted' }]);
});

t.test("what is not this machine's is left alone", async (t) => {
  const others: readonly (readonly [string, (site: Site) => void])[] = [
    [
      'a Node of a name that the machine never had only says that it is its hardware',
      ({ api }) => {
        api.putNode('node-3', { bootId: 'b1', systemUuid: uuid });
        api.putNode('node-1', { bootId: 'b1', systemUuid: '9f2c8b1e-aaaa-4bbb-8ccc-0123456789ab' });
      },
    ],
    [
      'another machine boots under the former name',
      ({ boot }) => boot(bob, as('worker'), { mac: bob, uuid: '9f2c8b1e-aaaa-4bbb-8ccc-0123456789ab' }),
    ],
    [
      'another machine waits under the former name, and has got no script yet',
      ({ journal }) =>
        void journal.record({
          at: 1,
          kind: 'http.script',
          mac: bob,
          client: 'script',
          outcome: 'refused',
          asked: '',
          answered: '',
          reasons: [],
          assigned: { role: 'etcd', hostname: 'node-1' },
        }),
    ],
    [
      'a machine that nobody here knows has taken the former name',
      ({ api }) =>
        api.putNode('node-1', { bootId: 'b1', systemUuid: '9f2c8b1e-aaaa-4bbb-8ccc-0123456789ab' }),
    ],
  ];
  for (const [name, happens] of others) {
    await t.test(name, async (t) => {
      const site = await setUp(t);
      const { api, record } = site;
      await site.watching();
      await becomesReady(site, 'b1', as('worker'));
      api.putNode('node-1', { bootId: 'b1' });
      record(alice, 'dhcp.discover', { client: 'rom', stage: 'offered' });
      record(alice, 'http.script', {
        client: 'script',
        stage: 'script',
        assigned: as('worker', {}, 'node-7'),
      });
      happens(site);
      record(alice, 'http.config', { stage: 'config' });
      await settled(site);
      await settled(site, 1);
      t.same([deletions(site), ofNodes(site)], [[], []]);
      t.ok(api.node('node-1'));
    });
  }
});

t.test('a kubelet that was sooner keeps its Node', async (t) => {
  const site = await setUp(t);
  const { api, boot, stage } = site;
  await site.watching();
  await becomesReady(site, 'b1', as('worker'));
  await api.stop();
  await until(() => site.watch.status().state === 'unreachable');
  boot(alice, as('edge-router'));
  await until(() => ofNodes(site).length > 0);
  api.putNode('node-1', { bootId: 'b2', systemUuid: uuid });
  await api.start();
  await until(() => stage() === 'ready');
  await settled(site);
  t.same(deletions(site), []);
  t.match(ofNodes(site), [{ kind: 'node.left' }]);
});

t.test('while the API server is away, the command is told once, and the boot goes on', async (t) => {
  const site = await setUp(t);
  const { api, boot, record, stage, journal } = site;
  await site.watching();
  await becomesReady(site, 'b1', as('worker'));
  await api.stop();
  await until(() => site.watch.status().state === 'unreachable');
  boot(alice, as('edge-router'));
  await until(() => ofNodes(site).length > 0);
  record(alice, 'http.csr');
  record(alice, 'http.report', { stage: 'booted' });
  t.equal(stage(), 'booted');
  await until(() => site.told().includes('node.not-ready'));
  t.match(journal.sessionOf(alice), { formerRegistration: { role: 'worker', left: true } });
  api.putNode('node-1', { bootId: 'b1', systemUuid: uuid, ready: false });
  await api.start();
  await until(() => api.node('node-1') === undefined);
  await until(() => ofNodes(site).length === 2);
  t.match(ofNodes(site), [
    {
      kind: 'node.left',
      outcome: 'failed',
      reasons: [
        /was worker/,
        /does not answer/,
        /keeps its old labels/,
        'kubectl delete node node-1',
        /reboot/,
      ],
    },
    { kind: 'node.deleted' },
  ]);
});

t.test('a Node that could not be deleted is remembered for as long as it is there', async (t) => {
  const site = await setUp(t);
  const { api, boot, journal } = site;
  await site.watching();
  await becomesReady(site, 'b1', as('worker'));
  await api.stop();
  await until(() => site.watch.status().state === 'unreachable');
  boot(alice, as('edge-router'));
  await until(() => ofNodes(site).length > 0);
  boot(alice, as('worker'));
  t.match(journal.sessionOf(alice), { id: 3, formerRegistration: { role: 'worker', left: true } });
  await api.start();
  await site.watching();
  await settled(site);
  t.ok(api.node('node-1'), 'it is worker again, as its Node says');
  boot(alice, as('edge-router'));
  await until(() => ofNodes(site).at(-1)?.sessionId === 5);
  t.match(ofNodes(site).at(-1), { kind: 'node.deleted' });
  t.equal(api.node('node-1'), undefined);
});

t.test('who may not delete Nodes is told the command, after a few tries', async (t) => {
  const site = await setUp(t, { mayDelete: false });
  const { record } = site;
  await site.watching();
  await becomesReady(site, 'b1', as('worker'));
  site.boot(alice, as('edge-router'));
  await until(() => ofNodes(site).length > 0);
  for (let i = 0; i < 8; i++) {
    record(alice, 'http.csr');
    await settled(site, i);
  }
  t.match(ofNodes(site), [
    { kind: 'node.left', reasons: [/was worker/, /./, /./, 'kubectl delete node node-1'] },
  ]);
  t.equal(deletions(site).length, 3);
});

t.test('a daemon that was restarted meanwhile replaces the Node all the same', async (t) => {
  const session: BootSession = {
    id: 6,
    mac: alice,
    openedAt: 1,
    updatedAt: 9,
    stage: 'config',
    stageTimes: { config: 9 },
    hostname: 'node-1',
    role: 'edge-router',
    lastStage: 'ready',
    formerBootId: 'b1',
    registration: { role: 'edge-router', nodeName: 'node-1', marks: 'm' },
    formerRegistration: { role: 'worker', nodeName: 'node-1', marks: 'm' },
  };
  const state = {
    machines: [{ mac: alice, uuid, firstSeen: 1, lastSeen: 9, hostname: 'node-1' }],
    openSessions: [session],
    nextSessionId: 7,
  };
  const site = await setUp(t, { state, down: true });
  site.api.putNode('node-1', { bootId: 'b1', systemUuid: uuid });
  await site.api.start();
  await until(() => site.api.node('node-1') === undefined);
  await until(() => ofNodes(site).at(-1)?.kind === 'node.deleted');
  t.equal(ofNodes(site).at(-1)?.sessionId, 6);
});

t.test('a hall that changes its role at once', async (t) => {
  const site = await setUp(t);
  const { api, boot, stage } = site;
  await site.watching();
  const macs = Array.from({ length: 60 }, (_, index) => `52:54:00:01:00:${index + 10}` as Mac);
  for (const [index, mac] of macs.entries()) {
    boot(mac, as('worker', {}, `hall-${index}`), { mac, uuid: '' });
    api.putNode(`hall-${index}`, { bootId: `b${index}` });
  }
  await until(() => macs.every((mac) => stage(mac) === 'ready'));
  for (const [index, mac] of macs.entries())
    boot(mac, as('edge-router', {}, `hall-${index}`), { mac, uuid: '' });
  await until(() => macs.every((_, index) => api.node(`hall-${index}`) === undefined));
  t.equal(deletions(site).length, macs.length);
});
