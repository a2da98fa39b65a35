import t from 'tap';
import {
  indexMachines,
  type MatchCandidate,
  matchNode,
  type NodeIdentity,
} from '../../src/boot/match-node.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { ip } from '../support/make-environment.ts';

const alice = '52:54:00:00:00:0a' as Mac;
const bob = '52:54:00:00:00:0b' as Mac;
const carol = '52:54:00:00:00:0c' as Mac;
const uuid = '4c4c4544-0042-3510-8052-b4c04f564a32';
const swapped = '44454c4c-4200-1035-8052-b4c04f564a32';

const machine = (mac: Mac, more: Partial<MatchCandidate> = {}): MatchCandidate => ({
  mac,
  addresses: [],
  ...more,
});

interface Row {
  readonly name: string;
  readonly node: NodeIdentity;
  readonly machines: readonly MatchCandidate[];
  readonly lastUser?: Mac;
  readonly mac?: Mac;
  readonly contenders?: readonly Mac[];
  /** Absent: all contenders. */
  readonly namesakes?: readonly Mac[];
  readonly reason: RegExp;
}

const rows: readonly Row[] = [
  {
    name: 'by system UUID, in any case',
    node: { name: 'whatever', systemUuid: uuid.toUpperCase() },
    machines: [machine(alice, { uuid }), machine(bob)],
    mac: alice,
    reason: /has this machine's system UUID$/,
  },
  {
    name: 'by a system UUID whose first fields are byte-swapped, and says so',
    node: { name: 'whatever', systemUuid: swapped },
    machines: [machine(alice, { uuid }), machine(bob)],
    mac: alice,
    reason: /first three fields byte-swapped/,
  },
  {
    name: 'by name, in any case',
    node: { name: 'node-1' },
    machines: [machine(alice, { hostname: 'Node-1' }), machine(bob, { hostname: 'node-2' })],
    mac: alice,
    reason: /has the hostname of this machine/,
  },
  {
    name: 'by name where the UUID is unknown, since firmware may tell DHCP another one',
    node: { name: 'node-1', systemUuid: uuid },
    machines: [machine(alice, { hostname: 'node-1', uuid: '9f2c8b1e-aaaa-4bbb-8ccc-0123456789ab' })],
    mac: alice,
    reason: /hostname/,
  },
  {
    name: 'by an address that is its name',
    node: { name: '10.77.0.20' },
    machines: [machine(alice, { addresses: [ip('10.77.0.20'), ip('10.77.0.20')] }), machine(bob)],
    mac: alice,
    reason: /has the address of this machine/,
  },
  {
    name: 'by the machine that used the address last',
    node: { name: '10.77.0.20' },
    machines: [machine(alice, { addresses: [ip('10.77.0.20')] }), machine(bob)],
    lastUser: bob,
    mac: bob,
    reason: /address/,
  },
  {
    name: 'not by a last user that does not join the cluster',
    node: { name: '10.77.0.20' },
    machines: [machine(alice, { addresses: [ip('10.77.0.20')] })],
    lastUser: bob,
    mac: alice,
    reason: /address/,
  },
  {
    name: 'by UUID and name together, where others have the UUID too',
    node: { name: 'node-2', systemUuid: uuid },
    machines: [machine(alice, { uuid, hostname: 'node-1' }), machine(bob, { uuid, hostname: 'node-2' })],
    mac: bob,
    reason: /whose system UUID 1 other\(s\) have too/,
  },
  {
    name: 'nobody, where several have its UUID',
    node: { name: 'node-9', systemUuid: uuid },
    machines: [machine(alice, { uuid }), machine(bob, { uuid: swapped })],
    contenders: [alice, bob],
    namesakes: [],
    reason: /several machines have.*: not laid to any/,
  },
  {
    name: 'nobody, where several have its name',
    node: { name: 'node-1' },
    machines: [machine(alice, { hostname: 'node-1' }), machine(bob, { hostname: 'node-1' })],
    contenders: [alice, bob],
    reason: /the hostname of several machines/,
  },
  {
    name: 'nobody, where several have its address',
    node: { name: '10.77.0.20' },
    machines: [
      machine(alice, { addresses: [ip('10.77.0.20')] }),
      machine(bob, { addresses: [ip('10.77.0.20')] }),
    ],
    contenders: [alice, bob],
    reason: /the address of several machines/,
  },
  {
    name: "nobody, where the UUID is one machine's and the name another's",
    node: { name: 'node-2', systemUuid: uuid },
    machines: [machine(alice, { uuid, hostname: 'node-1' }), machine(bob, { hostname: 'node-2' })],
    contenders: [alice, bob],
    namesakes: [bob],
    reason: /has the system UUID of 52:54:00:00:00:0a, but the hostname of 52:54:00:00:00:0b: not laid/,
  },
  {
    name: 'nobody, of those that it knows',
    node: { name: 'master-1', systemUuid: uuid },
    machines: [machine(carol, { hostname: 'node-1' })],
    reason: /none of the machines/,
  },
];

for (const { name, node, machines, lastUser, mac, contenders = [], namesakes, reason } of rows) {
  t.test(`a Node is a machine ${name}`, (t) => {
    const match = matchNode(
      node,
      indexMachines(machines, () => lastUser),
    );
    t.equal(match.mac, mac);
    t.same(match.contenders, contenders);
    t.same(match.namesakes, namesakes ?? contenders);
    t.match(match.reasons[0], reason);
    t.end();
  });
}

const untelling = [
  '',
  'Not Settable',
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
  '20202020-2020-2020-2020-202020202020',
  '03000200-0400-0500-0006-000700080009',
  '00020003-0004-0005-0006-000700080009',
  '12345678-1234-5678-90AB-CDDEEFAABBCC',
  '4c4c4544-0042-3510-8052-b4c04f564a3',
];
for (const systemUuid of untelling) {
  t.test(`a system UUID '${systemUuid}' tells nothing`, (t) => {
    const machines = [
      machine(alice, { uuid: systemUuid.toLowerCase() }),
      machine(bob, { hostname: 'node-2' }),
    ];
    const index = indexMachines(machines);
    t.equal(matchNode({ name: 'node-1', systemUuid }, index).mac, undefined);
    t.equal(
      matchNode({ name: 'node-2', systemUuid }, index).mac,
      bob,
      'and does not stand in the way of a name',
    );
    t.end();
  });
}
