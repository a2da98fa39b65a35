import t from 'tap';
import { resolveConfig } from '../../src/config/resolve.ts';
import { resolveSubnets, subnetOf } from '../../src/config/resolve-subnets.ts';
import { formatProblem } from '../../src/errors.ts';
import { formatIpv4, formatNetwork, formatRange, type Ipv4, parseIpv4 } from '../../src/machine/ipv4.ts';

const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
const nic = (name: string, ...addresses: string[]) => ({
  name,
  addresses: addresses.map((text) => {
    const [address, prefix] = text.split('/');
    return { address: ip(address ?? ''), prefix: Number(prefix) };
  }),
  mtu: 1500,
  up: true,
});
const LAN = nic('enp0s8', '10.77.0.1/24');

function run(dhcpText: string, interfaces = [LAN], reserved: Record<string, string> = {}) {
  const { config, problems } = resolveConfig({
    file: 't.yaml',
    content: `network: { interface: enp0s8 }\ndhcp: ${dhcpText}\n`,
    folder: '/',
    env: {},
  });
  if (config === undefined) throw new Error(problems.map(formatProblem).join('\n'));
  const reservations = Object.entries(reserved).map(([mac, address], index) => ({
    mac,
    address: ip(address),
    line: index + 2,
  }));
  const resolved = resolveSubnets(config.dhcp, {
    interfaces,
    reservations,
    configFile: 't.yaml',
    machinesFile: 'm.yaml',
  });
  return {
    subnets: resolved.subnets,
    shown: resolved.subnets.map(
      (subnet) =>
        `${formatNetwork(subnet.network)} via ${subnet.via}: ${subnet.ranges.map(formatRange).join(' ')}`,
    ),
    problems: resolved.problems.map(
      (problem) => `${problem.severity} ${formatProblem(problem).replace(/\n {4}.*/, '')}`,
    ),
  };
}

t.test('a range takes the network of the interface that it lies in', (t) => {
  const { shown, problems, subnets } = run(
    '{ mode: server, range: 10.77.0.100-10.77.0.200, router: 10.77.0.1 }',
  );
  t.same(shown, ['10.77.0.0/24 via enp0s8: 10.77.0.100-10.77.0.200']);
  t.same(problems, []);
  t.equal(subnets[0]?.ownAddress, ip('10.77.0.1'));
  t.equal(subnetOf(subnets, ip('10.77.0.9')), subnets[0]);
  t.equal(subnetOf(subnets, ip('10.78.0.9')), undefined);
  const two = run(
    '{ mode: server, subnets: [{ range: 10.78.0.10-10.78.0.20 }, { range: 10.77.0.10-10.77.0.20 }, { network: 10.80.0.0/24, range: 10.80.0.5-10.80.0.9 }] }',
    [LAN, nic('enp0s9', '10.78.0.1/24')],
  );
  t.same(two.shown, [
    '10.78.0.0/24 via enp0s9: 10.78.0.10-10.78.0.20',
    '10.77.0.0/24 via enp0s8: 10.77.0.10-10.77.0.20',
    '10.80.0.0/24 via relay: 10.80.0.5-10.80.0.9',
  ]);
  t.same(two.problems, []);
  t.end();
});

const said = (what: string) =>
  `warning t.yaml:2: the range 10.77.0.0-10.77.0.255 contains ${what}: it is left out`;

t.test('addresses that nobody may get are cut out of ranges, and said', (t) => {
  const { shown, problems } = run(
    '{ mode: server, range: 10.77.0.0-10.77.0.255, router: 10.77.0.254, dns: [10.77.0.53, 8.8.8.8] }',
  );
  t.same(shown, ['10.77.0.0/24 via enp0s8: 10.77.0.2-10.77.0.52 10.77.0.54-10.77.0.253']);
  t.same(problems, [
    said('10.77.0.1, the address of enp0s8'),
    said('10.77.0.254, the router'),
    said('10.77.0.53, a name server'),
    said('10.77.0.0, the address of the network itself'),
    said('10.77.0.255, the broadcast address'),
  ]);
  t.same(
    run('{ mode: server, range: 10.77.0.1-10.77.0.1 }').shown,
    ['10.77.0.0/24 via enp0s8: '],
    'nothing is left',
  );
  t.end();
});

