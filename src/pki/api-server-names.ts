import type { Problem } from '../errors.ts';
import { type Ipv4, networkContains, parseIpv4, parseNetwork } from '../machine/ipv4.ts';
import type { ClusterNames, NamedMachine, Names } from './port.ts';

/** RFC 1123, and what a Node's name may be: labels of at most 63, 253 in all. */
const LABEL = '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?';
const HOSTNAME = new RegExp(`^${LABEL}(\\.${LABEL})*$`);

/** Lower case already. An address is no hostname. */
export function isHostname(name: string): boolean {
  return name.length <= 253 && HOSTNAME.test(name) && parseIpv4(name) === undefined;
}

/** What `cluster:` says that cannot get into the API server's certificate. */
export function checkClusterNames(cluster: ClusterNames): readonly Problem[] {
  const known = checked.get(cluster);
  if (known !== undefined) return known;
  const problems = findProblems(cluster);
  checked.set(cluster, problems);
  return problems;
}

/** Settings are never changed, and each request needs them checked. */
const checked = new WeakMap<ClusterNames, readonly Problem[]>();

function findProblems(cluster: ClusterNames): readonly Problem[] {
  const problems: Problem[] = [];
  const error = (message: string, remedy: string): void =>
    void problems.push({ severity: 'error', message, remedy });
  if (apiServerHost(cluster.apiServer) === undefined) {
    error(
      `cluster.apiServer ${cluster.apiServer} names no host that a certificate can hold`,
      'Write it as https://10.77.0.1:6443 or https://kubernetes.example.org:6443.',
    );
  }
  if (firstServiceAddress(cluster.serviceNetwork) === undefined) {
    error(
      `cluster.serviceNetwork ${cluster.serviceNetwork} has no first address`,
      'The API server is reached at the first address of that network: give one of at least 16 addresses.',
    );
  }
  if (!isHostname(cluster.dnsDomain.toLowerCase())) {
    error(`cluster.dnsDomain ${cluster.dnsDomain} is no domain (RFC 1123)`, 'Write it as cluster.local.');
  }
  return problems;
}

/** All that a client may call the API server: the names of its certificate. Call checkClusterNames before. */
export function apiServerNames(cluster: ClusterNames, controllers: readonly NamedMachine[]): Names {
  const known = names.get(controllers);
  if (known?.cluster === cluster) return known.names;
  const found = findNames(cluster, controllers);
  names.set(controllers, { cluster, names: found });
  return found;
}

const names = new WeakMap<
  readonly NamedMachine[],
  { readonly cluster: ClusterNames; readonly names: Names }
>();

function findNames(cluster: ClusterNames, controllers: readonly NamedMachine[]): Names {
  const host = apiServerHost(cluster.apiServer);
  const service = firstServiceAddress(cluster.serviceNetwork);
  const dns = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    `kubernetes.default.svc.${cluster.dnsDomain.toLowerCase()}`,
    ...controllers.map(({ hostname }) => hostname.toLowerCase()),
    ...(typeof host === 'string' ? [host] : []),
  ];
  const addresses = [
    ...(service === undefined ? [] : [service]),
    ...controllers.flatMap((controller) => controller.addresses),
    ...(typeof host === 'number' ? [host] : []),
  ];
  return { dns: [...new Set(dns)], addresses: [...new Set(addresses)] };
}

function apiServerHost(url: string): string | Ipv4 | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'https:') return undefined;
  return parseIpv4(hostname) ?? (isHostname(hostname) ? hostname : undefined);
}

/** `kubernetes.default` resolves to it. */
function firstServiceAddress(text: string): Ipv4 | undefined {
  const network = parseNetwork(text);
  if (network === undefined) return undefined;
  const first = (network.address + 1) as Ipv4;
  return networkContains(network, first) ? first : undefined;
}
