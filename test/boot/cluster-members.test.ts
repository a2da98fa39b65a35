import t from 'tap';
import { clusterMembers } from '../../src/boot/cluster-members.ts';
import { type Mac, parseMac } from '../../src/machine/mac.ts';
import type { Catalog, MachineEntry } from '../../src/machine/role.ts';
import { ip } from '../support/make-environment.ts';
import { makeRole } from '../support/make-role.ts';

function catalogOf(...entries: readonly Partial<MachineEntry>[]): Catalog {
  return {
    roles: new Map(
      (['worker', 'controller', 'etcd'] as const).map((identity) => [
        identity,
        { ...makeRole(identity), identity },
      ]),
    ),
    machines: new Map(
      entries.map((entry, index) => {
        const mac = parseMac(`52:54:00:00:00:0${index}`) as Mac;
        return [mac, { mac, parameters: {}, line: index + 2, ...entry }];
      }),
    ),
    hostnames: new Map(),
    rules: [{ match: {}, role: 'controller', parameters: {}, line: 20 }],
    defaultRole: null,
    file: 'machines.yaml',
    generation: 1,
  };
}

const NOBODY = { controllers: [], etcd: [] };

t.test('members are those that an entry or tinderbox.yaml names, by hostname', async (t) => {
  const catalog = catalogOf(
    { role: 'controller', hostname: 'm-2', address: ip('10.77.0.12') },
    { role: 'controller', hostname: 'M-1', address: ip('10.77.0.11') },
    { role: 'controller', hostname: 'm-3' },
    { role: 'controller', address: ip('10.77.0.13') },
    { hostname: 'm-4', address: ip('10.77.0.14') },
    { role: 'worker', hostname: 'w-1', address: ip('10.77.0.21') },
  );
  const machines = [
    { hostname: 'm-1', address: ip('10.77.0.11') },
    { hostname: 'm-2', address: ip('10.77.0.12') },
  ];
  t.same(clusterMembers(NOBODY, catalog), { controllers: machines, etcd: machines });
  const host = { hostname: 'a-1', address: ip('10.77.0.1') };
  const store = { hostname: 'e-1', address: ip('10.77.0.31') };
  t.same(clusterMembers({ controllers: [host], etcd: [store] }, catalog), {
    controllers: [host, ...machines],
    etcd: [store],
  });
  t.same(clusterMembers(NOBODY, catalog).controllers, machines, 'other settings, other members');
});

t.test('they are found once for a catalog, and anew for the next one', async (t) => {
  const before = catalogOf();
  t.equal(clusterMembers(NOBODY, before), clusterMembers(NOBODY, before));
  const after = catalogOf({ role: 'etcd', hostname: 'e-1', address: ip('10.77.0.31') });
  t.same(clusterMembers(NOBODY, after).etcd, [{ hostname: 'e-1', address: ip('10.77.0.31') }]);
  t.same(clusterMembers(NOBODY, before).etcd, []);
});
