import t from 'tap';
import { chooseSubnet, inOneNetwork, inRanges, isHostAddress, type Subnet } from '../../src/boot/subnet.ts';
import {
  formatNetwork,
  type Ipv4Network,
  type Ipv4Range,
  parseNetwork,
  parseRange,
} from '../../src/machine/ipv4.ts';
import { ip, SUBNET } from '../support/make-environment.ts';

const subnetOf = (text: string, via: string): Subnet => ({
  ...SUBNET,
  network: parseNetwork(text) as Ipv4Network,
  via,
});
const subnets = [
  subnetOf('10.77.0.0/24', 'eth1'),
  subnetOf('10.78.0.0/24', 'relay'),
  subnetOf('10.79.0.0/24', 'eth2'),
];

t.test('the relay decides, then the address that the client has, then the interface', async (t) => {
  const rows: [string, string, string, string | undefined, RegExp][] = [
    ['0.0.0.0', '0.0.0.0', '10.77.0.1', '10.77.0.0/24', /by the interface/],
    ['10.78.0.1', '0.0.0.0', '10.77.0.1', '10.78.0.0/24', /by the relay agent's address/],
    ['10.78.0.1', '10.77.0.9', '10.77.0.1', '10.78.0.0/24', /by the relay agent's address/],
    ['0.0.0.0', '10.78.0.9', '10.77.0.1', '10.78.0.0/24', /by the client's address/],
    ['0.0.0.0', '192.0.2.9', '10.77.0.1', '10.77.0.0/24', /by the interface/],
    // Of another interface's network: it has moved.
    ['0.0.0.0', '10.79.0.9', '10.77.0.1', '10.77.0.0/24', /by the interface/],
    ['0.0.0.0', '10.79.0.9', '192.0.2.1', undefined, /no subnet.*the interface/],
    ['0.0.0.0', '10.77.0.9', '192.0.2.1', '10.77.0.0/24', /by the client's address/],
    // The first of the interface's addresses that lies in a subnet.
    ['0.0.0.0', '0.0.0.0', '192.0.2.1 10.77.0.1', '10.77.0.0/24', /by the interface/],
    ['192.0.2.1', '10.77.0.9', '10.77.0.1', undefined, /no subnet.*relay agent.*dhcp\.subnets/],
    ['0.0.0.0', '0.0.0.0', '192.0.2.1', undefined, /no subnet.*the interface.*dhcp\.subnets/],
  ];
  for (const [giaddr, ciaddr, interfaceAddresses, expected, why] of rows) {
    const { subnet, reason } = chooseSubnet(subnets, {
      giaddr: ip(giaddr),
      ciaddr: ip(ciaddr),
      via: 'eth1',
      interfaceAddresses: interfaceAddresses.split(' ').map((text) => ({ address: ip(text) })),
    });
    t.equal(subnet && formatNetwork(subnet.network), expected, `${giaddr} ${ciaddr} ${interfaceAddresses}`);
    t.match(reason, why);
  }
});

t.test('hosts have neither the first nor the last address, but in networks of two', async (t) => {
  const rows: [string, string, boolean][] = [
    ['10.77.0.0/24', '10.77.0.0', false],
    ['10.77.0.0/24', '10.77.0.1', true],
    ['10.77.0.0/24', '10.77.0.255', false],
    ['10.77.0.0/24', '10.77.1.1', false],
    ['10.77.0.0/23', '10.77.0.255', true],
    ['10.77.0.0/31', '10.77.0.0', true],
    ['10.77.0.0/31', '10.77.0.1', true],
    ['10.77.0.4/32', '10.77.0.4', true],
  ];
  for (const [network, address, host] of rows) {
    t.equal(
      isHostAddress(parseNetwork(network) as Ipv4Network, ip(address)),
      host,
      `${address} in ${network}`,
    );
  }
});

t.test('two addresses are in one network, or in different ones, or in none that is known', async (t) => {
  const rows: [string, string, boolean][] = [
    ['10.77.0.9', '10.77.0.200', true],
    ['10.77.0.9', '10.78.0.9', false],
    ['192.0.2.1', '192.0.2.2', false],
  ];
  for (const [a, b, same] of rows) t.equal(inOneNetwork(subnets)(ip(a), ip(b)), same, `${a} ${b}`);
});

t.test('an address is in any of several ranges', async (t) => {
  const ranges = ['10.77.0.10-10.77.0.19', '10.77.0.50-10.77.0.59'].map(
    (text) => parseRange(text) as Ipv4Range,
  );
  const rows: [string, boolean][] = [
    ['10.77.0.10', true],
    ['10.77.0.20', false],
    ['10.77.0.59', true],
    ['10.77.0.60', false],
  ];
  for (const [address, inside] of rows) t.equal(inRanges(ranges, ip(address)), inside, address);
  t.equal(inRanges([], ip('10.77.0.10')), false);
});
