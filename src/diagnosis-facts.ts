import { open } from 'node:fs/promises';
import type { DaemonFacts } from './boot/diagnosis-case.ts';
import { EXECUTABLE_HEAD, readExecutable } from './boot/read-executable.ts';
import { loaderFile, type SessionTrace } from './boot/session-trace.ts';
import type { CatalogView } from './catalog/port.ts';
import type { NodeState } from './cluster/port.ts';
import type { Config } from './config/port.ts';
import { formatIpv4 } from './machine/ipv4.ts';
import type { Catalog } from './machine/role.ts';
import type { BootSession } from './machine/session.ts';
import { serverUrlOf } from './preflight.ts';
import { checkRoleAssets } from './preflight-assets.ts';
import { tryRoles } from './preflight-roles.ts';
import type { ProvisioningNetworks } from './provisioning.ts';
import type { BootFileIndex } from './servers/boot-file-index.ts';
import type { DhcpServerWatch } from './watch-dhcp-servers.ts';
import type { ClusterWatch } from './wire-cluster.ts';

export interface DiagnosisSources {
  readonly config: Config;
  readonly catalog: CatalogView;
  readonly networks: () => ProvisioningNetworks;
  readonly bootFileIndex: Pick<BootFileIndex, 'rows' | 'pathOf'>;
  readonly dhcpServers: Pick<DhcpServerWatch, 'bootServers' | 'isAlone'>;
  readonly cluster: Pick<ClusterWatch, 'nodes' | 'status'> | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Rendering every role takes some milliseconds, and a rack stalls all at once. */
const ASSETS_AGE = 10_000;

/** What the daemon knows at the moment that may explain why a session does not go on. */
export function createDiagnosisFacts(
  sources: DiagnosisSources,
): (session: BootSession, trace: SessionTrace) => Promise<DaemonFacts> {
  const { config, catalog, networks, dhcpServers, cluster } = sources;
  const missing = rememberMissingAssets(sources);
  return async (session, trace) => {
    const heardOn = trace.events.findLast(({ via }) => via !== undefined)?.via;
    const via = heardOn ?? config.network.interfaces[0] ?? '';
    const networkInterface = networks().interfaces.find(({ name }) => name === via);
    const loader = await loaderOf(sources, trace);
    const role = session.role === undefined ? undefined : catalog.current().roles.get(session.role);
    const state = cluster?.status();
    return {
      mode: config.dhcp.mode,
      uefiProxy: config.dhcp.uefiProxy,
      otherBootServers: dhcpServers.bootServers(via).map(({ server, bootfile, nextServer }) => ({
        address: formatIpv4(server),
        bootfile,
        ...(nextServer === undefined ? {} : { nextServer: formatIpv4(nextServer) }),
      })),
      nobodyGivesAddresses: dhcpServers.isAlone(via),
      ...(loader === undefined ? {} : { loader }),
      missingAssets: session.role === undefined ? [] : await missing(session.role),
      ports: { http: config.http.port, tftp: config.tftp.port },
      ...(networkInterface === undefined
        ? {}
        : { mtu: networkInterface.mtu, url: serverUrlOf(config, networkInterface) }),
      ...(cluster === undefined || state === undefined
        ? {}
        : {
            cluster: {
              ...(state.problem === undefined ? {} : { problem: state.problem.message }),
              lookalikes: lookalikesOf(session, cluster.nodes().values()),
            },
          }),
      ...(role?.boot.kind === 'kernel'
        ? { role: { hasInitrd: role.boot.initrd.length > 0, hasConfig: role.config !== undefined } }
        : {}),
    };
  };
}

/** What it fetched last: its role may have a loader of its own, and a shim loads another one. Else what is configured. */
async function loaderOf(
  { bootFileIndex }: DiagnosisSources,
  { firmware, loaders }: SessionTrace,
): Promise<DaemonFacts['loader']> {
  const last = loaders.at(-1);
  const row = bootFileIndex.rows().find(({ architecture }) => architecture === firmware?.name);
  const file = last === undefined ? row?.file : loaderFile(last);
  const path = file === undefined ? undefined : bootFileIndex.pathOf(file);
  if (file === undefined || path === undefined) return undefined;
  const builtFor = readExecutable(await readHead(path));
  return { file, ...(builtFor === undefined ? {} : { builtFor }) };
}

/** Nothing, if it cannot be read: it may have gone just now. */
async function readHead(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(EXECUTABLE_HEAD), 0, EXECUTABLE_HEAD, 0);
    return buffer.subarray(0, bytesRead);
  } catch {
    return new Uint8Array();
  }
}

/** By role, for the catalog as it is. */
function rememberMissingAssets({ config, catalog, now }: DiagnosisSources) {
  let known:
    | { readonly of: Catalog; readonly at: number; readonly found: Promise<Map<string, string[]>> }
    | undefined;
  return async (role: string): Promise<readonly string[]> => {
    const current = catalog.current();
    if (known?.of !== current || Math.abs(now() - known.at) > ASSETS_AGE) {
      known = { of: current, at: now(), found: findMissing(config, current) };
    }
    return (await known.found).get(role) ?? [];
  };
}

async function findMissing(config: Config, catalog: Catalog): Promise<Map<string, string[]>> {
  const byRole = new Map<string, string[]>();
  for (const problem of await checkRoleAssets(config, tryRoles(config, catalog).rendered)) {
    for (const { name, file } of catalog.roles.values()) {
      if (file !== problem.file) continue;
      const text = problem.remedy === undefined ? problem.message : `${problem.message}. ${problem.remedy}`;
      byRole.set(name, [...(byRole.get(name) ?? []), text]);
    }
  }
  return byRole;
}

/** Nodes with the machine's address, but not with its name. */
function lookalikesOf({ address, hostname }: BootSession, nodes: Iterable<NodeState>): readonly string[] {
  if (address === undefined || hostname === undefined) return [];
  const text = formatIpv4(address);
  return [...nodes]
    .filter(({ name, addresses }) => name !== hostname && name !== text && addresses.includes(text))
    .map(({ name }) => `Node ${name} has its address ${text}; this boot is to be Node ${hostname}`);
}
