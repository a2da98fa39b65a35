import { type Ipv4, type Ipv4Network, type Ipv4Range, networkContains, networkOf } from '../machine/ipv4.ts';
import type { NetworkInterface } from '../net/port.ts';
import type { InitSubnet } from './init-answers.ts';
import { suggestRange } from './suggest-range.ts';

/** What is wished for of the networks of server mode; the rest is suggested. */
export interface WishedSubnets {
  readonly ranges: readonly Ipv4Range[];
  readonly routers: readonly Ipv4[];
  /** Addresses of hosts that are there: name servers, the API server. */
  readonly others: readonly Ipv4[];
}

/**
 * The networks that server mode gives addresses in: of each interface the first, with the range and the router that lie
 * in it. A range that lies in none comes last, for whoever checks the configuration to complain of. Pure.
 */
export function planSubnets(
  interfaces: readonly NetworkInterface[],
  { ranges, routers, others }: WishedSubnets,
): readonly InitSubnet[] {
  const own = interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address));
  const placed = new Set<Ipv4Range>();
  const subnets = interfaces.flatMap(({ addresses: [first] }): InitSubnet[] => {
    if (first === undefined) return [];
    const network = networkOf(first.address, first.prefix);
    const wished = ranges.filter((range) => networkContains(network, range.first));
    for (const range of wished) placed.add(range);
    const router = routers.find((address) => networkContains(network, address));
    const range = wished[0] ?? suggestRange(first, [...own, ...routers, ...others]);
    return range === undefined ? [] : [{ range, ...(router === undefined ? {} : { router }) }];
  });
  const stray = ranges.filter((range) => !placed.has(range)).map((range) => ({ range }));
  return [...subnets, ...stray];
}

/** Routers that lie in no network of the interfaces: machines could not reach them. */
export function strayRouters(
  interfaces: readonly NetworkInterface[],
  routers: readonly Ipv4[],
): readonly Ipv4[] {
  const networks: Ipv4Network[] = interfaces.flatMap(({ addresses: [first] }) =>
    first === undefined ? [] : [networkOf(first.address, first.prefix)],
  );
  return routers.filter((router) => !networks.some((network) => networkContains(network, router)));
}
