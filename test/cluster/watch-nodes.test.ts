import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import type { ClusterCredentials, NodeState } from '../../src/cluster/port.ts';
import { createNodeWatcher, type NodeWatcherOptions } from '../../src/cluster/watch-nodes.ts';
import { TinderboxError } from '../../src/errors.ts';
import { createLoggers } from '../../src/logger.ts';
import { entitlement } from '../pki/support/make-cluster.ts';
import type { ApiServer } from '../support/api-server.ts';
import { until } from '../support/until.ts';
import { makeTestCluster } from './support/start-cluster.ts';

const cluster = await makeTestCluster(t);
const foreign = await makeTestCluster(t);

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly remedy?: string;
}

/** A watcher that waits for nothing between two tries, but remembers for how long it would have. */
function watch(t: Test, api: Pick<ApiServer, 'url'>, options: Partial<NodeWatcherOptions> = {}) {
  const pauses: number[] = [];
  const changes: [string, NodeState | undefined][] = [];
  const log: Line[] = [];
  const sink = {
    write: (line: string) => void log.push(JSON.parse(line)),
  } as unknown as NodeJS.WritableStream;
  const watcher = createNodeWatcher({
    apiServer: api.url,
    credentials: cluster.credentials,
    changed: (name, node) => changes.push([name, node]),
    logger: createLoggers({ destination: sink }).cluster,
    clock: Date.now,
    random: () => 1,
    async pause(ms, signal) {
      pauses.push(ms);
      await new Promise((resolve) => setTimeout(resolve, 5));
      signal.throwIfAborted();
    },
    ...options,
  });
  t.teardown(() => watcher.stop());
  watcher.start();
  const names = () => [...watcher.nodes().keys()].toSorted();
  return { watcher, pauses, changes, log, names, state: () => watcher.status().state };
}

t.test('Nodes are listed, then followed as they come, change and go', async (t) => {
  const api = await cluster.startApi(t);
  api.putNode('node-1', { systemUuid: 'AA', bootId: 'b1', message: 'fine' });
  const { watcher, names, changes, state, log } = watch(t, api);
  await until(() => state() === 'watching');
  t.same(watcher.nodes().get('node-1'), {
    name: 'node-1',
    ready: true,
    reason: 'KubeletReady: fine',
    systemUuid: 'AA',
    bootId: 'b1',
    addresses: ['10.77.0.20'],
    version: api.node('node-1')?.metadata.resourceVersion,
  });
  api.putNode('node-2', { ready: false });
  await until(() => names().length === 2);
  t.match(watcher.nodes().get('node-2'), { ready: false, reason: /^KubeletNotReady: container runtime/ });
  api.putNode('node-2');
  await until(() => watcher.nodes().get('node-2')?.ready);
  api.removeNode('node-1');
  await until(() => names().length === 1);
  t.same(changes.at(-1), ['node-1', undefined]);
  t.match(watcher.status(), { state: 'watching', synced: true, nodes: 1, problem: undefined });
  t.same(
    log.map(({ msg }) => msg),
    ['watching the Nodes of the cluster'],
  );
});

t.test('a heartbeat that says nothing new is no change', async (t) => {
  const api = await cluster.startApi(t);
  const { changes, state } = watch(t, api);
  await until(() => state() === 'watching');
  for (let beat = 0; beat < 20; beat++) api.putNode('node-1');
  api.putNode('node-2');
  await until(() => changes.some(([name]) => name === 'node-2'));
  t.equal(changes.length, 2);
});

t.test(
  'an API server that is down at the start is found when it is up, with one line for each',
  async (t) => {
    const api = await cluster.startApi(t);
    await api.stop();
    const { pauses, log, state, names, watcher } = watch(t, api);
    await until(() => pauses.length > 8);
    t.match(watcher.status(), { state: 'unreachable', synced: false, problem: { message: /ECONNREFUSED/ } });
    t.same(
      pauses.slice(0, 9),
      [1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => seconds * 1000),
    );
    t.equal(log.length, 1);
    t.match(log[0], { level: 30, msg: /does not answer.*ECONNREFUSED/ }, 'which is normal, and no warning');
    await api.start();
    api.putNode('node-1');
    await until(() => state() === 'watching' && names().length === 1);
    t.equal(log.length, 2);
  },
);

