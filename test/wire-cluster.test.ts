import t, { type Test } from 'tap';
import type { Config } from '../src/config/port.ts';
import { createLoggers } from '../src/logger.ts';
import type { Mac } from '../src/machine/mac.ts';
import type { BootSession } from '../src/machine/session.ts';
import { startClusterOn } from '../src/wire-cluster.ts';
import { makeTestCluster } from './cluster/support/start-cluster.ts';
import { ip } from './support/make-environment.ts';
import { until } from './support/until.ts';
import { alice, settled, uuid, watchCluster, worker } from './support/watch-cluster.ts';

const cluster = await makeTestCluster(t);
const setUp = (t: Test, options: Parameters<typeof watchCluster>[2] = {}) =>
  watchCluster(t, cluster, options);

t.test('a machine whose Node is Ready is ready, goes back when it is not, and comes again', async (t) => {
  const site = await setUp(t);
  const { api, journal, boot, told, stage, events, watching } = site;
  await watching();
  boot();
  api.putNode('node-1', {
    ready: false,
    systemUuid: uuid,
    bootId: 'b1',
    message: 'cni plugin not initialized',
  });
  await until(() => told().length === 1);
  t.match(events.at(-1), { kind: 'node.not-ready', sessionId: 1, reasons: [/cni plugin not initialized/] });
  t.equal(stage(), 'config', 'a Node that is not Ready takes a session nowhere');
  api.putNode('node-1', { systemUuid: uuid, bootId: 'b1' });
  await until(() => stage() === 'ready');
  t.match(journal.sessionOf(alice), { end: 'ready', bootId: 'b1' });
  const ready = events.find(({ kind }) => kind === 'node.ready');
  t.match(ready, { stage: 'ready', reasons: [/is Ready/, /came up during session 1/, /system UUID/] });
  api.putNode('node-1', {
    ready: false,
    systemUuid: uuid,
    bootId: 'b1',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
  });
  await until(() => stage() === 'booted');
  t.match(journal.sessionOf(alice), { id: 1, end: undefined });
  t.match(events.at(-1), { kind: 'node.not-ready', stage: 'booted', reasons: [/stopped posting/] });
  api.putNode('node-1', { systemUuid: uuid, bootId: 'b1' });
  await until(() => stage() === 'ready');
  t.same(told(), ['node.not-ready', 'node.ready', 'node.not-ready', 'node.ready']);
  t.equal(events.filter(({ kind }) => kind === 'session.ended').length, 2);
});

t.test('heartbeats, and reasons that differ in their numbers only, are told once', async (t) => {
  const site = await setUp(t);
  const { api, boot, told, watching } = site;
  await watching();
  boot();
  for (let second = 1; second < 10; second++) {
    const message = `PLEG is not healthy: pleg was last seen active ${second}m${second}.5s ago`;
    api.putNode('node-1', { ready: false, bootId: 'b1', message });
    await settled(site, second);
  }
  t.same(told(), ['node.not-ready']);
});

t.test('what was left of the boot before does not make the next one ready', async (t) => {
  const site = await setUp(t);
  const { api, boot, stage, record, journal, told, events, watching } = site;
  await watching();
  boot();
  api.putNode('node-1', { bootId: 'b1' });
  await until(() => stage() === 'ready');
  boot();
  t.equal(journal.sessionOf(alice)?.id, 2);
  api.putNode('node-1', { bootId: 'b1', message: 'the API server does not know yet that the power was off' });
  await settled(site);
  t.equal(stage(), 'config');
  record(alice, 'http.report', { stage: 'booted' });
  await until(() => told().length === 2);
  t.match(events.at(-1), { kind: 'node.not-ready', sessionId: 2, asked: /not of this boot/ });
  t.equal(stage(), 'booted');
  api.putNode('node-1', { bootId: 'b2' });
  await until(() => stage() === 'ready');
  t.match(journal.sessionOf(alice), { id: 2, end: 'ready', bootId: 'b2', formerBootId: 'b1' });
});

