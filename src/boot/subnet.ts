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
  readonly interfaceAddresses: readonly Ipv4[];
}

/**
 * The subnet of a client: that of the relay agent if there is one; else that of the address it already has (a
 * renewal from behind a relay comes straight to the server); else that of the interface it was heard on. An address
 * of another interface's network says only where the client was before.
 */
export function chooseSubnet(
  subnets: readonly Subnet[],
  { giaddr, ciaddr, via, interfaceAddresses }: SubnetClues,
): { readonly subnet: Subnet | undefined; readonly reason: string } {
  const holding = (address: Ipv4) => subnets.find(({ network }) => networkContains(network, address));
  const relayed = giaddr !== UNSPECIFIED;
  const former = relayed || ciaddr === UNSPECIFIED ? undefined : holding(ciaddr);
  const own = former?.via === via || former?.via === 'relay' ? former : undefined;
  const ofInterface = () => interfaceAddresses.map(holding).find((subnet) => subnet !== undefined);
  const subnet = relayed ? holding(giaddr) : (own ?? ofInterface());
  const source = relayed
    ? "the relay agent's address (giaddr)"
    : own === undefined
      ? 'the interface'
      : "the client's address";
  return {
    subnet,
    reason:
      subnet === undefined
        ? `no subnet is configured for ${source}: add it under dhcp.subnets`
        : `subnet ${formatNetwork(subnet.network)} by ${source}`,
  };
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
