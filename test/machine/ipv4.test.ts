import fc from 'fast-check';
import t from 'tap';
import {
  broadcastOf,
  formatIpv4,
  formatNetwork,
  formatRange,
  type Ipv4,
  ipv4FromBytes,
  ipv4ToBytes,
  netmask,
  networkContains,
  networkOf,
  parseIpv4,
  parseNetwork,
  parseRange,
  rangeContains,
} from '../../src/machine/ipv4.ts';

const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;

t.test('a dotted quad is read as it is written', async (t) => {
  for (const text of ['0.0.0.0', '10.77.0.1', '127.0.0.1', '192.168.255.254', '255.255.255.255']) {
    t.equal(formatIpv4(ip(text)), text);
  }
  t.equal(ip('255.255.255.255'), 0xffffffff, 'unsigned');
  // inet_aton would read most of these; one of them as octal.
  const others = [
    '',
    '10.77.0',
    '10.77.0.0.1',
    '10.77.0.256',
    '010.77.0.1',
    '10.77.0.-1',
    '0x0a.1.1.1',
    '1',
    '::1',
  ];
  for (const text of others) t.equal(parseIpv4(text), undefined, text);
});

t.test('text, bytes and number say the same of every address', async () => {
  const address = fc.integer({ min: 0, max: 0xffffffff });
  fc.assert(
    fc.property(address, (value) => {
      const bytes = ipv4ToBytes(value as Ipv4);
      return parseIpv4(formatIpv4(value as Ipv4)) === value && ipv4FromBytes(bytes) === value;
    }),
  );
});

t.test('an address is read at an offset, and not past the end', async (t) => {
  t.equal(formatIpv4(ipv4FromBytes(Uint8Array.of(9, 10, 77, 0, 1), 1)), '10.77.0.1');
  t.throws(() => ipv4FromBytes(Uint8Array.of(9, 10, 77, 0, 1), 2), RangeError);
});

t.test('a network has a mask, a broadcast address and no host bits', async (t) => {
  const masks: [number, string][] = [
    [0, '0.0.0.0'],
    [1, '128.0.0.0'],
    [8, '255.0.0.0'],
    [24, '255.255.255.0'],
    [31, '255.255.255.254'],
    [32, '255.255.255.255'],
  ];
  for (const [prefix, mask] of masks) t.equal(formatIpv4(netmask(prefix)), mask);
  t.equal(formatNetwork(networkOf(ip('10.77.3.200'), 22)), '10.77.0.0/22');
  t.equal(formatIpv4(broadcastOf(networkOf(ip('10.77.3.200'), 22))), '10.77.3.255');
  for (const text of ['10.77.0.0/24', '0.0.0.0/0', '10.77.0.1/32', '192.168.0.0/16']) {
    const network = parseNetwork(text);
    t.equal(network && formatNetwork(network), text);
  }
  const others = [
    '10.77.0.0',
    '10.77.0.1/24',
    '10.77.0.0/33',
    '10.77.0.0/-1',
    '10.77.0.0/',
    '10.77.0.0/24/8',
    'x/24',
  ];
  for (const text of others) t.equal(parseNetwork(text), undefined, text);
});

t.test('a network holds its own addresses and no others, also above 127', async (t) => {
  const rows: [string, string, boolean][] = [
    ['10.77.0.0/24', '10.77.0.255', true],
    ['10.77.0.0/24', '10.77.1.0', false],
    ['192.168.0.0/16', '192.168.200.1', true],
    ['192.168.0.0/16', '192.169.0.0', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['224.0.0.0/4', '239.1.2.3', true],
    ['10.0.0.5/32', '10.0.0.4', false],
  ];
  for (const [network, address, holds] of rows) {
    const parsed = parseNetwork(network);
    t.equal(parsed && networkContains(parsed, ip(address)), holds, `${address} in ${network}`);
  }
});

t.test('a range has both its ends, the right way round', async (t) => {
  const range = parseRange('10.77.0.100 - 10.77.0.102');
  t.equal(range && formatRange(range), '10.77.0.100-10.77.0.102');
  const inside = ['10.77.0.99', '10.77.0.100', '10.77.0.102', '10.77.0.103'].map(
    (address) => range && rangeContains(range, ip(address)),
  );
  t.same(inside, [false, true, true, false]);
  t.ok(parseRange('127.255.255.255-128.0.0.0'), 'numbers are compared without a sign');
  t.ok(parseRange('10.0.0.1-10.0.0.1'));
  for (const text of ['10.0.0.2-10.0.0.1', '10.0.0.1', '10.0.0.1-', '10.0.0.1-10.0.0.2-10.0.0.3', 'a-b']) {
    t.equal(parseRange(text), undefined, text);
  }
});
