import type { Problem } from '../errors.ts';
import {
  broadcastOf,
  formatIpv4,
  formatNetwork,
  formatRange,
  type Ipv4,
  type Ipv4Network,
  networkContains,
  networkOf,
  rangeContains,
} from '../machine/ipv4.ts';
import type { NetworkInterface } from '../net/port.ts';
import type { DhcpConfig, ResolvedSubnet, SubnetConfig } from './port.ts';
import { networksOverlap, withoutAddresses } from './resolve-dhcp.ts';

/** An entry of machines.yaml with an address. */
export interface Reservation {
  readonly mac: string;
  readonly address: Ipv4;
  readonly line: number;
}

export interface SubnetContext {
  /** The provisioning interfaces, as they are now. */
  readonly interfaces: readonly NetworkInterface[];
  readonly reservations: readonly Reservation[];
  /** Paths of tinderbox.yaml and machines.yaml, for problems. */
  readonly configFile?: string;
  readonly machinesFile?: string;
}

interface OwnNetwork {
  readonly name: string;
  readonly own: Ipv4;
  readonly network: Ipv4Network;
}

/**
 * Joins what tinderbox.yaml says with the interfaces that this machine has. Ranges come back without the addresses
 * that nobody may get: the network's own, its broadcast, Tinderbox's, the router's and the servers'. In proxy mode
 * every network of an interface is listed too, without ranges, since networkd units need its prefix. Pure.
 */
export function resolveSubnets(
  dhcp: DhcpConfig,
  context: SubnetContext,
): { subnets: readonly ResolvedSubnet[]; problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const report = (severity: Problem['severity'], line: number, message: string, remedy?: string): void => {
    const place = context.configFile === undefined ? {} : { file: context.configFile, line };
    problems.push({ severity, message, ...place, ...(remedy === undefined ? {} : { remedy }) });
  };
  const ownNetworks = context.interfaces.flatMap(({ name, addresses }) =>
    addresses.map(({ address, prefix }) => ({ name, own: address, network: networkOf(address, prefix) })),
  );
  const subnets: ResolvedSubnet[] = [];
  for (const subnet of dhcp.subnets) {
    const place = placeSubnet(subnet, ownNetworks);
    if (typeof place === 'string') {
      // In proxy mode the block is not used but for networkd units: no reason to refuse the start.
      const severity = dhcp.mode === 'server' ? 'error' : 'warning';
      report(
        severity,
        subnet.line,
        place,
        'Add `network:` if it lies behind a relay agent, or correct the range.',
      );
      continue;
    }
    const clash = subnets.find((other) => networksOverlap(other.network, place.network));
    if (clash !== undefined) {
      const message = `two subnets are the same network: ${formatNetwork(place.network)} and ${formatNetwork(clash.network)}`;
      report('error', subnet.line, message, 'Put all ranges of a network into one entry of subnets.');
      continue;
    }
    subnets.push(finishSubnet(subnet, place, ownNetworks, (...args) => report(...args)));
  }
  for (const own of ownNetworks) {
    if (subnets.some((subnet) => networksOverlap(subnet.network, own.network))) continue;
    if (dhcp.mode === 'server') {
      const name = `${own.name} (${formatNetwork(own.network)})`;
      report('warning', 1, `no addresses are given on ${name}: no range lies in its network`);
    } else subnets.push(bareSubnet(own));
  }
  problems.push(...checkReservations(dhcp, subnets, context));
  return { subnets, problems };
}

/** The subnet that holds `address`. */
export function subnetOf(subnets: readonly ResolvedSubnet[], address: Ipv4): ResolvedSubnet | undefined {
  return subnets.find((subnet) => networkContains(subnet.network, address));
}

