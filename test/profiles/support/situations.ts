import { KEY_DELIVERIES, type KeyDelivery } from '../../../src/machine/identity.ts';
import type { Parameters, Role } from '../../../src/machine/role.ts';
import type { RenderOptions } from './render-role.ts';
import { sampleIdentity } from './sample-identity.ts';

const FIXED = { address: '10.77.0.21', prefix: 24, gateway: '10.77.0.1', dns: ['10.77.0.1', '10.77.0.2'] };
const withParameters = (parameters: Parameters): RenderOptions => ({ parameters });

const MACHINES: readonly [string, RenderOptions][] = [
  ['a plain machine', {}],
  ['a machine with a fixed address', { machine: FIXED }],
  ['a fixed address without router or name server', { machine: { ...FIXED, gateway: '', dns: [] } }],
  ['a fixed address in a network that nobody knows', { machine: { ...FIXED, prefix: 0 } }],
  [
    'a machine that says nothing of itself',
    { machine: { uuid: '', serial: '', arch: '', manufacturer: '', product: '' } },
  ],
  ['a MAC of digits below 60', { machine: { mac: '52:54:00:12:34:56' } }],
  ['hostile facts', { machine: { serial: '"\n- x: y', manufacturer: `'; reboot; '`, product: '{{x}} #' } }],
  ['no disk', withParameters({ disk: 'none' })],
  ['a host that is installed', withParameters({ disk: 'host' })],
  ['a chosen disk', withParameters({ disk: '/dev/disk/by-id/x' })],
  [
    'users and keys',
    withParameters({
      sshAuthorizedKeys: ['ssh-ed25519 AAAA a@b'],
      users: [{ name: 'ada', groups: ['sudo'], sshAuthorizedKeys: ['k: "v" #'] }, { name: 'bob' }],
    }),
  ],
  [
    'mirror and proxy',
    withParameters({
      registryMirror: 'http://10.77.0.1:5000',
      proxy: "http://u:p%40'@proxy:3128",
      noProxy: '10.0.0.0/8,.local',
    }),
  ],
  [
    'labels and taints',
    withParameters({
      labels: { rack: 'r7', 'example.org/zone': 'a' },
      taints: [{ key: 'a', value: 'b', effect: 'NoSchedule' }],
    }),
  ],
  [
    'settings',
    withParameters({
      sysctl: { 'vm.max_map_count': 262144 },
      kubernetesVersion: 'v1.35.1',
      greeting: 'a: "b"\n#c',
    }),
  ],
];

/** Others find a controller by its address, so that it has one and is among those that are known. */
const SELF = { hostname: 'node-123456', address: FIXED.address };
const KNOWN = {
  controllers: [SELF],
  etcd: [SELF],
  etcdEndpoints: [`https://${SELF.address}:2379`],
};

function machinesOf(role: Role): readonly (readonly [string, RenderOptions])[] {
  if (role.identity !== 'controller') return MACHINES;
  return MACHINES.map(([what, options]): readonly [string, RenderOptions] => [
    what,
    { ...options, cluster: KNOWN, machine: { ...FIXED, ...options.machine } },
  ]);
}

/** Machines and parameters that a role must come through, as nobody yet and, if it has an identity, as a member. */
export function situationsOf(role: Role): readonly (readonly [string, RenderOptions])[] {
  const strangers = MACHINES.map(([what, options]) => [what, options] as const);
  if (role.identity === 'none') return [...strangers, ['no cluster', { cluster: null }]];
  const { layout, nodeName, delivery } = role.credentials;
  const machines = machinesOf(role);
  const member = (
    [what, options]: (typeof machines)[number],
    way: KeyDelivery,
    released: boolean,
  ): readonly [string, RenderOptions] => {
    const { address = FIXED.address } = options.machine ?? {};
    const named = nodeName === 'address' ? { nodeName: address } : {};
    const sample = { kind: role.identity, delivery: way, layout, released, address, ...named };
    return [
      `${what}, keys ${way}${released ? '' : ' and gone'}`,
      { ...options, identity: sampleIdentity(sample) },
    ];
  };
  const others = KEY_DELIVERIES.flatMap((way) => [true, false].map((released) => ({ way, released }))).filter(
    ({ way, released }) => way !== delivery || !released,
  );
  return [
    ...strangers,
    ['no cluster', { cluster: null }],
    ...machines.map((machine) => member(machine, delivery, true)),
    ...others.flatMap(({ way, released }) =>
      machines.slice(0, 2).map((machine) => member(machine, way, released)),
    ),
  ];
}
