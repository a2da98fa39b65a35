import t from 'tap';
import { listInventory, type SeenMachine } from '../../src/boot/list-inventory.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { Role } from '../../src/machine/role.ts';
import { ip, makeCatalog } from '../support/make-environment.ts';
import { makeRole } from '../support/make-role.ts';

const mac = (last: string): Mac => `52:54:00:00:00:${last}` as Mac;
const roles = new Map<string, Role>([
  ['worker', { ...makeRole('worker'), identity: 'worker' as const }],
  ['controller', { ...makeRole('controller'), identity: 'controller' as const }],
]);
const SETTINGS = {
  name: 'lab',
  apiServer: 'https://k8s.example.org:6443',
  podNetwork: '10.2.0.0/16',
  serviceNetwork: '10.3.0.0/24',
  dnsServiceIP: '10.3.0.10',
  dnsDomain: 'cluster.local',
  controllers: [],
  etcd: [],
};
const entry = (last: string, more: object = {}) => ({ mac: mac(last), parameters: {}, line: 1, ...more });

t.test('a machine that was never seen is listed with what is meant for it', async (t) => {
  const catalog = makeCatalog(
    [entry('01', { role: 'worker', hostname: 'Node-1', address: ip('10.77.0.20') })],
    { roles },
  );
  t.same(listInventory(catalog, SETTINGS, []), {
    hosts: [
      {
        hostname: 'node-1',
        address: ip('10.77.0.20'),
        mac: mac('01'),
        role: 'worker',
        identity: 'worker',
        etcd: false,
      },
    ],
    notes: [],
  });
});

t.test('what was seen fills in an address, and a reservation wins over it', async (t) => {
  const catalog = makeCatalog(
    [
      entry('01', { role: 'worker', hostname: 'a', address: ip('10.77.0.20') }),
      entry('02', { role: 'worker', hostname: 'b' }),
    ],
    { roles },
  );
  const seen: SeenMachine[] = [
    { facts: { mac: mac('01'), address: ip('10.77.0.101'), arch: 'x86_64' } },
    { facts: { mac: mac('02'), address: ip('10.77.0.102') } },
  ];
  t.match(listInventory(catalog, SETTINGS, seen).hosts, [
    { hostname: 'a', address: ip('10.77.0.20'), arch: 'x86_64' },
    { hostname: 'b', address: ip('10.77.0.102') },
  ]);
});

t.test('a machine without an entry counts by what it booted, one that never booted does not', async (t) => {
  const catalog = makeCatalog([], { roles, defaultRole: 'worker' });
  const seen: SeenMachine[] = [
    { facts: { mac: mac('01'), address: ip('10.77.0.101') }, role: 'worker', hostname: 'node-000001' },
    { facts: { mac: mac('02') } },
  ];
  const { hosts, notes } = listInventory(catalog, SETTINGS, seen);
  t.match(hosts, [{ hostname: 'node-000001', role: 'worker' }]);
  t.same(notes, [`${mac('02')} is left out: it has no role`]);
});

t.test(
  'members of etcd are the controllers, where nobody is told to be one; a host in both files is one',
  async (t) => {
    const catalog = makeCatalog(
      [entry('01', { role: 'controller', hostname: 'master-1', address: ip('10.77.0.10') })],
      { roles },
    );
    const controllers = [
      { hostname: 'master-0', address: ip('10.77.0.9') },
      { hostname: 'master-1', address: ip('10.77.0.10') },
    ];
    const { hosts, notes } = listInventory(catalog, { ...SETTINGS, controllers }, []);
    t.match(hosts, [
      { hostname: 'master-0', mac: undefined, identity: 'controller', etcd: true },
      { hostname: 'master-1', mac: mac('01'), role: 'controller', identity: 'controller', etcd: true },
    ]);
    t.same(notes, []);
    const etcd = [{ hostname: 'etcd-1', address: ip('10.77.0.5') }];
    t.match(listInventory(catalog, { ...SETTINGS, controllers, etcd }, []).hosts, [
      { hostname: 'etcd-1', identity: 'etcd', etcd: true },
      { hostname: 'master-0', etcd: false },
      { hostname: 'master-1', etcd: false },
    ]);
  },
);

t.test('of two machines with one hostname the second is left out, and both are named', async (t) => {
  const catalog = makeCatalog([entry('01', { role: 'worker', hostname: 'a', address: ip('10.77.0.20') })], {
    roles,
  });
  const seen: SeenMachine[] = [{ facts: { mac: mac('02') }, role: 'worker', hostname: 'a' }];
  const { hosts, notes } = listInventory(catalog, undefined, seen);
  t.equal(hosts.length, 1);
  t.same(notes, [`${mac('02')} is left out: ${mac('01')} has its hostname a`]);
});
