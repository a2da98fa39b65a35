import type { Config } from './config/port.ts';
import { type Problem, toTinderboxError } from './errors.ts';
import type { ClusterSettings } from './machine/cluster.ts';
import { parseMac } from './machine/mac.ts';
import type { Catalog, MachineEntry, Role } from './machine/role.ts';
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

/** Machines of machines.yaml that could get no certificate, or be found by no other member: they would never join. */
export function checkIdentities({ cluster }: Pick<Config, 'cluster'>, catalog: Catalog): readonly Problem[] {
  if (cluster === undefined) return [];
  const machines = [...catalog.machines.values()].flatMap((entry) => [
    ...checkMember(catalog, entry),
    ...checkMachine(cluster, catalog, entry),
  ]);
  return [...machines, ...checkMemberRules(catalog)];
}

/** Nobody else would know of it: certificates and `--initial-cluster` name members by both (cluster-members.ts). */
function checkMember(
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
