import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from './config/port.ts';
import { type Problem, toTinderboxError } from './errors.ts';
import type { MachineFacts } from './machine/facts.ts';
import { type Ipv4, parseIpv4 } from './machine/ipv4.ts';
import { type Mac, parseMac } from './machine/mac.ts';
import type { Catalog, Parameters, Role } from './machine/role.ts';
import { buildContext } from './render/build-context.ts';
import { type BootFiles, renderBootFiles } from './render/render-boot-files.ts';
import { renderConfig } from './render/render-config.ts';

/** Who stands in for "any machine" when a role is tried out. */
const SAMPLE_MAC = parseMac('52:54:00:00:00:01') as Mac;
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

/**
 * Renders every role as its machines would get it, and looks for what they would fetch from /assets. A role that
 * some machine can get must be whole; what nobody uses yet is a warning.
 */
export async function checkRoleAssets(config: Config, catalog: Catalog): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  const add = (problem: Problem): void => {
    const key = `${problem.file}:${problem.line}:${problem.message}`;
    if (!seen.has(key)) problems.push(problem);
    seen.add(key);
  };
  for (const use of usesOf(catalog)) {
    const severity = use.used ? 'error' : 'warning';
    try {
      for (const { path, line } of namedFiles(use.role, tryOut(config, use))) {
        const missing = await missingAsset(config, path);
        if (missing !== undefined) add({ severity, file: use.role.file, line, ...missing });
      }
    } catch (thrown) {
      const { message, remedy, problems: found } = toTinderboxError(thrown);
      for (const problem of found)
        add({ ...problem, severity, message: `role ${use.role.name}: ${problem.message}` });
      if (found.length > 0) continue;
      add({
        severity,
        message: `role ${use.role.name}: ${message}`,
        ...(remedy === undefined ? {} : { remedy }),
      });
    }
  }
  return problems;
}

interface RoleUse {
  readonly role: Role;
  readonly parameters: Parameters;
  readonly mac: Mac;
  readonly hostname: string;
  readonly address?: Ipv4;
  readonly used: boolean;
}

/** Each role with its defaults, and again as each rule and each machine overrides them. */
function usesOf(catalog: Catalog): readonly RoleUse[] {
  const uses: RoleUse[] = [];
  const given = new Set<string | null>([catalog.defaultRole]);
  const use = (name: string, parameters: Parameters, rest: Partial<RoleUse> = {}): void => {
    const role = catalog.roles.get(name);
    if (role === undefined) return;
    given.add(name);
    const all = { ...role.parameters, ...parameters };
    uses.push({ role, mac: SAMPLE_MAC, hostname: 'node-000001', used: true, ...rest, parameters: all });
  };
  for (const rule of catalog.rules) use(rule.role, rule.parameters);
  for (const { mac, role, hostname, address, parameters } of catalog.machines.values()) {
    const rest = {
      mac,
      ...(hostname === undefined ? {} : { hostname }),
      ...(address === undefined ? {} : { address }),
    };
    if (role !== undefined) use(role, parameters, rest);
  }
  if (catalog.defaultRole !== null) use(catalog.defaultRole, {});
  for (const role of catalog.roles.values()) {
    if (!given.has(role.name)) {
      uses.push({ role, parameters: role.parameters, mac: SAMPLE_MAC, hostname: 'node-000001', used: false });
    }
  }
  return uses;
}

function tryOut(config: Config, { role, parameters, mac, hostname, address }: RoleUse): BootFiles {
  const context = buildContext({
    plan: {
      kind: 'boot',
      role,
      hostname,
      parameters,
      reasons: [],
      ...(address === undefined ? {} : { address }),
    },
    facts: { ...SAMPLE_FACTS, mac },
    cluster: config.cluster,
    server: { address: SAMPLE_ADDRESS, url: 'http://192.0.2.1' },
    subnets: [],
    sessionUrl: 'http://192.0.2.1/boot/0-check',
  });
  if (role.config !== undefined) renderConfig(role, context);
  return renderBootFiles(role, context);
}

/** What a machine would fetch, with the line of role.yaml that names it. */
function namedFiles({ boot }: Role, { kernel, initrd }: BootFiles) {
  // An initrd that renders to nothing is left out: then the list's own line has to do.
  const lineOf = (index: number): number =>
    (initrd.length === boot.initrd.length ? boot.initrd[index] : boot.initrd[0])?.line ?? boot.kernel.line;
  return [
    { path: kernel, line: boot.kernel.line },
    ...initrd.map((path, index) => ({ path, line: lineOf(index) })),
  ];
}

async function missingAsset(
  config: Config,
  path: string,
): Promise<{ message: string; remedy: string } | undefined> {
  if (!path.startsWith('/assets/')) return undefined;
  const file = join(config.paths.assets, decodeURIComponent(path.slice('/assets/'.length)));
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() === true && found.size > 0) return undefined;
  const what = found === undefined ? 'does not exist' : found.isFile() ? 'is empty' : 'is not a regular file';
  return { message: `the asset ${path} ${what}`, remedy: `Put it at ${file}.` };
}