/** Where a subnet lies, or why that cannot be said. */
function placeSubnet(
  subnet: SubnetConfig,
  ownNetworks: readonly OwnNetwork[],
): { network: Ipv4Network; owner?: OwnNetwork } | string {
  if (subnet.network !== undefined) {
    const { network } = subnet;
    const owner = ownNetworks.find((own) => networkContains(network, own.own));
    return owner === undefined ? { network } : { network, owner };
  }
  const clue = subnet.ranges[0]?.first ?? subnet.router;
  const known = ownNetworks
    .map((own) => `${own.name} ${formatIpv4(own.own)}/${own.network.prefix}`)
    .join(', ');
  if (clue === undefined) {
    const only = ownNetworks[0];
    if (only !== undefined && ownNetworks.length === 1) return { network: only.network, owner: only };
    return `it cannot be told which network this is; the interfaces have: ${known || 'no IPv4 address'}`;
  }
  const owner = ownNetworks.find((own) => networkContains(own.network, clue));
  const what =
    subnet.ranges[0] === undefined
      ? `the router ${formatIpv4(clue)}`
      : `the range ${formatRange(subnet.ranges[0])}`;
  if (owner === undefined) {
    return `${what} is in no network of the provisioning interfaces (${known || 'they have no IPv4 address'})`;
  }
  const stray = subnet.ranges.find(
    (range) => !networkContains(owner.network, range.first) || !networkContains(owner.network, range.last),
  );
  if (stray !== undefined) {
    return `the range ${formatRange(stray)} leaves the network ${formatNetwork(owner.network)} of ${owner.name}`;
  }
  if (subnet.router !== undefined && !networkContains(owner.network, subnet.router)) {
    const network = formatNetwork(owner.network);
    return `the router ${formatIpv4(subnet.router)} is outside of the network ${network} of ${owner.name}`;
  }
  return { network: owner.network, owner };
}

function finishSubnet(
  subnet: SubnetConfig,
  place: { network: Ipv4Network; owner?: OwnNetwork },
  ownNetworks: readonly OwnNetwork[],
  report: (severity: Problem['severity'], line: number, message: string, remedy?: string) => void,
): ResolvedSubnet {
  const { network, owner } = place;
  const taken = new Map<Ipv4, string>();
  const take = (address: Ipv4, whose: string): void => {
    if (!taken.has(address)) taken.set(address, whose);
  };
  for (const own of ownNetworks) take(own.own, `the address of ${own.name}`);
  if (subnet.router !== undefined) take(subnet.router, 'the router');
  for (const server of subnet.dns) take(server, 'a name server');
  for (const server of subnet.ntp) take(server, 'a time server');
  // A /31 or /32 has neither (RFC 3021).
  if (network.prefix < 31) {
    take(network.address, 'the address of the network itself');
    take(broadcastOf(network), 'the broadcast address');
  }
  for (const range of subnet.ranges) {
    for (const [address, whose] of taken) {
      if (!rangeContains(range, address)) continue;
      const message = `the range ${formatRange(range)} contains ${formatIpv4(address)}, ${whose}: it is left out`;
      report('warning', subnet.line, message);
    }
  }
  const { network: _network, line: _line, ...rest } = subnet;
  return {
    ...rest,
    network,
    ranges: subnet.ranges.flatMap((range) => withoutAddresses(range, [...taken.keys()])),
    via: owner?.name ?? 'relay',
    ...(owner === undefined ? {} : { ownAddress: owner.own }),
  };
}

function bareSubnet(own: OwnNetwork): ResolvedSubnet {
  return {
    network: own.network,
    ranges: [],
    leaseTime: 3600,
    dns: [],
    ntp: [],
    via: own.name,
    ownAddress: own.own,
  };
}

function checkReservations(
  dhcp: DhcpConfig,
  subnets: readonly ResolvedSubnet[],
  context: SubnetContext,
): readonly Problem[] {
  const known = subnets.map((subnet) => formatNetwork(subnet.network)).join(', ') || 'none';
  return context.reservations.flatMap(({ mac, address, line }) => {
    const subnet = subnetOf(subnets, address);
    const why =
      subnet === undefined ? `is in none of the networks (${known})` : whyTaken(address, subnet, context);
    if (why === undefined || dhcp.mode === 'off') return [];
    const place = context.machinesFile === undefined ? {} : { file: context.machinesFile, line };
    const problem: Problem = {
      severity: 'error',
      message: `the address ${formatIpv4(address)} of ${mac} ${why}`,
      ...place,
      remedy: 'Give an address of the network that the machine is in, or leave `address` out.',
    };
    return [problem];
  });
}

function whyTaken(address: Ipv4, subnet: ResolvedSubnet, context: SubnetContext): string | undefined {
  const holder = context.interfaces.find((each) => each.addresses.some((own) => own.address === address));
  if (holder !== undefined) return `is Tinderbox's own, on ${holder.name}`;
  if (address === subnet.router) return 'is the router';
  if (subnet.network.prefix >= 31) return undefined;
  if (address === subnet.network.address) return 'is the address of the network itself';
  return address === broadcastOf(subnet.network) ? 'is the broadcast address' : undefined;
}
