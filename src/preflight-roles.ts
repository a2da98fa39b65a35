import { parse } from 'yaml';
import { mergeParameters } from './boot/merge-parameters.ts';
import { withChoices } from './catalog/check-menus.ts';
import type { Config } from './config/port.ts';
import { type Problem, toTinderboxError } from './errors.ts';
import type { ClusterSettings } from './machine/cluster.ts';
import type { Labels, MachineFacts } from './machine/facts.ts';
import type { Identity } from './machine/identity.ts';
import { type Ipv4, parseIpv4 } from './machine/ipv4.ts';
import { type Mac, parseMac } from './machine/mac.ts';
import type { Catalog, MachineEntry, Parameters, Role } from './machine/role.ts';
import { sampleIdentity } from './machine-identity.ts';
import { isGrubOrShim } from './preflight-loaders.ts';
import { buildContext } from './render/build-context.ts';
import { checkArguments } from './render/check-arguments.ts';
import type { TemplateContext } from './render/context.ts';
import { type BootFiles, renderBootFiles } from './render/render-boot-files.ts';
import { renderConfig, renderConfigFiles } from './render/render-config.ts';
import { grubMachineScript } from './render/render-grub.ts';
import { clusterOf } from './wire-http.ts';

/** Who stands in for "any machine" when a role is tried out. */
const SAMPLE_MAC = parseMac('52:54:00:00:00:01') as Mac;
const SAMPLE_HOSTNAME = 'node-000001';
/** What every machine says of itself by the time it is served: a role that requires it is not broken. */
const SAMPLE_FACTS: Omit<MachineFacts, 'mac'> = {
  uuid: '52540000-0001-4000-8000-525400000001',
  arch: 'x86_64',
  serial: 'SAMPLE-1',
  asset: 'SAMPLE-1',
  manufacturer: 'Sample',
  product: 'Sample',
  platform: 'efi',
};
const SAMPLE_ADDRESS = parseIpv4('192.0.2.1') as Ipv4;
const SAMPLE_SESSION = 'http://192.0.2.1/boot/0-check';
/** Of a machine whose address is not known yet. */
export const SAMPLE_MACHINE_ADDRESS = parseIpv4('203.0.113.254') as Ipv4;

/**
 * Roles are tried out in the daemon's only thread, at every edit. A try takes from a fraction of a millisecond to some,
 * and as many different ones as this need machines that have all their own parameters.
 */
const MAX_TRIES = 500;

/** Others must find them: they are given a hostname and an address before they boot. */
const MEMBERS: readonly Identity[] = ['controller', 'etcd'];

/** A role that rendered, and what it would have a machine fetch, if it has it fetch anything. */
export interface TriedRole {
  readonly role: Role;
  readonly files: BootFiles | undefined;
  /** Whether some machine can get it. */
  readonly used: boolean;
}

export interface TriedRoles {
  readonly rendered: readonly TriedRole[];
  readonly problems: readonly Problem[];
}

/**
 * Renders every role as its machines would get it, once for all machines that cannot make a difference. What some
 * machine can get must render; a role that nobody uses yet is a warning.
 */
export function tryRoles(config: Config, catalog: Catalog): TriedRoles {
  const rendered: TriedRole[] = [];
  const problems: Problem[] = [];
  const said = new Set<string>();
  const add = (problem: Problem): void => {
    const key = `${problem.file}:${problem.line}:${problem.message}`;
    if (!said.has(key)) problems.push(problem);
    said.add(key);
  };
  const uses = usesOf(catalog);
  for (const use of uses.slice(0, MAX_TRIES)) {
    const { role, used, whose } = use;
    // Controllers and members of etcd are of a cluster: where there is none they are not to be used, and none is.
    if (!used && config.cluster === undefined && MEMBERS.includes(role.identity)) continue;
    const severity = used ? 'error' : 'warning';
    try {
      const known = isUnusedMember(use) ? withMember(catalog, use) : catalog;
      const { files, grubProblem } = tryOut(use, config, known);
      rendered.push({ role, used, files });
      for (const problem of checkArguments(role, files, SAMPLE_SESSION)) add(problem);
      if (grubProblem !== undefined) add(grubProblem);
    } catch (thrown) {
      const { code, message, remedy, problems: found } = toTinderboxError(thrown);
      // A machine that may have no certificate, or a cluster that nobody can have one in: preflight-cluster says so.
      if ((code === 'refused' && whose !== undefined) || code === 'invalid-config') continue;
      const what = `role ${role.name}${whose === undefined ? '' : ` for ${whose}`}`;
      const why = blame(use, config, catalog);
      for (const problem of found)
        add({ ...problem, severity, message: `${what}: ${problem.message}${why}` });
      if (found.length > 0) continue;
      add({ severity, message: `${what}: ${message}${why}`, ...(remedy === undefined ? {} : { remedy }) });
    }
  }
  if (uses.length > MAX_TRIES) {
    const message = `only the first ${MAX_TRIES} of ${uses.length} different parameters of machines were tried out`;
    const remedy = 'Give parameters to a rule or a role instead; `tinderbox render MAC` tries one machine.';
    add({ severity: 'warning', file: catalog.file, message, remedy });
  }
  return { rendered, problems };
}

