import { readFile } from 'node:fs/promises';
import { hostname as hostnameOfHost, networkInterfaces, arch as processor } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { checkParameters } from './boot/check-parameters.ts';
import { chooseStanding } from './boot/choose-role.ts';
import { clusterMembers } from './boot/cluster-members.ts';
import { mergeParameters } from './boot/merge-parameters.ts';
import { checkOwnFolder } from './check-own-folder.ts';
import { readClusterAuthorities, requireCluster } from './cluster-authorities.ts';
import { findSudoUid } from './config/invoking-user.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import { keepCertificates } from './keep-certificates.ts';
import type { MachineArch } from './machine/architecture.ts';
import type { Identity } from './machine/identity.ts';
import { formatIpv4, type Ipv4 } from './machine/ipv4.ts';
import { type Mac, parseMac } from './machine/mac.ts';
import type { Catalog, MachineEntry, ParameterValue, Role } from './machine/role.ts';
import { issueIdentity } from './machine-identity.ts';
import { profileOf } from './pki/certificate-profiles.ts';
import { presentInterfaces, serverAddressOf, serverUrlOf } from './preflight.ts';
import { buildContext } from './render/build-context.ts';
import type { IdentityContext } from './render/context.ts';
import { noIdentity } from './render/context.ts';
import { installScript } from './render/install-script.ts';
import { type LaidOutConfig, type LaidOutFile, layOutConfig } from './render/lay-out-config.ts';
import { renderConfig } from './render/render-config.ts';
import { suggestName } from './render/suggest-name.ts';
import { clusterOf } from './wire-http.ts';
import { type WrittenFolder, writeRoleFolder } from './write-role-folder.ts';

export interface RenderRoleOptions {
  readonly role: string;
  /** Absolute. */
  readonly out: string;
  /** Absent: this host's. */
  readonly hostname?: string;
  readonly address?: Ipv4;
  /** `name=value` each. */
  readonly parameters: readonly string[];
  readonly force: boolean;
  readonly clock?: () => number;
}

export interface RenderedRole extends WrittenFolder {
  readonly role: string;
  readonly hostname: string;
  readonly address: string;
  readonly holdsKeys: boolean;
  /** What the operator is to know or to do, each a sentence. */
  readonly notes: readonly string[];
}

/**
 * A role for a host that is installed already: its files, units, keys and certificates in a folder, with a script that
 * puts them in place. Nothing of the host itself is touched. Throws TinderboxError: `not-found` for a role that is not
 * there or has no configuration, `usage` on what does not fit, `refused` where the folder holds what is not ours, others
 * may write to it, or the authorities may not be read, `invalid-template` if the role does not render.
 */
export async function renderRole(
  config: Config,
  catalog: Catalog,
  options: RenderRoleOptions,
): Promise<RenderedRole> {
  const { clock = Date.now } = options;
  const found = catalog.roles.get(options.role);
  if (found === undefined) {
    const remedy = suggestName(options.role, [...catalog.roles.keys()]);
    throw new TinderboxError(
      'not-found',
      `there is no role ${options.role}`,
      remedy === undefined ? {} : { remedy },
    );
  }
  if (found.config !== undefined && found.config.format !== 'cloud-config') {
    throw new TinderboxError(
      'refused',
      `the configuration of role ${found.name} is ${found.config.format}, and only a cloud-config is taken apart into files`,
      { remedy: `Give the host what its own system reads: tinderbox render MAC, docs/dialects.md.` },
    );
  }
  // Before keys are looked for there, and before any is made.
  await checkOwnFolder(options.out, findSudoUid());
  // The host has no boot session to send a signing request to: its keys are made here.
  const role: Role = { ...found, credentials: { ...found.credentials, delivery: 'issued' } };
  const host = await chooseHost(config, catalog, role, options);
  const { parameters, notes } = chooseParameters(role, host.entry, options.parameters);
  const identity =
    role.identity === 'none'
      ? noIdentity(host.hostname)
      : await issueIdentity({
          role,
          hostname: host.hostname,
          addresses: [host.address],
          cluster: requireCluster(config),
          catalog,
          csrUrl: undefined,
          authorities: keepCertificates(
            await readClusterAuthorities(config, clock),
            async ({ name }) => {
              const files = profileOf(name).files[role.credentials.layout];
              return await readPair(options.out, files);
            },
            clock(),
          ),
        });
  const arch = ARCHES[processor()];
  const context = buildContext({
    plan: { kind: 'boot', role, hostname: host.hostname, address: host.address, parameters, reasons: [] },
    facts: { mac: host.entry?.mac ?? NO_MAC, ...(arch === undefined ? {} : { arch }) },
    cluster: clusterOf(config, catalog),
    server: host.server,
    // Its networks are the operator's: without a prefix no unit for one is written.
    subnets: [],
    sessionUrl: NO_SESSION,
    identity,
  });
  // A report has nowhere to go, and must not fail for ever: curl reads this one, and sends nothing.
  const { body } = renderConfig(role, { ...context, reportUrl: NO_REPORT });
  const laidOut = layOutConfig(body, role.name);
  const files = [...laidOut.files, ...missingSecrets(laidOut, body, identity)];
  const script = installScript({ files, steps: laidOut.steps }, role.name);
  const written = await writeRoleFolder({
    folder: options.out,
    force: options.force,
    title: { role: role.name, hostname: host.hostname, address: formatIpv4(host.address) },
    files: [...files, { path: '/install.sh', content: Buffer.from(script), mode: 0o755, owner: 'root' }],
  });
  return {
    ...written,
    role: role.name,
    hostname: host.hostname,
    address: formatIpv4(host.address),
    holdsKeys: files.some(({ content }) => content.includes('PRIVATE KEY-----')),
    notes: [...notes, ...written.notes, ...laidOut.left.map((what) => `left to you: ${what}`)],
  };
}

