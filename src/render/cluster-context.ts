import type { ClusterMembers } from '../boot/cluster-members.ts';
import type { ClusterSettings, Peer } from '../machine/cluster.ts';
import { formatIpv4, type Ipv4, parseNetwork } from '../machine/ipv4.ts';
import type { ClusterContext, PeerContext } from './context.ts';

const ETCD_CLIENT_PORT = 2379;

/** What templates see as `cluster`; the same object for the same settings and members. */
export function clusterContext(settings: ClusterSettings, members: ClusterMembers): ClusterContext {
  const known = made.get(members);
  if (known?.settings === settings) return known.context;
  const context = makeContext(settings, members);
  made.set(members, { settings, context });
  return context;
}

/** Each request needs it; members change with the catalog. */
const made = new WeakMap<
  ClusterMembers,
  { readonly settings: ClusterSettings; readonly context: ClusterContext }
>();

function makeContext(settings: ClusterSettings, members: ClusterMembers): ClusterContext {
  const { name, apiServer, podNetwork, serviceNetwork, dnsServiceIP, dnsDomain } = settings;
  const { hostname, port } = new URL(apiServer);
  const services = parseNetwork(serviceNetwork);
  const etcd = members.etcd.map(peerContext);
  return {
    name,
    apiServer,
    apiServerHost: hostname,
    apiServerPort: port === '' ? 443 : Number(port),
    podNetwork,
    serviceNetwork,
    serviceIP: services === undefined ? '' : formatIpv4((services.address + 1) as Ipv4),
    dnsServiceIP,
    dnsDomain,
    controllers: members.controllers.map(peerContext),
    etcd,
    etcdEndpoints: etcd.map(({ address }) => `https://${address}:${ETCD_CLIENT_PORT}`),
  };
}

function peerContext({ hostname, address }: Peer): PeerContext {
  return { hostname, address: formatIpv4(address) };
}