t.test('what does not fit the interfaces is refused with its place', (t) => {
  const table: [string, ReturnType<typeof run>, string[]][] = [
    [
      'a range elsewhere',
      run('{ mode: server, range: 10.90.0.1-10.90.0.9 }'),
      [
        'error t.yaml:2: the range 10.90.0.1-10.90.0.9 is in no network of the provisioning interfaces (enp0s8 10.77.0.1/24)',
        'warning t.yaml:1: no addresses are given on enp0s8 (10.77.0.0/24): no range lies in its network',
      ],
    ],
    [
      'an interface without an address',
      run('{ mode: server, range: 10.77.0.5-10.77.0.9 }', [nic('enp0s8')]),
      [
        'error t.yaml:2: the range 10.77.0.5-10.77.0.9 is in no network of the provisioning interfaces (they have no IPv4 address)',
      ],
    ],
    [
      'a range that leaves',
      run('{ mode: server, range: 10.77.0.5-10.77.1.9 }'),
      [
        'error t.yaml:2: the range 10.77.0.5-10.77.1.9 leaves the network 10.77.0.0/24 of enp0s8',
        'warning t.yaml:1: no addresses are given on enp0s8 (10.77.0.0/24): no range lies in its network',
      ],
    ],
    [
      'a router elsewhere',
      run('{ mode: server, range: 10.77.0.5-10.77.0.9, router: 10.78.0.1 }'),
      [
        'error t.yaml:2: the router 10.78.0.1 is outside of the network 10.77.0.0/24 of enp0s8',
        'warning t.yaml:1: no addresses are given on enp0s8 (10.77.0.0/24): no range lies in its network',
      ],
    ],
    [
      'one network twice',
      run(
        '{ mode: server, subnets: [{ range: 10.77.0.5-10.77.0.9 }, { network: 10.77.0.0/24, range: 10.77.0.50-10.77.0.90 }] }',
      ),
      ['error t.yaml:2: two subnets are the same network: 10.77.0.0/24 and 10.77.0.0/24'],
    ],
    [
      'reservations',
      run('{ mode: server, range: 10.77.0.5-10.77.0.9, router: 10.77.0.254 }', [LAN], {
        a: '10.77.0.7',
        b: '10.99.0.1',
        c: '10.77.0.1',
        d: '10.77.0.254',
        e: '10.77.0.255',
        f: '10.77.0.0',
      }),
      [
        'error m.yaml:3: the address 10.99.0.1 of b is in none of the networks (10.77.0.0/24)',
        "error m.yaml:4: the address 10.77.0.1 of c is Tinderbox's own, on enp0s8",
        'error m.yaml:5: the address 10.77.0.254 of d is the router',
        'error m.yaml:6: the address 10.77.0.255 of e is the broadcast address',
        'error m.yaml:7: the address 10.77.0.0 of f is the address of the network itself',
      ],
    ],
  ];
  for (const [name, { problems }, expected] of table) t.same(problems, expected, name);
  t.end();
});

t.test(
  'in proxy mode every network is known, without ranges, and a stray range is no reason to refuse',
  (t) => {
    const bare = run('{ mode: proxy }', [LAN, nic('enp0s9', '10.78.0.1/16')], { a: '10.78.3.4' });
    t.same(bare.shown, ['10.77.0.0/24 via enp0s8: ', '10.78.0.0/16 via enp0s9: ']);
    t.same(bare.problems, []);
    const described = run('{ mode: proxy, router: 10.77.0.254, dns: 10.77.0.53 }');
    t.same(
      described.subnets.map((subnet) => subnet.router && formatIpv4(subnet.router)),
      ['10.77.0.254'],
    );
    t.match(run('{ mode: proxy, range: 10.90.0.1-10.90.0.9 }').problems, [/^warning t\.yaml:2: the range/]);
    t.match(run('{ mode: proxy }', [LAN], { a: '10.99.0.1' }).problems, [
      /^error m\.yaml:2: the address 10\.99\.0\.1/,
    ]);
    t.same(run('{ mode: off }', [LAN], { a: '10.99.0.1' }).problems, []);
    t.end();
  },
);