const NO_MAC = parseMac('00:00:00:00:00:00') as Mac;
const NO_SESSION = 'http://no-session.invalid/boot/none';
const NO_REPORT = 'file:///dev/null';
const ARCHES: Readonly<Partial<Record<string, MachineArch>>> = { x64: 'x86_64', arm64: 'arm64', ia32: 'x86' };

/** Who the host is: its name and address must be those that the other machines of the cluster are told. */
async function chooseHost(config: Config, catalog: Catalog, role: Role, options: RenderRoleOptions) {
  const here = hostnameOfHost().split('.')[0]?.toLowerCase() ?? '';
  const hostname = (options.hostname ?? here).toLowerCase();
  const entry = [...catalog.machines.values()].find((each) => each.hostname?.toLowerCase() === hostname);
  if (entry !== undefined) refuseOther(catalog, entry, hostname);
  const [first] = await presentInterfaces(config);
  const member = memberOf(config, catalog, role.identity, hostname);
  const own = options.address ?? member ?? entry?.address;
  const address = own ?? (hostname === here && first !== undefined ? serverAddressOf(first) : undefined);
  if (address === undefined) {
    throw new TinderboxError('usage', `the address of ${hostname} is not known`, {
      remedy: 'Give it: --address 10.77.0.10',
    });
  }
  if (member !== undefined && member !== address) {
    throw new TinderboxError(
      'usage',
      `${hostname} has the address ${formatIpv4(member)} in ${config.file}, not ${formatIpv4(address)}`,
      { remedy: 'Other machines are told the former: correct one of them.' },
    );
  }
  const server = {
    address: first === undefined ? address : serverAddressOf(first),
    url:
      first === undefined ? (config.http.url ?? `http://${formatIpv4(address)}`) : serverUrlOf(config, first),
  };
  return { hostname, address, entry, server };
}

/**
 * Two machines with one name and one certificate would be one Node. A machine that boots its own disk, or is this
 * host, is the host that is meant.
 */
function refuseOther(catalog: Catalog, { mac, line }: MachineEntry, hostname: string): void {
  const { role } = chooseStanding({ mac }, catalog);
  if (role?.boot.kind !== 'kernel') return;
  const own = Object.values(networkInterfaces()).flatMap(
    (addresses) => addresses?.map((one) => one.mac) ?? [],
  );
  if (own.includes(mac)) return;
  throw new TinderboxError(
    'refused',
    `the hostname ${hostname} belongs to ${mac} (${catalog.file}:${line}), which Tinderbox boots as ${role.name}`,
    {
      remedy: `Give the host another name: --hostname NAME. If ${mac} is the host, let it boot its own disk: tinderbox assign ${mac} local.`,
    },
  );
}

