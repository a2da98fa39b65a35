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

type RawCluster = NonNullable<RawConfig['cluster']>;

/** What the controller manager gives each node of the pod network (`--node-cidr-mask-size`). */
const NODE_PREFIX = 24;
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
  if (pods !== undefined && pods.prefix >= NODE_PREFIX) {
    report.warn(
      ['cluster', 'podNetwork'],
      `podNetwork ${podNetwork} has room for one node: each gets a /${NODE_PREFIX} of it`,
      { remedy: 'Give a larger one: 10.2.0.0/16 holds 256 nodes.' },
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
  checkOutside(settings, report);
  return settings;
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
    if (other === undefined) peers.push({ hostname, address });
    else {
      const message = `${hostname} (${peer.address}) has the name or the address of ${other.hostname}`;
      report.error(['cluster', key, index], message, { remedy: 'Give each its own.' });
    }
  }
  return peers;
}

/** Every node routes both networks into the cluster: what has an address in them is out of reach. */
function checkOutside(settings: ClusterSettings, report: Reporter): void {
  const { hostname } = new URL(settings.apiServer);
  const hosts = [
    { what: 'the API server', path: ['cluster', 'apiServer'], address: parseIpv4(hostname) },
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