interface RoleUse {
  readonly role: Role;
  readonly parameters: Parameters;
  readonly mac: Mac;
  readonly hostname: string;
  readonly address?: Ipv4;
  readonly used: boolean;
  /** Of the rule that gives it: whom it matches has them. */
  readonly labels?: Labels;
  /** What of it is the machine's or the rule's own, and the lines where that stands. */
  readonly own?: Parameters;
  readonly ownLines?: Readonly<Record<string, number>>;
  /** Who gets it so; absent where nothing of it is their own. */
  readonly whose?: string;
}

/** Each role with its defaults, and again as each rule and each machine overrides them; those that are alike, once. */
function usesOf(catalog: Catalog): readonly RoleUse[] {
  const uses = new Map<string, RoleUse>();
  const given = new Set<string | null>([catalog.defaultRole]);
  const use = (name: string, parameters: Parameters, whose?: string, rest: Partial<RoleUse> = {}): void => {
    for (const one of withChoices(name, catalog.roles)) useOne(one, parameters, whose, rest);
  };
  const useOne = (
    name: string,
    parameters: Parameters,
    whose?: string,
    rest: Partial<RoleUse> = {},
  ): void => {
    const role = catalog.roles.get(name);
    if (role === undefined) return;
    given.add(name);
    const { mac = SAMPLE_MAC, hostname = SAMPLE_HOSTNAME, address } = rest;
    // YAML 1.1 takes a MAC without letters for a number of base 60.
    const shape = [shapeOf(hostname), /[a-f]/.test(mac), address === undefined];
    const key = JSON.stringify([name, parameters, shape, rest.labels]);
    if (uses.has(key)) return;
    const own = Object.keys(parameters).length > 0 || rest.hostname !== undefined || address !== undefined;
    uses.set(key, {
      role,
      used: true,
      ...rest,
      mac,
      hostname,
      parameters: mergeParameters(role.parameters, parameters),
      own: parameters,
      ...(own && whose !== undefined ? { whose } : {}),
    });
  };
  if (catalog.defaultRole !== null) use(catalog.defaultRole, {});
  for (const { role, match, parameters, parameterLines: ownLines = {}, line } of catalog.rules) {
    const labels = sampleLabels(match.labels);
    use(role, parameters, `the rule on line ${line}`, {
      ownLines,
      ...(labels === undefined ? {} : { labels }),
    });
  }
  for (const entry of catalog.machines.values()) {
    const { mac, role, once, hostname, address, parameters, parameterLines: ownLines = {}, line } = entry;
    for (const name of [role, once]) {
      if (name === undefined) continue;
      use(name, parameters, `${mac} (line ${line})`, {
        mac,
        ownLines,
        ...(hostname === undefined ? {} : { hostname }),
        ...(address === undefined ? {} : { address }),
      });
    }
  }
  for (const { name, identity } of catalog.roles.values()) {
    if (given.has(name)) continue;
    // Not what a menu offers that nobody is given.
    const address = MEMBERS.includes(identity) ? { address: SAMPLE_MACHINE_ADDRESS } : {};
    useOne(name, {}, undefined, { used: false, ...address });
  }
  return [...uses.values()];
}

function isUnusedMember({ role, used }: RoleUse): boolean {
  return !used && MEMBERS.includes(role.identity);
}

