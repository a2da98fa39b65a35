import { mergeParameters } from './boot/merge-parameters.ts';
import type { Config } from './config/port.ts';
import { type Problem, toTinderboxError } from './errors.ts';
import type { ClusterSettings } from './machine/cluster.ts';
import type { Catalog, MachineEntry, Parameters } from './machine/role.ts';
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

/** Machines of machines.yaml that could get no certificate: they would boot and never join. */
export function checkIdentities({ cluster }: Pick<Config, 'cluster'>, catalog: Catalog): readonly Problem[] {
  if (cluster === undefined) return [];
  return [...catalog.machines.values()].flatMap((entry) => checkMachine(cluster, catalog, entry));
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
