import { mergeParameters } from './boot/merge-parameters.ts';
import type { Config, ResolvedSubnet } from './config/port.ts';
import { type Problem, toTinderboxError } from './errors.ts';
import type { ClusterSettings } from './machine/cluster.ts';
import { formatIpv4, parseIpv4, rangeContains } from './machine/ipv4.ts';
import { parseMac } from './machine/mac.ts';
import type { Catalog, MachineEntry, Parameters, Role } from './machine/role.ts';
import { entitlementsOf } from './machine-identity.ts';
import { pkiFolder } from './manage-authorities.ts';
import { checkClusterNames } from './pki/api-server-names.ts';
import { checkFolder } from './pki/describe-authority.ts';

/** What `cluster:` says that cannot get into certificates. */
export function checkCluster({ cluster, file }: Pick<Config, 'cluster' | 'file'>): readonly Problem[] {
  if (cluster === undefined) return [];
  return checkClusterNames(cluster).map((problem) => ({ ...problem, file }));
}

export interface AuthorityProblems {
  /** With an error among them the daemon does not start. */
  readonly problems: readonly Problem[];
  /**
   * Errors that keep certificates from being issued: an authority that has expired, a clock that cannot be right. The
   * daemon starts all the same, since other machines boot, and one that is booting must not find it gone.
   */
  readonly issuing: readonly Problem[];
}

/** Whether the authorities on disk can be used. `now`: ms since the epoch. */
export async function checkAuthorities(
  config: Pick<Config, 'cluster'> & { readonly paths: Pick<Config['paths'], 'state'> },
  now: number,
): Promise<AuthorityProblems> {
  if (config.cluster === undefined) return { problems: [], issuing: [] };
  const folder = pkiFolder(config);
  try {
    const found = await checkFolder(folder, now);
    return {
      problems: found.filter(({ severity }) => severity !== 'error'),
      issuing: found.filter(({ severity }) => severity === 'error'),
    };
  } catch (thrown) {
    const { code, message, remedy, problems } = toTinderboxError(thrown);
    if (problems.length > 0) return { problems, issuing: [] };
    const more = remedy === undefined ? {} : { remedy };
    // Who checks is not always who serves; the daemon itself says it again when it opens them.
    const problem: Problem =
      code === 'refused'
        ? { severity: 'warning', message: `the authorities could not be checked: ${message}`, ...more }
        : { severity: 'error', file: folder, message, ...more };
    return { problems: [problem], issuing: [] };
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
  const machines = [...catalog.machines.values()].flatMap((entry) => {
    const other = checkMember(cluster, file, catalog.file, entry);
    if (other !== undefined) return [other];
    const unknown = checkKnown(catalog, entry);
    return unknown.length > 0 ? unknown : checkMachine(cluster, catalog, entry);
  });
  return [...machines, ...checkMemberRules(catalog)];
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

/**
 * An address that moves between the controllers is one that everybody asks for: the host of `cluster.apiServer`. Any other
 * is in no certificate of the API server, and nobody finds it.
 */
export function checkVirtualAddresses(
  { cluster }: Pick<Config, 'cluster'>,
  catalog: Catalog,
): readonly Problem[] {
  if (cluster === undefined) return [];
  const host = new URL(cluster.apiServer).hostname;
  const check = (name: string | null, given: Parameters, file: string, line?: number): readonly Problem[] => {
    const role = catalog.roles.get(name ?? '');
    if (role?.identity !== 'controller') return [];
    const { virtualAddress = '' } = mergeParameters(role.parameters, given);
    if (virtualAddress === '' || virtualAddress === host) return [];
    const message = `the parameter virtualAddress of role ${role.name} is ${JSON.stringify(virtualAddress)}, and the host of cluster.apiServer is ${host}`;
    const remedy = 'Write the same address in both; machines find the API server by cluster.apiServer.';
    const own = given['virtualAddress'] !== undefined;
    return [
      {
        severity: 'error',
        message,
        remedy,
        ...(own ? { file, ...(line === undefined ? {} : { line }) } : { file: role.file }),
      },
    ];
  };
  const { file } = catalog;
  const found = [
    ...check(catalog.defaultRole, {}, file),
    ...catalog.rules.flatMap((rule) =>
      check(rule.role, rule.parameters, file, rule.parameterLines?.['virtualAddress'] ?? rule.line),
    ),
    ...[...catalog.machines.values()].flatMap((entry) =>
      check(
        entry.role ?? catalog.defaultRole,
        entry.parameters,
        file,
        entry.parameterLines?.['virtualAddress'] ?? entry.line,
      ),
    ),
  ];
  return [...new Map(found.map((problem) => [`${problem.file}:${problem.line}`, problem])).values()];
}

/** Nobody else would know of it: certificates and `--initial-cluster` name members by both (cluster-members.ts). */
function checkKnown(
  catalog: Catalog,
  { mac, role: name, hostname, address, line }: MachineEntry,
): readonly Problem[] {
  const role = memberRole(catalog, name ?? null);
  const missing = [
    ...(hostname === undefined ? ['hostname'] : []),
    ...(address === undefined ? ['address'] : []),
  ];
  if (role === undefined || missing.length === 0) return [];
  return [
    {
      severity: 'error',
      file: catalog.file,
      line,
      message: `${mac}: role ${role.name} is for members of the cluster, and the entry gives no ${missing.join(' and no ')}`,
      remedy: `Add ${missing.map((key) => `\`${key}:\``).join(' and ')}: certificates and the other members name it by hostname and address.`,
    },
  ];
}

/** Members must be known before one of them is seen: only an entry of its own tells of a machine so early. */
function checkMemberRules(catalog: Catalog): readonly Problem[] {
  const problem = ({ name, identity }: Role, who: string, line?: number): Problem => ({
    severity: 'error',
    file: catalog.file,
    ...(line === undefined ? {} : { line }),
    message: `${who} gives the role ${name}: a member of the cluster (identity ${identity}) must be known before it is seen`,
    remedy: `Give each machine that is to be ${name} an entry under \`machines:\`, with role, hostname and address.`,
  });
  const rules = catalog.rules.flatMap((rule) => {
    const role = memberRole(catalog, rule.role);
    // An entry beats the rule: it says the same of a machine that is a member already.
    const mac = parseMac(rule.match.mac ?? '');
    const isMember = mac !== undefined && catalog.machines.get(mac)?.role === rule.role;
    return role === undefined || isMember ? [] : [problem(role, 'the rule', rule.line)];
  });
  const byDefault = memberRole(catalog, catalog.defaultRole);
  return byDefault === undefined ? rules : [...rules, problem(byDefault, '`default:`')];
}

function memberRole({ roles }: Catalog, name: string | null): Role | undefined {
  const role = name === null ? undefined : roles.get(name);
  return role?.identity === 'controller' || role?.identity === 'etcd' ? role : undefined;
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