t.test('a Node that was there before any session of its machine is of an earlier boot', async (t) => {
  const site = await setUp(t);
  const { api, boot, stage, watching } = site;
  api.putNode('node-1', { bootId: 'old' });
  await watching();
  boot();
  await settled(site);
  t.equal(stage(), 'config');
});

t.test(
  'an order that the API server sees first does not matter: the configuration comes, then it counts',
  async (t) => {
    const site = await setUp(t);
    const { api, record, stage, watching } = site;
    await watching();
    record(alice, 'http.script', { client: 'script', stage: 'script', assigned: worker });
    api.putNode('node-1', { bootId: 'b1' });
    await settled(site);
    t.equal(stage(), 'script');
    record(alice, 'http.config', { stage: 'config' });
    await until(() => stage() === 'ready');
  },
);

t.test('a Node that is deleted takes its session back, and is told once', async (t) => {
  const site = await setUp(t);
  const { api, boot, stage, told, watch, watching } = site;
  await watching();
  boot();
  api.putNode('node-1', { bootId: 'b1' });
  await until(() => stage() === 'ready');
  t.equal(await watch.deleteNode('node-1'), 'deleted');
  await until(() => stage() === 'booted');
  await settled(site);
  t.same(told(), ['node.ready', 'node.deleted']);
  api.putNode('node-1', { bootId: 'b1' });
  await until(() => stage() === 'ready');
});

t.test('after a restart a session that was ready goes back when its Node is not', async (t) => {
  const session: BootSession = {
    id: 6,
    mac: alice,
    openedAt: 1,
    updatedAt: 9,
    stage: 'ready',
    stageTimes: { ready: 9 },
    hostname: 'node-1',
    lastStage: 'ready',
    bootId: 'b1',
    end: 'ready',
    endedAt: 9,
  };
  const state = {
    machines: [{ mac: alice, uuid, firstSeen: 1, lastSeen: 9, hostname: 'node-1' }],
    openSessions: [session],
    nextSessionId: 7,
  };
  const site = await setUp(t, { state, down: true });
  const { api, journal, stage, told } = site;
  await until(() => site.watch.status().state === 'unreachable');
  t.equal(stage(), 'ready', 'as long as the API server says nothing');
  api.putNode('node-1', { bootId: 'b1' });
  await api.start();
  await site.watching();
  await settled(site);
  t.same([stage(), told()], ['ready', []]);
  api.putNode('node-1', { ready: false, bootId: 'b1' });
  await until(() => stage() === 'booted');
  t.match(journal.sessionOf(alice), { id: 6, end: undefined });
});

t.test('a session whose Node went while nobody looked goes back once the Nodes were listed', async (t) => {
  const site = await setUp(t);
  const { api, boot, stage, watch, watching } = site;
  await watching();
  boot();
  api.putNode('node-1', { bootId: 'b1' });
  await until(() => stage() === 'ready');
  await api.stop();
  await until(() => watch.status().state === 'unreachable');
  t.equal(stage(), 'ready');
  api.removeNode('node-1');
  api.forgetVersions();
  await api.start();
  await until(() => stage() === 'booted');
});

t.test(
  'two machines of one name: their Node is neither, which is said, and takes nothing back',
  async (t) => {
    const site = await setUp(t);
    const { api, boot, stage, log, watching } = site;
    const bob = '52:54:00:00:00:0b' as Mac;
    await watching();
    boot();
    api.putNode('node-1', { bootId: 'b1' });
    await until(() => stage() === 'ready');
    boot(bob, worker, { mac: bob, uuid: '9f2c8b1e-aaaa-4bbb-8ccc-0123456789ab' });
    await until(() => log.some((line) => line.includes('several machines')));
    await settled(site);
    t.same([stage(alice), stage(bob)], ['ready', 'config']);
    t.equal(log.filter((line) => line.includes('several machines')).length, 1);
  },
);