t.test(
  'an API server that goes down in the middle leaves the Nodes known, and what changed is caught up on',
  async (t) => {
    const api = await cluster.startApi(t);
    api.putNode('node-1');
    api.putNode('node-2');
    const { watcher, pauses, log, state, names, changes } = watch(t, api);
    await until(() => state() === 'watching' && api.watches() === 1);
    await api.stop();
    await until(() => state() === 'unreachable');
    const tries = pauses.length;
    await until(() => pauses.length > tries + 3);
    t.same(names(), ['node-1', 'node-2'], 'nothing is known of them, so nothing is said');
    t.equal(changes.length, 2);
    api.removeNode('node-1');
    api.putNode('node-2', { ready: false });
    await api.start();
    await until(() => state() === 'watching' && watcher.nodes().get('node-2')?.ready === false);
    t.same(names(), ['node-2']);
    t.equal(log.length, 3, 'watching, away, watching');
    t.equal(
      api.requests.filter((line) => line.includes('limit=')).length,
      1,
      'the watch went on where it ended',
    );
  },
);

t.test('a watch that breaks goes on quietly where it was', async (t) => {
  const api = await cluster.startApi(t);
  const { log, state, names } = watch(t, api);
  await until(() => state() === 'watching' && api.watches() === 1);
  for (const round of [1, 2, 3]) {
    const before = api.requests.length;
    api.breakWatches();
    api.putNode(`node-${round}`);
    await until(() => api.requests.length > before && names().length === round);
  }
  t.equal(log.length, 1);
  t.equal(api.requests.filter((line) => line.includes('limit=')).length, 1);
});

for (const [how, forget] of [
  ['in the stream', (api: ApiServer) => api.expireWatches()],
  [
    'as a status',
    (api: ApiServer) => {
      api.forgetVersions();
      api.breakWatches();
    },
  ],
] as const) {
  t.test(`a version that the API server forgot (410 ${how}) means a new list`, async (t) => {
    const api = await cluster.startApi(t);
    api.putNode('old');
    const { names, log, state } = watch(t, api);
    await until(() => state() === 'watching' && api.watches() === 1);
    api.removeNode('old');
    api.putNode('new');
    forget(api);
    await until(() => api.requests.filter((line) => line.includes('limit=')).length === 2);
    await until(() => names().join() === 'new');
    t.equal(log.length, 1, 'and no word');
  });
}

t.test('bookmarks take the version on', async (t) => {
  const api = await cluster.startApi(t);
  const { state, names } = watch(t, api);
  await until(() => state() === 'watching' && api.watches() === 1);
  api.forgetVersions();
  api.bookmark();
  api.putNode('node-1');
  await until(() => names().length === 1);
  api.breakWatches();
  api.putNode('node-2');
  await until(() => names().length === 2);
  t.equal(api.requests.filter((line) => line.includes('limit=')).length, 1);
});

t.test('thousands of Nodes come in pages, and no more are kept than there is room for', async (t) => {
  const api = await cluster.startApi(t);
  for (let number = 0; number < 3_000; number++) api.putNode(`node-${number}`);
  const { watcher, state, names } = watch(t, api);
  await until(() => state() === 'watching');
  t.equal(watcher.status().nodes, 3_000);
  t.equal(api.requests.filter((line) => line.includes('limit=')).length, 12);
  for (let number = 0; number < 3_000; number += 2) api.removeNode(`node-${number}`);
  await until(() => names().length === 1_500);
  const bounded = watch(t, api, { maxNodes: 300 });
  await until(() => bounded.state() === 'watching');
  api.putNode('one-more');
  await until(() => names().includes('one-more'));
  t.equal(bounded.watcher.status().nodes, 300);
  t.match(bounded.log[0], { level: 40, msg: /more Nodes than/ });
});

const refusals: readonly {
  readonly name: string;
  readonly options?: { readonly rejectInHandshake: boolean };
  readonly credentials: () => Promise<ClusterCredentials>;
  readonly state: 'refused' | 'unreachable';
  readonly message: RegExp;
  readonly remedy: RegExp;
}[] = [
  {
    name: 'an API server with a certificate of another authority',
    credentials: foreign.credentials,
    state: 'refused',
    message: /not from the cluster's authority/,
    remedy: /tinderbox ca import/,
  },
  {
    name: "an API server that does not know our certificate's authority",
    options: { rejectInHandshake: false },
    credentials: async () => ({
      ...(await foreign.credentials()),
      caPem: (await cluster.credentials()).caPem,
    }),
    state: 'refused',
    message: /does not know the authority.*401.*Unauthorized/,
    remedy: /--client-ca-file.*tinderbox ca import/,
  },
  {
    name: 'one in front of it that closes the connection of a certificate that it does not know',
    credentials: async () => ({
      ...(await foreign.credentials()),
      caPem: (await cluster.credentials()).caPem,
    }),
    state: 'unreachable',
    message: /does not answer/,
    remedy: /may not accept Tinderbox's certificate/,
  },
  {
    name: 'an API server that lets us see no Nodes',
    async credentials() {
      const node = await cluster.authorities.issue(entitlement('node'));
      // Somebody has to give the right; that it is another certificate here takes its end.
      return { ...node, caPem: cluster.authorities.trustOf('kubernetes'), notAfter: Date.now() };
    },
    state: 'refused',
    message: /403.*cannot list resource/,
    remedy: /ClusterRole with get, list, watch and delete/,
  },
  {
    name: 'a certificate that cannot be made',
    credentials: async () => {
      throw new TinderboxError('expired', 'the authority kubernetes has expired', { remedy: 'Renew it.' });
    },
    state: 'refused',
    message: /has expired/,
    remedy: /Renew it/,
  },
];

