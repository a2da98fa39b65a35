import { mergeParameters } from './boot/merge-parameters.ts';
import type { Problem } from './errors.ts';
import type { Identity } from './machine/identity.ts';
import type { Catalog, Parameters } from './machine/role.ts';

/** How many minor versions a kubelet may be older than its API server (Kubernetes' version skew policy, since v1.28). */
const OLDEST = 3;

interface Version {
  readonly text: string;
  readonly minor: number;
}

/** Machines of a cluster that get the same version for the same reason. */
interface Member {
  readonly version: Version;
  readonly identity: Identity;
  /** "role worker", "the rule on line 4". */
  readonly who: string;
  readonly file: string;
  readonly line?: number;
}

/**
 * Kubelets that their API server would not work with: a newer one is an error, one that is much older a warning. Both
 * know each other by `kubernetesVersion` of their roles, as rules and machines override it. Where no machine is a
 * controller the API server is another's, and nothing is known of it.
 */
export function checkVersions(catalog: Catalog): readonly Problem[] {
  const members = membersOf(catalog);
  const controllers = members.filter(({ identity }) => identity === 'controller').toSorted(byVersion);
  const [oldest] = controllers;
  const newest = controllers.at(-1);
  if (oldest === undefined || newest === undefined) return [];
  return members
    .filter(({ identity }) => identity === 'worker')
    .flatMap((worker): readonly Problem[] => {
      const { version, who, file, line } = worker;
      const place = { file, ...(line === undefined ? {} : { line }) };
      if (version.minor > oldest.version.minor) {
        return [
          {
            severity: 'error',
            ...place,
            message: `${who}: a kubelet ${version.text} is newer than the API server ${oldest.version.text} (${oldest.who})`,
            remedy: `Upgrade the controllers first, or set kubernetesVersion to ${oldest.version.text} or older.`,
          },
        ];
      }
      if (newest.version.minor - version.minor <= OLDEST) return [];
      const message = `${who}: a kubelet ${version.text} is more than ${OLDEST} minor versions older than the API server ${newest.version.text} (${newest.who})`;
      return [{ severity: 'warning', ...place, message, remedy: 'Set a newer kubernetesVersion.' }];
    });
}

function byVersion(a: Member, b: Member): number {
  return a.version.minor - b.version.minor;
}

/** What some machine can get: the default, the rules, the machines with a role. Who is told twice of one, is told once. */
function membersOf(catalog: Catalog): readonly Member[] {
  const members = new Map<string, Member>();
  const add = (
    name: string,
    parameters: Parameters,
    entry?: { readonly who: string; readonly line: number },
  ) => {
    const role = catalog.roles.get(name);
    if (role === undefined) return;
    const version = parseVersion(mergeParameters(role.parameters, parameters)['kubernetesVersion']);
    if (version === undefined) return;
    const own = entry !== undefined && Object.hasOwn(parameters, 'kubernetesVersion');
    const who = own ? entry.who : `role ${name}`;
    if (members.has(who)) return;
    const place = own ? { file: catalog.file, line: entry.line } : { file: role.file };
    members.set(who, { version, identity: role.identity, who, ...place });
  };
  if (catalog.defaultRole !== null) add(catalog.defaultRole, {});
  for (const { role, parameters, line } of catalog.rules) {
    add(role, parameters, { who: `the rule on line ${line}`, line });
  }
  for (const { mac, role, parameters, line } of catalog.machines.values()) {
    if (role !== undefined) add(role, parameters, { who: mac, line });
  }
  return [...members.values()];
}

/** `v1.36.0`; minor versions are counted through majors. Undefined for anything else, such as a commit. */
function parseVersion(given: unknown): Version | undefined {
  const [, major, minor] =
    typeof given === 'string' ? (/^v?(\d{1,3})\.(\d{1,4})(?:\.|$)/.exec(given) ?? []) : [];
  if (major === undefined || minor === undefined) return undefined;
  return { text: String(given), minor: Number(major) * 10_000 + Number(minor) };
}