t.test(
  'a Node that says the system UUID of a machine whose Node is gone does not keep that one ready',
  async (t) => {
    const site = await setUp(t);
    const { api, boot, stage, told, log, watching } = site;
    const bob = '52:54:00:00:00:0b' as Mac;
    const ofBob = '9f2c8b1e-aaaa-4bbb-8ccc-0123456789ab';
    await watching();
    boot();
    boot(bob, { ...worker, hostname: 'node-2' }, { mac: bob, uuid: ofBob });
    api.putNode('node-1', { bootId: 'b1', systemUuid: uuid });
    await until(() => stage() === 'ready');
    api.putNode('node-2', { bootId: 'b2', systemUuid: uuid });
    await settled(site);
    api.removeNode('node-1');
    await until(() => told().at(-1) === 'node.deleted');
    t.equal(stage(), 'booted');
    for (let time = 1; time < 9; time++) {
      api.putNode('node-2', { bootId: 'b2', systemUuid: time % 2 === 0 ? uuid : ofBob });
      await settled(site, time);
    }
    const lines = log.filter((line) => line.includes('has the system UUID of'));
    t.equal(lines.length, 1, 'and does not fill the log, however often it says something else');
  },
);

t.test('machines that are to be no Nodes are left alone, whatever Nodes there are', async (t) => {
  const site = await setUp(t);
  const { api, boot, stage, told, watching } = site;
  await watching();
  boot(alice, { role: 'etcd', hostname: 'node-1' });
  api.putNode('node-1', { bootId: 'b1', systemUuid: uuid });
  await settled(site);
  t.same([stage(), told()], ['config', []]);
});

t.test('the Nodes of a machine are found, by its address too, and after its role changed', async (t) => {
  const { api, boot, watch, watching, record, journal } = await setUp(t);
  await watching();
  boot(alice, { ...worker, address: ip('10.77.0.20') });
  api.putNode('10.77.0.20');
  api.putNode('else');
  await until(() => watch.nodes().size === 2);
  t.same(
    watch.nodesOf(alice).map(({ name }) => name),
    ['10.77.0.20'],
  );
  record(alice, 'dhcp.discover', { client: 'rom', stage: 'offered' });
  t.same([...journal.joiningMachines()], []);
  t.same(
    watch.nodesOf(alice).map(({ name, mayDelete }) => [name, mayDelete]),
    [['10.77.0.20', true]],
  );
  t.same(watch.nodesOf('52:54:00:00:00:99' as Mac), []);
});

t.test(
  'a Node that has only the system UUID of a machine is found, and may not be deleted for it',
  async (t) => {
    const { api, boot, watch, watching } = await setUp(t);
    const deletable = () => new Map(watch.nodesOf(alice).map(({ name, mayDelete }) => [name, mayDelete]));
    await watching();
    boot();
    api.putNode('master-1', { systemUuid: uuid });
    api.putNode('node-1', { systemUuid: uuid });
    await until(() => watch.nodes().size === 2);
    t.same(
      deletable(),
      new Map([
        ['master-1', false],
        ['node-1', true],
      ]),
    );
  },
);

t.test('thousands of machines become ready', async (t) => {
  const { api, boot, stage, watching } = await setUp(t);
  await watching();
  const macs = Array.from(
    { length: 1_500 },
    (_, index) =>
      `52:54:00:01:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}` as Mac,
  );
  for (const [index, mac] of macs.entries()) {
    boot(mac, { ...worker, hostname: `node-${index}` }, { mac, uuid: '' });
    api.putNode(`node-${index}`, { bootId: `b${index}` });
  }
  await until(() => macs.every((mac) => stage(mac) === 'ready'));
  t.pass('each with its own');
});

t.test('where no cluster is configured there is nothing to watch', async (t) => {
  const config = { file: 'tinderbox.yaml' } as unknown as Config;
  const { logger, journal } = { logger: createLoggers({ level: 'silent' }).cluster, journal: {} as never };
  const start = () =>
    startClusterOn({ config, journal, logger, now: Date.now, credentials: cluster.credentials });
  t.throws(start, { code: 'invalid-config' });
});
