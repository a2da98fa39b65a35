import type { ForgetView, NodeRemoval } from './admin/api.ts';
import type { CatalogHolder } from './catalog/catalog-holder.ts';
import type { EditOptions } from './catalog/edit-in-profiles.ts';
import { forgetInProfiles } from './catalog/forget-in-profiles.ts';
import type { Config } from './config/port.ts';
import { toTinderboxError } from './errors.ts';
import { formatIpv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { Catalog } from './machine/role.ts';
import type { BootSession } from './machine/session.ts';
import type { NetworkInterface } from './net/port.ts';
import { catalogCheck } from './preflight.ts';
import { checkRoleTemplates } from './render/check-templates.ts';
import type { AdmissionBook, Journal, OnceBook, Store } from './store/port.ts';
import type { ClusterWatch } from './wire-cluster.ts';

/** What of the cluster's watch is asked when a machine is forgotten. */
export type NodeRemover = Pick<ClusterWatch, 'nodesOf' | 'deleteNode' | 'status'>;

export interface ForgetDeps {
  readonly config: Config;
  readonly interfaces: readonly NetworkInterface[];
  readonly catalog: Pick<CatalogHolder, 'current' | 'reload'>;
  readonly store: Pick<Store, 'findMachine'>;
  readonly journal: Pick<Journal, 'forget' | 'flush' | 'hostnameHolder'>;
  readonly admissions: Pick<AdmissionBook, 'giveBack'>;
  readonly once: Pick<OnceBook, 'renew'>;
  /** Undefined where no cluster is watched. */
  readonly cluster: NodeRemover | undefined;
}

/**
 * Everything that makes a machine known: its entry first, so that it is not let in again meanwhile; then its Node, its
 * place with a rule, its history. What fails is thrown; the call may be repeated.
 */
export async function forgetMachine(deps: ForgetDeps, mac: Mac): Promise<ForgetView> {
  const { config, interfaces, catalog, store, journal, admissions, once } = deps;
  // The CLI may just have edited the file.
  await catalog.reload();
  let entry = false;
  if (catalog.current().machines.has(mac)) {
    entry = await forgetEntry(config, interfaces, mac);
    await catalog.reload();
  }
  await journal.flush();
  const session = (await store.findMachine(mac))?.session;
  const nodes = await removeNodes(deps, mac, nodeNameOf(config, catalog.current(), session));
  const place = await admissions.giveBack(mac);
  await once.renew(mac);
  const history = (await journal.forget(mac)) ? 'forgotten' : 'none';
  return { mac, entry, place, history, nodes };
}

export function forgetEntry(
  config: Config,
  interfaces: readonly NetworkInterface[],
  mac: Mac,
  place: Pick<EditOptions, 'file'> = {},
): Promise<boolean> {
  return forgetInProfiles({
    ...place,
    dir: config.paths.profiles,
    mac,
    checkRole: checkRoleTemplates,
    checkCatalog: catalogCheck(config, interfaces),
  });
}

/**
 * What a machine's last boot registered as, if it is to have become a Node: the kubelets of the CoreOS roles are named
 * by their address.
 */
export function nodeNameOf(
  { cluster }: Pick<Config, 'cluster'>,
  { roles }: Pick<Catalog, 'roles'>,
  session:
    | (Omit<BootSession, 'address'> & { readonly address?: BootSession['address'] | string })
    | undefined,
): string | undefined {
  if (cluster === undefined || session?.role === undefined) return undefined;
  const role = roles.get(session.role);
  if (role !== undefined && role.identity !== 'worker' && role.identity !== 'controller') return undefined;
  const { address } = session;
  if (role?.credentials.nodeName !== 'address') return session.hostname;
  return typeof address === 'number' ? formatIpv4(address) : address;
}

/**
 * Deletes the Nodes that bear this machine's own name. One that has only its system UUID may be another machine's, so
 * the command is told instead; and so is, where Nodes cannot be seen, that of what its last boot is to have been called:
 * another machine may bear the name by now.
 */
async function removeNodes(
  { cluster, journal }: Pick<ForgetDeps, 'cluster' | 'journal'>,
  mac: Mac,
  expected: string | undefined,
): Promise<readonly NodeRemoval[]> {
  const found = cluster?.nodesOf(mac) ?? [];
  if (cluster !== undefined && found.length > 0) {
    return Promise.all(
      found.map(({ name, mayDelete }) => (mayDelete ? removeNode(name, cluster) : leaveNode(name, mac))),
    );
  }
  const holder = expected === undefined ? undefined : journal.hostnameHolder(expected);
  const isOthers = holder !== undefined && holder !== mac;
  if (expected === undefined || isOthers || cluster?.status().synced === true) return [];
  return [leftOver(expected)];
}

async function removeNode(name: string, { deleteNode }: NodeRemover): Promise<NodeRemoval> {
  try {
    return { name, state: await deleteNode(name) };
  } catch (thrown) {
    return { ...leftOver(name), problem: toTinderboxError(thrown).message };
  }
}

async function leaveNode(name: string, mac: Mac): Promise<NodeRemoval> {
  const problem = `Node ${name} has the system UUID of ${mac}, but not a name of its own: see that it is that machine first`;
  return { ...leftOver(name), problem };
}

export function leftOver(name: string): NodeRemoval {
  return { name, state: 'left', command: `kubectl delete node ${name}` };
}
