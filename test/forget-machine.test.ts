import t from 'tap';
import type { Config } from '../src/config/port.ts';
import { TinderboxError } from '../src/errors.ts';
import { type ForgetDeps, forgetMachine, type NodeRemover, nodeNameOf } from '../src/forget-machine.ts';
import type { Mac } from '../src/machine/mac.ts';
import type { Role } from '../src/machine/role.ts';
import type { BootSession } from '../src/machine/session.ts';
import { ip, makeCatalog } from './support/make-environment.ts';
import { MAC } from './support/make-request.ts';
import { makeRole } from './support/make-role.ts';

const session: BootSession = {
  id: 1,
  mac: MAC,
  openedAt: 1,
  updatedAt: 1,
  stage: 'booted',
  stageTimes: {},
  hostname: 'n1',
  address: ip('10.77.0.9'),
};
const config = { cluster: {} } as unknown as Config;
const roles = new Map<string, Role>(
  [
    { ...makeRole('worker'), identity: 'worker' } as const,
    { ...makeRole('controller'), identity: 'controller' } as const,
    { ...makeRole('etcd'), identity: 'etcd' } as const,
    { ...makeRole('rescue'), identity: 'none' } as const,
    {
      ...makeRole('coreos'),
      identity: 'worker',
      credentials: { ...makeRole('coreos').credentials, nodeName: 'address' },
    } as const,
  ].map((role) => [role.name, role]),
);

t.test('a Node is named as its kubelet was told to, and not every machine is one', async (t) => {
  const rows: [string | undefined, string | undefined][] = [
    ['worker', 'n1'],
    ['controller', 'n1'],
    ['coreos', '10.77.0.9'],
    ['a role that is gone', 'n1'],
    ['etcd', undefined],
    ['rescue', undefined],
    [undefined, undefined],
  ];
  for (const [role, name] of rows) {
    const last = { ...session, ...(role === undefined ? {} : { role }) };
    t.equal(nodeNameOf(config, { roles }, last), name, role ?? 'never booted');
    t.equal(nodeNameOf({}, { roles }, last), undefined, 'no cluster');
  }
  t.equal(nodeNameOf(config, { roles }, { ...session, role: 'coreos', address: '10.77.0.8' }), '10.77.0.8');
  t.equal(nodeNameOf(config, { roles }, undefined), undefined);
});

interface World {
  readonly nodes?: readonly string[];
  /** Those that have its system UUID only. */
  readonly unproven?: readonly string[];
  readonly synced?: boolean;
  readonly holder?: Mac;
  readonly deleteNode?: NodeRemover['deleteNode'];
  /** No cluster is watched. */
  readonly blind?: boolean;
}

/** Forgets a machine that last booted as the worker n1, in a world without files. */
async function forget(world: World) {
  const calls: string[] = [];
  const note =
    <T>(what: string, value: T) =>
    async (): Promise<T> => {
      calls.push(what);
      return value;
    };
  const deps: ForgetDeps = {
    config,
    interfaces: [],
    catalog: { current: () => makeCatalog([], { roles }), reload: note('reload', undefined) },
    store: {
      findMachine: async () => ({
        machine: { mac: MAC, firstSeen: 1, lastSeen: 1 },
        session: { ...session, role: 'worker' },
      }),
    },
    journal: {
      flush: note('flush', undefined),
      forget: note('forget', true),
      hostnameHolder: () => world.holder ?? MAC,
    },
    admissions: { giveBack: note('give back', true) },
    once: { renew: note('what it booted once', false) },
    cluster:
      world.blind === true
        ? undefined
        : {
            nodesOf: () =>
              (world.nodes ?? []).map((name) => ({
                name,
                ready: true,
                reason: '',
                addresses: [],
                mayDelete: world.unproven?.includes(name) !== true,
              })),
            deleteNode: world.deleteNode ?? (async () => 'deleted'),
            status: () => ({ state: 'watching', since: 1, synced: world.synced ?? true, nodes: 1 }),
          },
  };
  return { ...(await forgetMachine(deps, MAC)), calls };
}

t.test('Nodes that are the machine are deleted; what cannot be is told with the command', async (t) => {
  const OTHER = '52:54:00:00:00:02' as Mac;
  const left = { name: 'n1', state: 'left', command: 'kubectl delete node n1' };
  const rows: [string, World, readonly object[]][] = [
    ['no cluster is watched', { blind: true }, [left]],
    ['none watched, and another machine has the name by now', { blind: true, holder: OTHER }, []],
    ['the API server was never reached', { synced: false }, [left]],
    ['the cluster has no Node of it', {}, []],
    [
      'an orphan of a former name too',
      { nodes: ['n1', 'old'] },
      [
        { name: 'n1', state: 'deleted' },
        { name: 'old', state: 'deleted' },
      ],
    ],
    [
      'one that only says that it has the UUID of this machine',
      { nodes: ['n1', 'master-1'], unproven: ['master-1'] },
      [
        { name: 'n1', state: 'deleted' },
        {
          name: 'master-1',
          state: 'left',
          command: 'kubectl delete node master-1',
          problem: `Node master-1 has the system UUID of ${MAC}, but not a name of its own: see that it is that machine first`,
        },
      ],
    ],
    [
      'gone meanwhile',
      { nodes: ['n1'], deleteNode: async () => 'absent' },
      [{ name: 'n1', state: 'absent' }],
    ],
    [
      'not allowed',
      {
        nodes: ['n1'],
        deleteNode: () => Promise.reject(new TinderboxError('refused', 'the API server says no')),
      },
      [{ ...left, problem: 'the API server says no' }],
    ],
  ];
  for (const [name, world, nodes] of rows) {
    const { calls, ...forgotten } = await forget(world);
    t.same(forgotten, { mac: MAC, entry: false, place: true, history: 'forgotten', nodes }, name);
    t.same(
      calls,
      ['reload', 'flush', 'give back', 'what it booted once', 'forget'],
      `${name}: the file first, history last`,
    );
  }
});
