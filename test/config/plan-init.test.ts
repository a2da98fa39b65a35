import t from 'tap';
import { planSubnets, strayRouters } from '../../src/config/plan-init.ts';
import {
  formatIpv4,
  formatRange,
  type Ipv4,
  type Ipv4Range,
  parseIpv4,
  parseRange,
} from '../../src/machine/ipv4.ts';

const address = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
const range = (text: string): Ipv4Range => parseRange(text) as Ipv4Range;
const port = (name: string, own?: string) => ({
  name,
  addresses: own === undefined ? [] : [{ address: address(own), prefix: 24 }],
  mtu: 1500,
  up: true,
});
const plan = (...[interfaces, wished]: Parameters<typeof planSubnets>) =>
  planSubnets(interfaces, wished).map((subnet) =>
    [formatRange(subnet.range), ...(subnet.router === undefined ? [] : [formatIpv4(subnet.router)])].join(
      ' ',
    ),
  );
const none = { ranges: [], routers: [], others: [] };

t.test('each interface gets a range of its own network, and the router that lies in it', async (t) => {
  const two = [port('eth1', '10.77.0.1'), port('eth2', '10.78.0.150')];
  t.same(plan(two, none), ['10.77.0.100-10.77.0.200', '10.78.0.100-10.78.0.149']);
  const wished = { ranges: [range('10.78.0.10-10.78.0.20')], routers: [address('10.78.0.254')], others: [] };
  t.same(plan(two, wished), ['10.77.0.100-10.77.0.200', '10.78.0.10-10.78.0.20 10.78.0.254']);
});

t.test('what other hosts have is not suggested', async (t) => {
  const wished = { ranges: [], routers: [address('10.77.0.110')], others: [address('10.77.0.190')] };
  t.same(plan([port('eth1', '10.77.0.1')], wished), ['10.77.0.111-10.77.0.189 10.77.0.110']);
});

t.test('a range that lies nowhere is kept for the check to complain of', async (t) => {
  const wished = { ...none, ranges: [range('10.99.0.1-10.99.0.9')] };
  t.same(plan([port('eth1')], wished), ['10.99.0.1-10.99.0.9']);
});

t.test('a router in no network is told apart', async (t) => {
  const interfaces = [port('eth1', '10.77.0.1')];
  t.same(strayRouters(interfaces, [address('10.77.0.254'), address('10.78.0.1')]), [address('10.78.0.1')]);
});
