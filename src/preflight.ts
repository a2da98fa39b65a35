import { join } from 'node:path';
import { packageOf } from './boot/choose-bootfile.ts';
import { filesOfRoles, SHIMS } from './boot/choose-loaders.ts';
import { loadCatalog } from './catalog/load-catalog.ts';
import type { Config } from './config/port.ts';
import { resolveSubnets } from './config/resolve-subnets.ts';
import type { Problem } from './errors.ts';
import { formatIpv4 } from './machine/ipv4.ts';
import type { Catalog } from './machine/role.ts';
import { missingInterface, readInterfaces } from './net/interfaces.ts';
import type { NetworkInterface } from './net/port.ts';
import { checkRoleAssets } from './preflight-assets.ts';
import {
  checkAuthorities,
  checkCluster,
  checkGivenAway,
  checkIdentities,
  checkVirtualAddresses,
} from './preflight-cluster.ts';
import { checkProxyLoaders } from './preflight-loaders.ts';
import { checkAssetServers } from './preflight-mirrors.ts';
import { type TriedRole, tryRoles } from './preflight-roles.ts';
import { checkState, checkStateFolder } from './preflight-state.ts';
import { checkVersions } from './preflight-versions.ts';
import { checkRoleTemplates } from './render/check-templates.ts';
import { allLoaders, type BootFileIndex, createBootFileIndex } from './servers/boot-file-index.ts';
import {
  type BootFiles,
  createBootFiles,
  DISTRIBUTION_FOLDERS,
  PACKAGED_FILES,
} from './servers/tftp-files.ts';

/** What `check` reports and `serve` starts from: everything that can be known without opening a socket. */
export interface Preflight {
  readonly problems: readonly Problem[];
  /** Errors that keep certificates from being issued, and nothing from being started. */
  readonly issuing: readonly Problem[];
  /** Those of `problems` that end without an edit: a disk that is mounted late, a package that is not installed yet. */
  readonly lacking: readonly Problem[];
  /** Errors that keep an interface from being served for now, and nothing from being started. */
  readonly waiting: readonly Problem[];
  /** Undefined where profiles/ is broken. */
  readonly catalog: Catalog | undefined;
  /** Those of its roles that render, with what they have machines load. */
  readonly roles: readonly TriedRole[];
  /** Every interface of the host, as it was looked at. */
  readonly host: readonly NetworkInterface[];
  readonly bootFiles: BootFiles;
  readonly bootFileIndex: BootFileIndex;
}

/** Collects all problems at once: of the profiles, the interfaces, the networks, the boot files, the assets. */
export async function runPreflight(config: Config): Promise<Preflight> {
  const { catalog, problems: catalogProblems } = await loadCatalog(config.paths.profiles, {
    generation: 1,
    checkRole: checkRoleTemplates,
  });
  const problems: Problem[] = [...catalogProblems];
  const waiting: Problem[] = [];
  const interfaces: NetworkInterface[] = [];
  const host = await readInterfaces();
  for (const name of config.network.interfaces) {
    const { found, missing, problem } = inspectInterface(config, name, host);
    if (problem !== undefined) problems.push(problem);
    if (missing !== undefined) waiting.push(missing);
    if (found !== undefined) interfaces.push(found);
  }
  const resolved = placeSubnets(config, interfaces, catalog);
  // Without its interface nothing can be said of a subnet; that the interface is missing has been said.
  if (interfaces.length === config.network.interfaces.length) problems.push(...resolved.problems);

  const loaders = allLoaders(config.loaders);
  const bootFiles = createBootFiles({
    folder: join(config.paths.assets, 'ipxe'),
    distributionFolders: DISTRIBUTION_FOLDERS,
    loaderNames: [...new Set(loaders.values())],
    packagedFiles: PACKAGED_FILES,
  });
  const bootFileIndex = createBootFileIndex(bootFiles, loaders);
  if (catalog !== undefined) bootFileIndex.nameFiles(filesOfRoles(catalog));
  await bootFileIndex.refresh();
  const stateFolder = await checkStateFolder(config);
  const lacking: Problem[] = [...checkBootFiles(config, bootFileIndex), ...stateFolder];
  problems.push(...lacking, ...checkBootFileNames(config, interfaces, bootFileIndex));
  problems.push(...checkProxyLoaders(config, catalog), ...checkAssetServers(config, host));
  const authorities = await checkAuthorities(config, Date.now());
  if (stateFolder.length === 0) problems.push(...(await checkState(config)));
  problems.push(...checkCluster(config), ...authorities.problems);
  const roles = catalog === undefined ? { rendered: [], problems: [] } : tryRoles(config, catalog);
  if (catalog !== undefined) {
    const assets = await checkRoleAssets(config, roles.rendered);
    lacking.push(...assets);
    problems.push(
      ...checkIdentities(config, catalog),
      ...checkVirtualAddresses(config, catalog),
      ...checkGivenAway(config, resolved.subnets, catalog),
      ...roles.problems,
      ...checkVersions(catalog),
      ...assets,
      ...checkRoleBootFiles(config, catalog, bootFileIndex),
    );
  }
  const { issuing } = authorities;
  const { rendered } = roles;
  return { problems, issuing, lacking, waiting, catalog, roles: rendered, host, bootFiles, bootFileIndex };
}

