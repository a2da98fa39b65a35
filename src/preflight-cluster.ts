import type { Config, ResolvedSubnet } from './config/port.ts';
import { type Problem, toTinderboxError } from './errors.ts';
import type { ClusterSettings } from './machine/cluster.ts';
import { formatIpv4, parseIpv4, rangeContains } from './machine/ipv4.ts';
import type { Catalog, MachineEntry } from './machine/role.ts';
import { entitlementsOf } from './machine-identity.ts';
import { pkiFolder } from './manage-authorities.ts';
import { checkClusterNames } from './pki/api-server-names.ts';
import { checkFolder } from './pki/describe-authority.ts';

/** What `cluster:` says that cannot get into certificates. */
export function checkCluster({ cluster, file }: Pick<Config, 'cluster' | 'file'>): readonly Problem[] {
  if (cluster === undefined) return [];
  return checkClusterNames(cluster).map((problem) => ({ ...problem, file }));
}

/**
 * Whether the authorities on disk can be used. Broken ones are an error, since the daemon does not start with them;
 * that one has expired, or the clock is wrong, keeps no machine from booting and is a warning. `now`: ms since the epoch.
 */
export async function checkAuthorities(
  config: Pick<Config, 'cluster'> & { readonly paths: Pick<Config['paths'], 'state'> },
  now: number,
): Promise<readonly Problem[]> {
  if (config.cluster === undefined) return [];
  const folder = pkiFolder(config);
  try {
    const problems = await checkFolder(folder, now);
    return problems.map((problem) => ({ ...problem, severity: 'warning' }));
  } catch (thrown) {
    const { message, remedy, problems } = toTinderboxError(thrown);
    if (problems.length > 0) return problems;
    return [{ severity: 'error', file: folder, message, ...(remedy === undefined ? {} : { remedy }) }];
  }
}

/**
 * Machines of machines.yaml that are not who tinderbox.yaml says they are, or could get no certificate: they would boot
 * and never join.
 */
export function checkIdentities(
  { cluster, file }: Pick<Config, 'cluster' | 'file'>,
  catalog: Catalog,
): readonly Problem[] {
  if (cluster === undefined) return [];
  return [...catalog.machines.values()].flatMap((entry) => {
    const other = checkMember(cluster, file, catalog.file, entry);
    return other === undefined ? checkMachine(cluster, catalog, entry) : [other];
  });
}

/** One host has one name and one address, in whichever of the two files it stands. */
function checkMember(
  cluster: ClusterSettings,
  configFile: string,
  file: string,
  { mac, hostname, address, line }: MachineEntry,
): Problem | undefined {
  if (hostname === undefined || address === undefined) return undefined;
  for (const key of ['controllers', 'etcd'] as const) {
    const other = cluster[key].find((peer) => (peer.hostname === hostname) !== (peer.address === address));
    if (other === undefined) continue;
    const place = [configFile, other.line].filter((part) => part !== undefined).join(':');
    return {
      severity: 'error',
      file,
      line,
      message: `${mac} is ${hostname} (${formatIpv4(address)}) here, and ${other.hostname} (${formatIpv4(other.address)}) in ${place} (cluster.${key})`,
      remedy: 'One host has one name and one address: correct one of the two files.',
    };
  }
  return undefined;
}

/** Addresses of the cluster that DHCP may give to any machine. `subnets`: without what nobody may get. */
export function checkGivenAway(
  { cluster, dhcp, file }: Pick<Config, 'cluster' | 'dhcp' | 'file'>,
  subnets: readonly ResolvedSubnet[],
  catalog: Catalog,
): readonly Problem[] {
  if (cluster === undefined || dhcp.mode !== 'server') return [];
  const apiServer = parseIpv4(new URL(cluster.apiServer).hostname);
  const hosts = [
    ...(apiServer === undefined ? [] : [{ what: 'cluster.apiServer', address: apiServer, line: undefined }]),
    ...(['controllers', 'etcd'] as const).flatMap((key) =>
      cluster[key].map(({ address, line, hostname }) => ({
        what: `cluster.${key}: ${hostname}`,
        address,
        line,
      })),
    ),
  ];
  const said = new Set([...catalog.machines.values()].map(({ address }) => address));
  return hosts.flatMap(({ what, address, line }) => {
    const range = subnets.flatMap(({ ranges }) => ranges).find((each) => rangeContains(each, address));
    if (range === undefined || said.has(address)) return [];
    said.add(address);
    return [
      {
        severity: 'warning' as const,
        file,
        ...(line === undefined ? {} : { line }),
        message: `${what} has the address ${formatIpv4(address)}, which DHCP may give to any machine`,
        remedy: 'Leave it out of the range, or reserve it: `address:` of an entry in machines.yaml.',
      },
    ];
  });
}

/** Only what the operator wrote is looked at: made-up hostnames and addresses are nobody else's. */
function checkMachine(
  cluster: ClusterSettings,
  catalog: Catalog,
  { mac, role: name, hostname, address, line }: MachineEntry,
): readonly Problem[] {
  const role = catalog.roles.get(name ?? catalog.defaultRole ?? '');
  if (role === undefined || (hostname === undefined && address === undefined)) return [];
  const here = { severity: 'error', file: catalog.file, line } as const;
  try {
    entitlementsOf({
      role:
        address === undefined
          ? { ...role, credentials: { ...role.credentials, nodeName: 'hostname' } }
          : role,
      hostname: hostname ?? `node-${mac.replaceAll(':', '')}`,
      addresses: address === undefined ? [] : [address],
      cluster,
      catalog,
    });
    return [];
  } catch (thrown) {
    const { code, message, remedy } = toTinderboxError(thrown);
    // Names that cannot be in a certificate are said of the cluster and by the schema of machines.yaml.
    if (code !== 'refused') return [];
    return [{ ...here, message: `${mac}: ${message}`, ...(remedy === undefined ? {} : { remedy }) }];
  }
}