/** The address that the cluster's members are told of this one. Throws `invalid-config` if they are told nothing. */
function memberOf(config: Config, catalog: Catalog, identity: Identity, hostname: string): Ipv4 | undefined {
  if (identity !== 'controller' && identity !== 'etcd') return undefined;
  const members = clusterMembers(requireCluster(config), catalog);
  const [list, key] =
    identity === 'controller' ? [members.controllers, 'controllers'] : [members.etcd, 'etcd'];
  const found = list.find((peer) => peer.hostname === hostname);
  if (found !== undefined) return found.address;
  const known = list.map((peer) => `${peer.hostname} (${formatIpv4(peer.address)})`).join(', ');
  throw new TinderboxError(
    'invalid-config',
    `${hostname} is not among the cluster's ${key}: ${known === '' ? 'there are none' : known}`,
    {
      remedy: `Name it in ${config.file}: cluster: { ${key}: [{ hostname: ${hostname}, address: … }] }, or give --hostname.`,
    },
  );
}

function chooseParameters(role: Role, entry: MachineEntry | undefined, given: readonly string[]) {
  const notes: string[] = [];
  const own: Record<string, ParameterValue> = {};
  for (const text of given) {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === '') throw new TinderboxError('usage', `--parameter '${text}' is not name=value`);
    if (!Object.hasOwn(role.parameters, name)) {
      const remedy = suggestName(name, Object.keys(role.parameters));
      throw new TinderboxError(
        'usage',
        `role ${role.name} has no parameter ${name}`,
        remedy === undefined ? {} : { remedy },
      );
    }
    own[name] = typeof role.parameters[name] === 'string' ? value : parseValue(text, value);
  }
  const [flaw] = checkParameters(role, own);
  if (flaw !== undefined) throw new TinderboxError('usage', `--parameter: ${flaw.message}`);
  const parameters = mergeParameters(role.parameters, entry?.parameters, own);
  const disks: Record<string, ParameterValue> = {};
  for (const [name, note] of Object.entries(DISKS)) {
    if (parameters[name] === undefined || own[name] !== undefined) continue;
    const value = hostDisk(role, name);
    if (parameters[name] === value) continue;
    disks[name] = value;
    notes.push(`${note}: the parameter ${name} is ${value} (--parameter ${name}=… changes it)`);
  }
  return { parameters: { ...parameters, ...disks }, notes };
}

/** A role that knows `host` leaves its folder as the system has it; `none` has it in memory. */
function hostDisk({ checks }: Role, name: string): 'host' | 'none' {
  const choices = checks?.[name];
  return Array.isArray(choices) && choices.includes('host') ? 'host' : 'none';
}

/**
 * The roles run from memory and take disks for their own, one of them wiped at each boot. A host that was installed
 * has something on its disks, and its folders last.
 */
const DISKS: Readonly<Record<string, string>> = {
  disk: 'no disk is wiped on an installed host',
  etcdDisk: "etcd's data is in /var/lib/etcd, on the disk that the host has there",
};

function parseValue(text: string, value: string): ParameterValue {
  try {
    return parse(value, { schema: 'core', logLevel: 'error' }) as ParameterValue;
  } catch (cause) {
    throw new TinderboxError('usage', `--parameter '${text}': the value is not YAML`, { cause });
  }
}

/** What the role speaks of but, made for machines that fetch their own, does not write. */
function missingSecrets(
  { files }: LaidOutConfig,
  body: string,
  { certificates, authorities, serviceAccounts }: IdentityContext,
): readonly LaidOutFile[] {
  const written = new Set(files.map(({ path }) => path));
  const all: readonly (readonly [path: string, pem: string, mode: number])[] = [
    ...certificates.flatMap((one) => [
      [one.certificateFile, one.certificate, 0o644] as const,
      [one.keyFile, one.key, 0o600] as const,
    ]),
    ...authorities.map((one) => [one.file, one.certificate, 0o644] as const),
    [serviceAccounts.publicKeyFile, serviceAccounts.publicKey, 0o644],
    [serviceAccounts.privateKeyFile, serviceAccounts.privateKey, 0o600],
  ];
  return all
    .filter(([path, pem]) => pem !== '' && !written.has(path) && body.includes(path))
    .map(([path, pem, mode]) => ({ path, content: Buffer.from(pem), mode, owner: 'root' }));
}

async function readPair(folder: string, files: { readonly certificate: string; readonly key: string }) {
  try {
    return {
      certificate: await readFile(join(folder, files.certificate), 'utf8'),
      key: await readFile(join(folder, files.key), 'utf8'),
    };
  } catch {
    // Not there, or not readable: a new one is made.
    return undefined;
  }
}
