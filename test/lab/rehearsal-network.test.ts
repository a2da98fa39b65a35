import t from 'tap';
import { createRehearsalNetwork, placeBeside } from '../../src/lab/rehearsal-network.ts';
import { type Ipv4, parseIpv4 } from '../../src/machine/ipv4.ts';

const at = (text: string): Ipv4 => parseIpv4(text) as Ipv4;

t.test('another DHCP server finds room beside ours, and never gives our address away', async (t) => {
  const rows = [
    ['10.77.0.1', 24, { address: '10.77.0.2/24', first: '10.77.0.3', last: '10.77.0.52' }],
    ['10.77.0.2', 24, { address: '10.77.0.1/24', first: '10.77.0.3', last: '10.77.0.52' }],
    ['10.77.0.254', 24, { address: '10.77.0.1/24', first: '10.77.0.2', last: '10.77.0.51' }],
    ['10.77.0.20', 24, { address: '10.77.0.1/24', first: '10.77.0.21', last: '10.77.0.52' }],
    ['192.168.0.2', 29, { address: '192.168.0.1/29', first: '192.168.0.3', last: '192.168.0.6' }],
    ['10.0.0.1', 8, { address: '10.0.0.2/8', first: '10.0.0.3', last: '10.0.0.52' }],
  ] as const;
  for (const [own, prefix, expected] of rows)
    t.same(placeBeside(at(own), prefix), expected, `${own}/${prefix}`);
  t.throws(() => placeBeside(at('10.0.0.1'), 30), { code: 'unavailable' });
});

t.test('the copies of interfaces have their names and addresses, and no others are there', async (t) => {
  await using network = await createRehearsalNetwork({
    interfaces: [
      { name: 'enP2p1s0', addresses: [{ address: at('10.77.0.1'), prefix: 24 }] },
      { name: 'vm_br.7', addresses: [{ address: at('10.78.0.1'), prefix: 16 }] },
    ],
    machineOn: 'enP2p1s0',
    plainDhcp: false,
  });
  const links = JSON.parse(await network.namespace.run(['ip', '-json', '-4', 'address'])) as {
    ifname: string;
    addr_info: { local: string; prefixlen: number }[];
  }[];
  t.same(
    links.map(({ ifname, addr_info: own }) => [
      ifname,
      ...own.map(({ local, prefixlen }) => `${local}/${prefixlen}`),
    ]),
    [
      ['lo', '127.0.0.1/8'],
      ['enP2p1s0', '10.77.0.1/24'],
      ['vm_br.7', '10.78.0.1/16'],
    ],
  );
});