for (const { name, options, credentials, state, message, remedy } of refusals) {
  t.test(`${name}: it is said once with what to do, and tried until it is mended`, async (t) => {
    const api = await cluster.startApi(t, options);
    let mended = false;
    const watched = watch(t, api, { credentials: () => (mended ? cluster.credentials() : credentials()) });
    const { watcher, log, pauses } = watched;
    await until(() => pauses.length > 4);
    t.match(watcher.status(), { state, problem: { message, remedy } });
    t.equal(log.length, 1);
    t.match(log[0], { level: state === 'refused' ? 40 : 30, msg: message, remedy });
    if (state === 'unreachable') return;
    mended = true;
    await until(() => watched.state() === 'watching');
    t.equal(log.length, 2);
  });
}

t.test('the certificate is renewed before it ends, and not before that is near', async (t) => {
  const api = await cluster.startApi(t);
  let now = 1_000_000;
  let asked = 0;
  const { state, names } = watch(t, api, {
    clock: () => now,
    credentials: async () => {
      asked++;
      return { ...(await cluster.credentials()), notAfter: now + 1_000_000 };
    },
  });
  await until(() => state() === 'watching' && api.watches() === 1);
  const again = async (name: string) => {
    api.breakWatches();
    api.putNode(name);
    await until(() => names().includes(name) && api.watches() === 1);
  };
  now += 790_000;
  await again('node-1');
  t.equal(asked, 1);
  now += 20_000;
  await again('node-2');
  t.equal(asked, 2);
  t.equal(api.connections(), 1, 'the connection with the former certificate is closed');
  const timeouts = api.requests.flatMap((line) => /timeoutSeconds=(\d+)/.exec(line)?.[1] ?? []);
  t.same([timeouts[0], timeouts[1]], ['300', '10'], 'no watch outlasts its certificate');
});

const nonsense: readonly (readonly [string, string, RegExp])[] = [
  ['what is no JSON', 'hello\n', /cannot be read/],
  ['JSON that is no object', '7\n', /cannot be read/],
  ['a line without end', 'x'.repeat(5 * 1024 * 1024), /longer than/],
];
for (const [name, text, message] of nonsense) {
  t.test(`${name} in a watch ends it, and the Nodes are listed anew`, async (t) => {
    const api = await cluster.startApi(t);
    const { state, log } = watch(t, api);
    await until(() => state() === 'watching' && api.watches() === 1);
    api.writeToWatches(text);
    await until(() => api.requests.filter((line) => line.includes('limit=')).length === 2);
    await until(() => state() === 'watching');
    t.match(log[1], { msg: message });
  });
}

t.test('objects that are no Nodes are passed over', async (t) => {
  const api = await cluster.startApi(t);
  const { state, names } = watch(t, api);
  await until(() => state() === 'watching' && api.watches() === 1);
  for (const object of ['{}', '{"metadata":{"name":5}}', 'null', '[]', '{"metadata":{"name":""}}']) {
    api.writeToWatches(`{"type":"ADDED","object":${object}}\n`);
  }
  api.writeToWatches('{"type":"ADDED","object":{"metadata":{"name":"bare"},"status":{"conditions":7}}}\n\n');
  await until(() => names().length > 0);
  t.same(names(), ['bare']);
});