/** The networks of the configuration on these interfaces, and the reservations that lie outside of them. */
export function placeSubnets(
  config: Config,
  interfaces: readonly NetworkInterface[],
  catalog: Catalog | undefined,
) {
  const reservations = [...(catalog?.machines.values() ?? [])].flatMap(({ mac, address, line }) =>
    address === undefined ? [] : [{ mac, address, line }],
  );
  const machinesFile = catalog === undefined ? {} : { machinesFile: catalog.file };
  return resolveSubnets(config.dhcp, { interfaces, reservations, configFile: config.file, ...machinesFile });
}

/**
 * What makes an edit of profiles/ broken although it is sound in itself: a reservation that no network holds, a role
 * that does not render for one of its machines. With neither would the daemon start again. While an interface is not
 * there, nothing is said of reservations: they may be of its network.
 */
export function catalogCheck(config: Config, interfaces: readonly NetworkInterface[]) {
  return (catalog: Catalog): readonly Problem[] => [
    ...(interfaces.length < config.network.interfaces.length
      ? []
      : placeSubnets(config, interfaces, catalog).problems.filter(({ file }) => file === catalog.file)),
    ...checkIdentities(config, catalog),
    ...checkVirtualAddresses(config, catalog),
    ...tryRoles(config, catalog).problems,
    ...checkVersions(catalog),
  ];
}

/** The provisioning interfaces that exist. */
export async function presentInterfaces(config: Config): Promise<readonly NetworkInterface[]> {
  const host = await readInterfaces();
  return config.network.interfaces.flatMap((name) => inspectInterface(config, name, host).found ?? []);
}

/** `missing`: it is not there, or nothing can be served there yet. */
function inspectInterface(
  config: Config,
  name: string,
  host: readonly NetworkInterface[],
): { found?: NetworkInterface; missing?: Problem; problem?: Problem } {
  const found = host.find((one) => one.name === name);
  if (found === undefined) {
    const { message, remedy } = missingInterface(name, host);
    return { missing: error(config.file, `network.interface: ${message}`, remedy) };
  }
  if (found.addresses.length === 0) {
    const remedy = `Give it one (ip address add 10.77.0.1/24 dev ${name}); machines are told this address.`;
    return { missing: error(config.file, `network.interface: ${name} has no IPv4 address`, remedy) };
  }
  if (found.up) return { found };
  const remedy = `Bring it up (ip link set ${name} up) before a machine asks.`;
  return {
    found,
    problem: { ...error(config.file, `network.interface: ${name} is down`, remedy), severity: 'warning' },
  };
}

