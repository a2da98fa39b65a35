import { DOMAIN_PATTERN } from '../document/text-schemas.ts';
import type { ClusterSettings, Peer } from '../machine/cluster.ts';
import {
  broadcastOf,
  formatIpv4,
  formatNetwork,
  type Ipv4,
  type Ipv4Network,
  networkContains,
  parseIpv4,
  parseNetwork,
} from '../machine/ipv4.ts';
import type { DhcpConfig } from './port.ts';
import type { Reporter } from './reporter.ts';
import { networksOverlap, readNetwork } from './resolve-dhcp.ts';
import type { RawConfig } from './schema.ts';

const DOMAIN = new RegExp(DOMAIN_PATTERN);

type RawCluster = NonNullable<RawConfig['cluster']>;

/** What the controller manager gives each node of the pod network (`--node-cidr-mask-size`). */
const NODE_PREFIX = 24;
const LARGER = 'Give a larger one: 10.2.0.0/16 holds 256 nodes.';
const OWN_NETWORKS = 'Pods and services need networks of their own.';

/** `cluster:` with its defaults; reports what contradicts itself. */
export function resolveCluster(raw: RawCluster, report: Reporter): ClusterSettings {
  const podNetwork = raw.podNetwork ?? '10.2.0.0/16';
  const serviceNetwork = raw.serviceNetwork ?? '10.3.0.0/24';
  const pods = readNetwork(podNetwork, ['cluster', 'podNetwork'], report);
  const services = readNetwork(serviceNetwork, ['cluster', 'serviceNetwork'], report);
  if (pods !== undefined && services !== undefined && networksOverlap(pods, services)) {
    report.error(
      ['cluster', 'podNetwork'],
      `podNetwork ${podNetwork} and serviceNetwork ${serviceNetwork} overlap`,
      { remedy: OWN_NETWORKS },
    );
  }
  if (pods !== undefined && pods.prefix > NODE_PREFIX) {
    report.error(
      ['cluster', 'podNetwork'],
      `podNetwork ${podNetwork} is smaller than the /${NODE_PREFIX} that each node gets of it`,
      { remedy: LARGER },
    );
  }
  if (pods !== undefined && pods.prefix === NODE_PREFIX) {
    report.warn(
      ['cluster', 'podNetwork'],
      `podNetwork ${podNetwork} has room for one node: each gets a /${NODE_PREFIX} of it`,
      { remedy: LARGER },
    );
  }
  const settings: ClusterSettings = {
    name: raw.name ?? 'kubernetes',
    apiServer: raw.apiServer,
    podNetwork,
    serviceNetwork,
    dnsServiceIP: resolveDnsService(raw, services, report),
    dnsDomain: raw.dnsDomain ?? 'cluster.local',
    controllers: resolvePeers(raw.controllers ?? [], 'controllers', report),
    etcd: resolvePeers(raw.etcd ?? [], 'etcd', report),
  };
  checkLists(settings, report);
  const host = checkApiServer(raw.apiServer, report);
  checkOutside(settings, host, report);
  return settings;
}

/** What a certificate can name, and machines can reach. Returns the address, where it is one. */
function checkApiServer(url: string, report: Reporter): Ipv4 | undefined {
  const path = ['cluster', 'apiServer'];
  const remedy = 'Write it as https://10.77.0.1:6443 or https://kubernetes.example.org:6443.';
  // It also reads the other spellings of an address: https://127.1, https://0x7f000001.
  const { hostname } = URL.canParse(url) ? new URL(url) : { hostname: '' };
  const address = parseIpv4(hostname);
  if (hostname === '') report.error(path, `${url} is no URL`, { remedy });
  else if (hostname.startsWith('['))
    report.error(path, `${hostname} is an IPv6 address: machines have IPv4`, { remedy });
  else if (address === undefined && (hostname.length > 253 || !DOMAIN.test(hostname))) {
    report.error(path, `${hostname} is no host name (RFC 1123): no certificate can name it`, { remedy });
  } else if (isLoopback(hostname, address)) {
    const message = `at ${hostname} each machine would look for the API server on itself`;
    report.error(path, message, { remedy: 'Give the address or the name at which machines reach it.' });
  }
  return address;
}

/** 0.0.0.0 is this host too (RFC 1122, 3.2.1.3), and so is every name below localhost (RFC 6761, 6.3). */
function isLoopback(hostname: string, address: Ipv4 | undefined): boolean {
  if (address === undefined) return /(^|\.)localhost$/i.test(hostname);
  return address >>> 24 === 127 || address === 0;
}