t.test('a Node is deleted, and one that is not there is absent', async (t) => {
  const api = await cluster.startApi(t);
  api.putNode('node-1');
  const { watcher, state } = watch(t, api);
  await until(() => state() === 'watching');
  t.equal(await watcher.deleteNode('node-1'), 'deleted');
  t.equal(await watcher.deleteNode('node-1'), 'absent');
  await until(() => watcher.nodes().size === 0);
  for (const name of ['', '.', '..', 'a/b', 'A', 'x'.repeat(254), 'a b', '?watch=1']) {
    await t.rejects(watcher.deleteNode(name), { code: 'usage' }, name);
  }
  await api.stop();
  await until(() => state() === 'unreachable');
  await t.rejects(watcher.deleteNode('node-1'), {
    code: 'unavailable',
    remedy: /kubectl delete node node-1/,
  });
});

t.test('a Node is deleted as it was seen, and not once it was written again', async (t) => {
  const api = await cluster.startApi(t);
  api.putNode('node-1');
  const { watcher, state, changes } = watch(t, api);
  await until(() => state() === 'watching');
  const version = () => watcher.nodes().get('node-1')?.version;
  const first = version();
  api.putNode('node-1');
  await t.rejects(watcher.deleteNode('node-1', first), { code: 'busy', message: /written meanwhile/ });
  t.ok(api.node('node-1'));
  await until(() => version() !== first);
  t.equal(changes.length, 1, 'what is new is the version alone');
  t.equal(await watcher.deleteNode('node-1', version()), 'deleted');
});

t.test('a Node that we may not delete is refused', async (t) => {
  const api = await cluster.startApi(t);
  const node = await cluster.authorities.issue(entitlement('node'));
  const credentials = async () => ({ ...node, caPem: cluster.authorities.trustOf('kubernetes') });
  const { watcher } = watch(t, api, { credentials });
  await t.rejects(watcher.deleteNode('node-1'), { code: 'refused', remedy: /ClusterRole/ });
});

t.test('a watcher that is stopped while it connects is stopped', async (t) => {
  // Takes connections and never says a word, as a host behind a broken firewall.
  const sockets = new Set<{ destroy(): unknown }>();
  const silent = createServer((socket) => {
    sockets.add(socket);
    socket.resume();
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.teardown(() => silent.close());
  const { port } = silent.address() as { port: number };
  const times = { connectTime: 3_600_000 };
  const { watcher, log, changes } = watch(t, { url: `https://127.0.0.1:${port}` }, { times });
  await until(() => sockets.size === 1);
  await watcher.stop();
  await until(() => sockets.size === 0);
  t.equal(watcher.status().state, 'stopped');
  t.same([log, changes], [[], []]);
  await t.rejects(watcher.deleteNode('node-1'), { code: 'unavailable' });
});

t.test('a watcher that is stopped while its certificate is made is stopped', async (t) => {
  const api = await cluster.startApi(t);
  const made = Promise.withResolvers<void>();
  let asked = false;
  const credentials = async () => {
    asked = true;
    await made.promise;
    return cluster.credentials();
  };
  const { watcher } = watch(t, api, { credentials });
  await until(() => asked);
  await watcher.stop();
  made.resolve();
  const { watcher: other } = watch(t, api);
  await other.stop();
  await watcher.stop();
  t.equal(api.requests.length, 0);
  t.equal(api.connections(), 0);
});

t.test('a watcher that is stopped leaves no connection, also where it waits for its next try', async (t) => {
  const api = await cluster.startApi(t);
  const { watcher, state } = watch(t, api);
  await until(() => state() === 'watching' && api.watches() === 1);
  await watcher.stop();
  await until(() => api.connections() === 0);
  await api.stop();
  const trying = createNodeWatcher({
    apiServer: api.url,
    credentials: cluster.credentials,
    changed: () => undefined,
    logger: createLoggers({ level: 'silent' }).cluster,
    clock: Date.now,
  });
  trying.start();
  await until(() => trying.status().state === 'unreachable');
  await trying.stop();
  t.equal(trying.status().state, 'stopped');
});

t.test('a change that cannot be used does not end the watch', async (t) => {
  const api = await cluster.startApi(t);
  const { state, names, log } = watch(t, api, {
    changed() {
      throw new Error('the journal is broken');
    },
  });
  await until(() => state() === 'watching' && api.watches() === 1);
  api.putNode('node-1');
  api.putNode('node-2');
  await until(() => names().length === 2);
  t.match(log.at(-1), { level: 50, msg: /could not be used/ });
});

t.test('neither key nor certificate is ever in the log', async (t) => {
  const api = await cluster.startApi(t);
  await api.stop();
  const { log, pauses } = watch(t, api);
  await until(() => pauses.length > 1);
  t.notMatch(JSON.stringify(log), /BEGIN|PRIVATE/);
});
