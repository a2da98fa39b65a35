import t from 'tap';
import { type Ipv4, parseIpv4, parseNetwork, parseRange } from '../src/machine/ipv4.ts';
import type { Catalog } from '../src/machine/role.ts';
import { poolsOf } from '../src/wire-metrics.ts';
import { SUBNET } from './support/make-environment.ts';

const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
const network = parseNetwork('10.77.0.0/24');
const ranges = ['10.77.0.10-10.77.0.19', '10.77.0.30-10.77.0.30'].map(parseRange);
if (network === undefined || ranges.some((range) => range === undefined))
  throw new Error('a slip of this test');

const CASES: readonly {
  readonly what: string;
  readonly held?: readonly string[];
  readonly own?: readonly string[];
  readonly reserved?: readonly string[];
  readonly size: number;
  readonly free: number;
}[] = [
  { what: 'nobody has one', size: 11, free: 11 },
  { what: 'both ends are given', held: ['10.77.0.10', '10.77.0.19', '10.77.0.30'], size: 11, free: 8 },
  { what: 'what lies outside', held: ['10.77.0.9', '10.77.0.20'], own: ['10.77.0.1'], size: 11, free: 11 },
  {
    what: 'reserved, and used',
    held: ['10.77.0.12'],
    reserved: ['10.77.0.12', '10.77.0.13'],
    size: 9,
    free: 9,
  },
  { what: 'an address of our own', own: ['10.77.0.11'], size: 10, free: 10 },
];

t.test('a pool is as large as its ranges without what nobody else gets', (t) => {
  for (const { what, held = [], own = [], reserved = [], size, free } of CASES) {
    const pools = poolsOf(
      {
        catalog: { current: () => ({}) as Catalog },
        networks: () => ({
          subnets: [{ ...SUBNET, network, ranges: ranges.filter((range) => range !== undefined) }],
          ownAddresses: new Set(own.map(ip)),
        }),
        leases: { held: () => held.map(ip) },
      },
      () => new Set(reserved.map(ip)),
    );
    t.same(pools, [{ subnet: '10.77.0.0/24', size, free }], what);
  }
  t.end();
});
