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
  readonly mtu?: number;
}

/**
 * The subnet of a client: that of the relay agent if there is one; else that of the address it already has (a
 * renewal from behind a relay comes straight to the server); else that of the interface it was heard on.
 */
export function chooseSubnet(
  subnets: readonly Subnet[],
  {
    giaddr,
    ciaddr,
    interfaceAddress,
  }: { readonly giaddr: Ipv4; readonly ciaddr: Ipv4; readonly interfaceAddress: Ipv4 },
): { readonly subnet: Subnet | undefined; readonly reason: string } {
  const holding = (address: Ipv4) => subnets.find(({ network }) => networkContains(network, address));
  const relayed = giaddr !== UNSPECIFIED;
  const own = relayed || ciaddr === UNSPECIFIED ? undefined : holding(ciaddr);
  const subnet = relayed ? holding(giaddr) : (own ?? holding(interfaceAddress));
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

/** A host's address: inside the network and neither its first (network) nor its last (broadcast). */
export function isHostAddress(network: Ipv4Network, address: Ipv4): boolean {
  if (!networkContains(network, address)) return false;
  return network.prefix >= 31 || (address !== network.address && address !== broadcastOf(network));
}

export function inRanges(ranges: readonly Ipv4Range[], address: Ipv4): boolean {
  return ranges.some((range) => rangeContains(range, address));
}