/** A loader that the operator named, or that a package brings, must be there; others are only told of. */
export function checkBootFiles(config: Config, index: BootFileIndex): readonly Problem[] {
  if (config.dhcp.mode === 'off') return [];
  return index
    .rows()
    .filter(({ expected, file, path }) => expected && file !== undefined && path === undefined)
    .map(({ file, label }) =>
      error(
        config.file,
        `no boot file for ${label}: ${file} is neither in ${join(config.paths.assets, 'ipxe')} nor in ${DISTRIBUTION_FOLDERS.join(', ')}`,
        packageOf(file ?? '') === 'ipxe'
          ? 'Put it into the first, or install the package ipxe (Debian, Ubuntu), ipxe-bootimgs (Fedora).'
          : `Put it into the first, or install the package ${packageOf(file ?? '')} (Debian, Ubuntu).`,
      ),
    );
}

/** As checkRoleAssets: what is not there yet is said, and keeps nothing from being started. */
export function checkRoleBootFiles(
  { dhcp, paths }: Config,
  { roles }: Pick<Catalog, 'roles'>,
  index: Pick<BootFileIndex, 'isPresent'>,
): readonly Problem[] {
  if (dhcp.mode === 'off') return [];
  return [...roles.values()].flatMap(({ name, file, loaders }) =>
    [...new Set(loaders?.values() ?? [])]
      // Of the three that secureBoot stands for, a fleet has one kind or two.
      .filter((loader) => !index.isPresent(loader) && !isOneOfSeveralShims(loader, loaders, index))
      .map((loader) => ({
        ...error(
          file,
          `role ${name}: its loader ${loader} is neither in ${join(paths.assets, 'ipxe')} nor in a package's folder`,
          `Put it into the first, or install the package ${packageOf(loader)}.`,
        ),
        severity: 'warning' as const,
      })),
  );
}

function isOneOfSeveralShims(
  loader: string,
  loaders: ReadonlyMap<string, string> | undefined,
  { isPresent }: Pick<BootFileIndex, 'isPresent'>,
): boolean {
  const shims = [...SHIMS.values()];
  return (
    shims.includes(loader) &&
    [...(loaders?.values() ?? [])].some((one) => shims.includes(one) && isPresent(one))
  );
}

/** The DHCP header's `file` holds so many characters; a longer name goes in option 67 alone, which some ROMs overlook. */
const HEADER_FILE_LENGTH = 127;

function checkBootFileNames(
  config: Config,
  interfaces: readonly NetworkInterface[],
  index: BootFileIndex,
): readonly Problem[] {
  if (config.dhcp.mode === 'off') return [];
  const warn = (message: string, remedy: string): Problem => ({
    ...error(config.file, message, remedy),
    severity: 'warning',
  });
  const urls = interfaces.map((networkInterface) => serverUrlOf(config, networkInterface));
  const loaders = index.rows().flatMap(({ file }) => file ?? []);
  const names = [
    ...loaders,
    ...urls.flatMap((url) => [`${url}/boot.ipxe`, ...loaders.map((file) => `${url}/assets/ipxe/${file}`)]),
  ];
  const long = names.find((name) => name.length > HEADER_FILE_LENGTH);
  return [
    ...(long === undefined
      ? []
      : [
          warn(
            `the boot file ${long} has ${long.length} characters: it goes in option 67 alone`,
            `Keep it to ${HEADER_FILE_LENGTH}.`,
          ),
        ]),
    ...(config.tftp.port === 69
      ? []
      : [
          warn(
            `tftp.port: firmware asks port 69 and cannot be told ${config.tftp.port}`,
            'Use another port only behind a redirect.',
          ),
        ]),
  ];
}

function error(file: string, message: string, remedy?: string): Problem {
  return { severity: 'error', file, message, ...(remedy === undefined ? {} : { remedy }) };
}

/** The address that machines on this interface are told: the first. */
export function serverAddressOf(networkInterface: NetworkInterface) {
  const [first] = networkInterface.addresses;
  if (first === undefined) throw new Error(`${networkInterface.name} has no address`);
  return first.address;
}

/** `http://10.77.0.1`, with the port where it is not 80, without a trailing slash. */
export function serverUrlOf(config: Config, networkInterface: NetworkInterface): string {
  if (config.http.url !== undefined) return config.http.url;
  const port = config.http.port === 80 ? '' : `:${config.http.port}`;
  return `http://${formatIpv4(serverAddressOf(networkInterface))}${port}`;
}