/** A host may be in both lists, and is the same host then. */
function checkLists({ controllers, etcd }: ClusterSettings, report: Reporter): void {
  for (const [index, member] of etcd.entries()) {
    const other = controllers.find(
      (peer) => (peer.hostname === member.hostname) !== (peer.address === member.address),
    );
    if (other === undefined) continue;
    const message = `${member.hostname} (${formatIpv4(member.address)}) is ${other.hostname} (${formatIpv4(other.address)}) in cluster.controllers (line ${other.line})`;
    report.error(['cluster', 'etcd', index], message, { remedy: 'One host has one name and one address.' });
  }
}

function resolveDnsService(
  { dnsServiceIP }: RawCluster,
  services: Ipv4Network | undefined,
  report: Reporter,
): string {
  const derived = dnsServiceIP === undefined;
  const tenth = services === undefined ? undefined : ((services.address + 10) as Ipv4);
  const address = derived ? tenth : parseIpv4(dnsServiceIP);
  if (address === undefined) return '';
  const text = formatIpv4(address);
  const path = ['cluster', derived ? 'serviceNetwork' : 'dnsServiceIP'];
  if (services !== undefined && !networkContains(services, address)) {
    report.error(path, `dnsServiceIP ${text} is outside of serviceNetwork ${formatNetwork(services)}`, {
      remedy: derived
        ? 'Give a serviceNetwork of at least 16 addresses, or dnsServiceIP.'
        : 'Leave it out to derive it.',
    });
  } else if (services !== undefined && address === services.address + 1) {
    report.error(path, `dnsServiceIP ${text} is the first address of serviceNetwork, the API server's own`, {
      remedy: 'Leave it out to derive it.',
    });
  } else if (services !== undefined && (address === services.address || address === broadcastOf(services))) {
    report.error(
      path,
      `dnsServiceIP ${text} is the first or the last of serviceNetwork: no service can have it`,
      {
        remedy: 'Leave it out to derive it.',
      },
    );
  }
  return text;
}

function resolvePeers(
  raw: NonNullable<RawCluster['etcd']>,
  key: 'controllers' | 'etcd',
  report: Reporter,
): readonly Peer[] {
  const peers: Peer[] = [];
  for (const [index, peer] of raw.entries()) {
    const hostname = peer.hostname.toLowerCase();
    const address = parseIpv4(peer.address);
    if (address === undefined) continue;
    const other = peers.find((known) => known.hostname === hostname || known.address === address);
    if (other === undefined) peers.push({ hostname, address, line: report.lineOf(['cluster', key, index]) });
    else {
      const message = `${hostname} (${peer.address}) has the name or the address of ${other.hostname}`;
      report.error(['cluster', key, index], message, { remedy: 'Give each its own.' });
    }
  }
  return peers;
}

/** Every node routes both networks into the cluster: what has an address in them is out of reach. */
function checkOutside(settings: ClusterSettings, apiServer: Ipv4 | undefined, report: Reporter): void {
  const hosts = [
    { what: 'the API server', path: ['cluster', 'apiServer'], address: apiServer },
    ...(['controllers', 'etcd'] as const).flatMap((key) =>
      settings[key].map((peer, index) => ({
        what: peer.hostname,
        path: ['cluster', key, index],
        address: peer.address,
      })),
    ),
  ];
  for (const { what, path, address } of hosts) {
    for (const key of ['podNetwork', 'serviceNetwork'] as const) {
      const network = parseNetwork(settings[key]);
      if (network === undefined || address === undefined || !networkContains(network, address)) continue;
      report.error(path, `${what} is at ${formatIpv4(address)}, inside of ${key} ${settings[key]}`, {
        remedy: OWN_NETWORKS,
      });
    }
  }
}

/** Machines route pod and service addresses into the cluster: they must not be those of the machines themselves. */
export function checkClusterNetworks(
  { cluster, dhcp }: { readonly cluster?: ClusterSettings; readonly dhcp: DhcpConfig },
  report: Reporter,
): void {
  if (cluster === undefined) return;
  for (const key of ['podNetwork', 'serviceNetwork'] as const) {
    const network = parseNetwork(cluster[key]);
    if (network === undefined) continue;
    for (const subnet of dhcp.subnets) {
      const overlap =
        (subnet.network !== undefined && networksOverlap(network, subnet.network)) ||
        subnet.ranges.some(
          (range) => networkContains(network, range.first) || networkContains(network, range.last),
        );
      if (!overlap) continue;
      const message = `${key} ${formatNetwork(network)} overlaps the machines' own addresses (line ${subnet.line})`;
      report.error(['cluster', key], message, { remedy: OWN_NETWORKS });
    }
  }
}
