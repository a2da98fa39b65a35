import { parseDuration } from '../document/parse-units.ts';
import {
  formatIpv4,
  formatNetwork,
  formatRange,
  type Ipv4,
  type Ipv4Network,
  type Ipv4Range,
  networkContains,
  networkOf,
  parseIpv4,
  parseNetwork,
  parseRange,
  rangeContains,
} from '../machine/ipv4.ts';
import type { DhcpConfig, SubnetConfig } from './port.ts';
import type { Reporter } from './reporter.ts';
import type { RawConfig, RawSubnet } from './schema.ts';

/** RFC 2131 allows any lease; shorter ones than this only make machines renew all the time. */
const SHORTEST_LEASE = 60;
/** Seconds: a timer takes no more than 24 days, and a day is too long already. */
const LONGEST_PROBE = 86_400;
const SHORT_FORM_KEYS = ['network', 'range', 'router', 'dns', 'domain', 'ntp', 'mtu'] as const;

type RawDhcp = NonNullable<RawConfig['dhcp']>;
type Path = readonly (string | number)[];

/** The `dhcp:` block. What depends on the interfaces of this machine is left to resolve-subnets.ts. */
export function resolveDhcp(raw: RawDhcp, report: Reporter): DhcpConfig {
  const mode = raw.mode ?? 'proxy';
  const subnets = resolveAllSubnets(raw, mode, report);
  checkOverlaps(subnets, report);
  return {
    mode,
    subnets,
    knownOnly: raw.knownOnly ?? false,
    probeAddresses: raw.probeAddresses ?? true,
    uefiProxy: raw.uefiProxy ?? 'pxe',
    declineTime: parseDuration(raw.declineTime ?? '10m') ?? 600,
    ...resolveProbe(raw.probe ?? '5m', report),
    allowOtherServers: raw.allowOtherServers ?? false,
    leaseDurability: raw.leaseDurability ?? 'disk',
  };
}

function resolveProbe(raw: string | number, report: Reporter): Pick<DhcpConfig, 'probe'> {
  if (raw === 'off') return {};
  const probe = parseDuration(raw) ?? 0;
  if (probe > 0 && probe <= LONGEST_PROBE) return { probe };
  report.error(['dhcp', 'probe'], `a probe every ${probe} s; allowed: 1 s to 1d, or off`);
  return {};
}

function resolveAllSubnets(raw: RawDhcp, mode: DhcpConfig['mode'], report: Reporter): SubnetConfig[] {
  if (raw.subnets === undefined) {
    if (mode === 'server' && raw.range === undefined) {
      report.error(['dhcp', 'mode'], 'dhcp.mode is server, but there are no addresses to give', {
        remedy:
          'Add `range: FIRST-LAST` to dhcp, or `subnets:`; or let another server give addresses (mode: proxy).',
      });
    }
    if (SHORT_FORM_KEYS.every((key) => raw[key] === undefined) && raw.leaseTime === undefined) return [];
    return [resolveSubnet(raw, raw, ['dhcp'], report)];
  }
  for (const key of ['range', 'router', 'network'] as const) {
    if (raw[key] === undefined) continue;
    report.error(['dhcp', key], `dhcp.${key} and dhcp.subnets are given both`, {
      remedy: `Move ${key} into an entry of subnets.`,
      key: true,
    });
  }
  return raw.subnets.map((subnet, index) => resolveSubnet(subnet, raw, ['dhcp', 'subnets', index], report));
}

/** `defaults`: the dhcp block itself, whose lease time, name servers and the like hold for entries without their own. */
function resolveSubnet(raw: RawSubnet, defaults: RawDhcp, path: Path, report: Reporter): SubnetConfig {
  const network =
    raw.network === undefined ? undefined : readNetwork(raw.network, [...path, 'network'], report);
  const ranges = listOf(raw.range).flatMap((text, index) =>
    readRange(
      text,
      Array.isArray(raw.range) ? [...path, 'range', index] : [...path, 'range'],
      network,
      report,
    ),
  );
  const router = raw.router === undefined ? undefined : parseIpv4(raw.router);
  if (router !== undefined && network !== undefined && !networkContains(network, router)) {
    report.error(
      [...path, 'router'],
      `the router ${raw.router} is outside of the network ${formatNetwork(network)}`,
      {
        remedy: 'Machines can only use a router that is in their own network.',
      },
    );
  }
  const timePath = raw.leaseTime === undefined ? ['dhcp', 'leaseTime'] : [...path, 'leaseTime'];
  const leaseTime = parseDuration(raw.leaseTime ?? defaults.leaseTime ?? '1h') ?? 3600;
  if (leaseTime < SHORTEST_LEASE || leaseTime > 0xfffffffe) {
    report.error(timePath, `a lease of ${leaseTime} s; allowed: ${SHORTEST_LEASE} s to 4294967294 s`);
  }
  const domain = raw.domain ?? defaults.domain;
  const mtu = raw.mtu ?? defaults.mtu;
  return {
    ...(network === undefined ? {} : { network }),
    ranges,
    leaseTime,
    ...(router === undefined ? {} : { router }),
    dns: readAddresses(raw.dns ?? defaults.dns),
    ...(domain === undefined ? {} : { domain }),
    ntp: readAddresses(raw.ntp ?? defaults.ntp),
    ...(mtu === undefined ? {} : { mtu }),
    line: report.lineOf(path),
  };
}

