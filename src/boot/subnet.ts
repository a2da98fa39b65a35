import {
  broadcastOf,
  formatNetwork,
  type Ipv4,
  type Ipv4Network,
  type Ipv4Range,
  networkContains,
  rangeContains,
  UNSPECIFIED,
} from '../machine/ipv4.ts';

/** A network that addresses are given in, with what its clients are told. */
export interface Subnet {
  readonly network: Ipv4Network;
  readonly ranges: readonly Ipv4Range[];
  /** Seconds. */
  readonly leaseTime: number;
  readonly router?: Ipv4;
  readonly dns: readonly Ipv4[];
  readonly domain?: string;
  readonly ntp: readonly Ipv4[];
  /** Option 26; absent: not sent. */
  readonly mtu?: number;
  /** The interface that it lies on, or `relay`: behind relay agents only. */
  readonly via: string;
}

export interface SubnetClues {
  readonly giaddr: Ipv4;
  /** Of a client that has an address, else UNSPECIFIED. */
  readonly ciaddr: Ipv4;
  /** The interface that it was heard on, with its addresses. */
  readonly via: string;
  readonly interfaceAddresses: readonly { readonly address: Ipv4 }[];
}

/**
 * The subnet of a client: that of the relay agent if there is one; else that of the address it already has (a
 * renewal from behind a relay comes straight to the server); else that of the interface it was heard on. An address
 * of another interface's network says only where the client was before.
 */
export function chooseSubnet(
  subnets: readonly Subnet[],
  { giaddr, ciaddr, via, interfaceAddresses }: SubnetClues,
): ChosenSubnet {
  if (giaddr !== UNSPECIFIED) return choose(holding(subnets, giaddr), "the relay agent's address (giaddr)");
  const former = ciaddr === UNSPECIFIED ? undefined : holding(subnets, ciaddr);
  if (former?.via === via || former?.via === 'relay') return choose(former, "the client's address");
  for (const { address } of interfaceAddresses) {
    const subnet = holding(subnets, address);
    if (subnet !== undefined) return choose(subnet, 'the interface');
  }
  return choose(undefined, 'the interface');
}

function holding(subnets: readonly Subnet[], address: Ipv4): Subnet | undefined {
  for (const subnet of subnets) if (networkContains(subnet.network, address)) return subnet;
  return undefined;
}

interface ChosenSubnet {
  readonly subnet: Subnet | undefined;
  readonly reason: string;
}

const chosen = new WeakMap<Subnet, Map<string, ChosenSubnet>>();

/** Worked out once for each subnet and source: it is asked for with each packet. */
function choose(subnet: Subnet | undefined, source: string): ChosenSubnet {
  if (subnet === undefined)
    return { subnet, reason: `no subnet is configured for ${source}: add it under dhcp.subnets` };
  let bySource = chosen.get(subnet);
  if (bySource === undefined) chosen.set(subnet, (bySource = new Map()));
  let found = bySource.get(source);
  if (found === undefined) {
    found = { subnet, reason: `subnet ${formatNetwork(subnet.network)} by ${source}` };
    bySource.set(source, found);
  }
  return found;
}

/** Whether two addresses lie in one of the networks, for whoever does not know the networks. */
export function inOneNetwork(subnets: readonly Pick<Subnet, 'network'>[]): (a: Ipv4, b: Ipv4) => boolean {
  return (a, b) => subnets.some(({ network }) => networkContains(network, a) && networkContains(network, b));
}

/** A host's address: inside the network and neither its first (network) nor its last (broadcast). */
export function isHostAddress(network: Ipv4Network, address: Ipv4): boolean {
  if (!networkContains(network, address)) return false;
  return network.prefix >= 31 || (address !== network.address && address !== broadcastOf(network));
}

export function inRanges(ranges: readonly Ipv4Range[], address: Ipv4): boolean {
  return ranges.some((range) => rangeContains(range, address));
}