/** As its first machine would have to stand in machines.yaml: a member that is none cannot be rendered. */
function withMember(catalog: Catalog, { role, mac, hostname, address }: RoleUse): Catalog {
  const entry: MachineEntry = {
    mac,
    role: role.name,
    hostname,
    ...(address === undefined ? {} : { address }),
    parameters: {},
    line: 0,
  };
  return { ...catalog, machines: new Map([...catalog.machines, [mac, entry]]) };
}

/** Tries again, at most so often, without one of the parameters that are not the role's. */
const MAX_BLAMED = 20;

/** The one parameter without which it renders, and its line, for the end of a message; '' if there is no such one. */
function blame(use: RoleUse, config: Config, catalog: Catalog): string {
  const { role, own = {}, ownLines = {} } = use;
  for (const name of Object.keys(own).slice(0, MAX_BLAMED)) {
    const rest = Object.fromEntries(Object.entries(own).filter(([other]) => other !== name));
    try {
      tryOut({ ...use, parameters: mergeParameters(role.parameters, rest) }, config, catalog);
    } catch {
      continue;
    }
    const line = ownLines[name];
    return `; because of the parameter ${name}${line === undefined ? '' : ` (${catalog.file}:${line})`}`;
  }
  return '';
}

function sampleLabels(patterns: Labels | undefined): Labels | undefined {
  if (patterns === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(patterns).map(([name, text]) => [name, text.replaceAll('*', 'x')]),
  );
}

/** What a configuration can tell of a hostname: how long it is, and whether YAML 1.1 takes it for more than text. */
function shapeOf(hostname: string): string {
  const plain = /^[a-z]+-[a-z0-9-]*$/.test(hostname);
  return `${plain ? 'string' : typeof parse(hostname, { version: '1.1' })} ${hostname.length}`;
}

function tryOut(
  { role, parameters, mac, hostname, address, labels = {} }: RoleUse,
  config: Config,
  catalog: Catalog,
): { readonly files: BootFiles | undefined; readonly grubProblem: Problem | undefined } {
  const context = buildContext({
    plan: {
      kind: 'boot',
      role,
      hostname,
      parameters,
      reasons: [],
      ...(address === undefined ? {} : { address }),
    },
    facts: { ...SAMPLE_FACTS, mac, labels },
    cluster: clusterOf(config, catalog),
    server: { address: SAMPLE_ADDRESS, url: 'http://192.0.2.1' },
    syslogPort: config.syslog.port,
    subnets: [],
    sessionUrl: SAMPLE_SESSION,
    identity: sampleIdentity({
      role,
      hostname,
      addresses: [address ?? SAMPLE_MACHINE_ADDRESS],
      cluster:
        role.identity === 'controller'
          ? withController(config.cluster, hostname, address ?? SAMPLE_MACHINE_ADDRESS)
          : config.cluster,
      catalog,
      csrUrl: `${SAMPLE_SESSION}/csr`,
    }),
  });
  if (role.config !== undefined) renderConfig(role, context);
  renderConfigFiles(role, context);
  const files = renderBootFiles(role, context);
  return { files, grubProblem: tryGrub(role, context, hostname) };
}

/** A role whose loader is GRUB for some firmware, and that GRUB cannot boot. Its other machines may have iPXE: a warning. */
function tryGrub(role: Role, context: TemplateContext, hostname: string): Problem | undefined {
  const grub = [...(role.loaders?.values() ?? [])].find(isGrubOrShim);
  if (grub === undefined || role.boot.kind === 'hold') return undefined;
  try {
    grubMachineScript({ role, context, hostname, transport: 'http' });
    return undefined;
  } catch (thrown) {
    const { message, remedy } = toTinderboxError(thrown);
    return {
      severity: 'warning',
      file: role.file,
      message: `role ${role.name} has the loader ${grub}, and GRUB cannot boot it: ${message}`,
      ...(remedy === undefined ? {} : { remedy }),
    };
  }
}

/** Whether the role can be rendered is asked here, not whether the machine is one of the cluster's controllers. */
function withController(
  cluster: ClusterSettings | undefined,
  hostname: string,
  address: Ipv4,
): ClusterSettings | undefined {
  if (cluster === undefined) return undefined;
  // The first of a name counts.
  return { ...cluster, controllers: [{ hostname: hostname.toLowerCase(), address }, ...cluster.controllers] };
}