export function readNetwork(text: string, path: Path, report: Reporter): Ipv4Network | undefined {
  const network = parseNetwork(text);
  if (network !== undefined) return network;
  const [address, prefix] = text.split('/');
  const host = parseIpv4(address ?? '');
  const meant = host === undefined ? '' : `; did you mean ${formatNetwork(networkOf(host, Number(prefix)))}?`;
  report.error(path, `${text} is an address within a network, not a network${meant}`);
  return undefined;
}

function readRange(
  text: string,
  path: Path,
  network: Ipv4Network | undefined,
  report: Reporter,
): Ipv4Range[] {
  const range = parseRange(text);
  if (range === undefined) {
    report.error(path, `the range ${text} runs backwards; the lower address comes first`);
    return [];
  }
  if (
    network !== undefined &&
    !(networkContains(network, range.first) && networkContains(network, range.last))
  ) {
    const outside = networkContains(network, range.first) ? range.last : range.first;
    const message = `the range ${formatRange(range)} leaves the network ${formatNetwork(network)} (${formatIpv4(outside)})`;
    report.error(path, message);
    return [];
  }
  // Without a network a typing error such as 10.77.0.100-10.78.0.200 would still give away 65,000 addresses.
  if (network === undefined && range.last - range.first >= 65_536) {
    const size = range.last - range.first + 1;
    report.error(path, `the range ${formatRange(range)} has ${size} addresses: too many for one network`, {
      remedy: 'Give `network:` too if that is meant.',
    });
    return [];
  }
  return [range];
}

function readAddresses(raw: string | readonly string[] | undefined): Ipv4[] {
  return listOf(raw).flatMap((text) => parseIpv4(text) ?? []);
}

function checkOverlaps(subnets: readonly SubnetConfig[], report: Reporter): void {
  const seen: { range: Ipv4Range; line: number }[] = [];
  for (const [index, subnet] of subnets.entries()) {
    const path = report.has(['dhcp', 'subnets']) ? ['dhcp', 'subnets', index] : ['dhcp'];
    for (const earlier of subnets.slice(0, index)) {
      if (subnet.network === undefined || earlier.network === undefined) continue;
      if (!networksOverlap(subnet.network, earlier.network)) continue;
      const [one, other] = [formatNetwork(subnet.network), formatNetwork(earlier.network)];
      report.error([...path, 'network'], `the network ${one} overlaps ${other} (line ${earlier.line})`);
    }
    for (const range of subnet.ranges) {
      const other = seen.find(
        (earlier) => range.first <= earlier.range.last && earlier.range.first <= range.last,
      );
      if (other !== undefined) {
        const message = `the range ${formatRange(range)} overlaps ${formatRange(other.range)} (line ${other.line})`;
        report.error([...path, 'range'], message, { remedy: 'Give every address in one range only.' });
      }
      seen.push({ range, line: report.lineOf([...path, 'range']) });
    }
  }
}

export function networksOverlap(a: Ipv4Network, b: Ipv4Network): boolean {
  return networkContains(a, b.address) || networkContains(b, a.address);
}

/** The part of `range` that is left without `excluded` addresses, in order. */
export function withoutAddresses(range: Ipv4Range, excluded: readonly Ipv4[]): Ipv4Range[] {
  let rest: Ipv4Range[] = [range];
  for (const address of excluded) {
    rest = rest.flatMap((part) => {
      if (!rangeContains(part, address)) return [part];
      const before = { first: part.first, last: (address - 1) as Ipv4 };
      const after = { first: (address + 1) as Ipv4, last: part.last };
      return [before, after].filter((piece) => piece.first <= piece.last);
    });
  }
  return rest;
}

export function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
