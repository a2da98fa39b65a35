import type { ClusterSettings, Peer } from '../machine/cluster.ts';
import type { Identity } from '../machine/identity.ts';
import type { Catalog } from '../machine/role.ts';

export interface ClusterMembers {
  /** Both by hostname. */
  readonly controllers: readonly Peer[];
  /** Where nobody is told to be a member of etcd, every controller is one. */
  readonly etcd: readonly Peer[];
}

/**
 * Who the cluster's controllers and members of etcd are: those that tinderbox.yaml names, and the machines whose entry
 * gives them such a role, a hostname and an address. A role that a rule gives does not count: certificates and
 * configurations name these members, so that they must be known before one of them was ever seen.
 */
export function clusterMembers(settings: NamedMembers, catalog: Catalog): ClusterMembers {
  const known = found.get(catalog);
  if (known?.settings === settings) return known.members;
  const members = findMembers(settings, catalog);
  found.set(catalog, { settings, members });
  return members;
}

type NamedMembers = Pick<ClusterSettings, 'controllers' | 'etcd'>;

/** It is asked at each request, and of each machine when a catalog is checked; a catalog is never changed. */
const found = new WeakMap<Catalog, { readonly settings: NamedMembers; readonly members: ClusterMembers }>();

function findMembers(settings: NamedMembers, catalog: Catalog): ClusterMembers {
  const ofIdentity = (identity: Identity): readonly Peer[] =>
    [...catalog.machines.values()].flatMap(({ role, hostname, address }) =>
      role === undefined ||
      hostname === undefined ||
      address === undefined ||
      catalog.roles.get(role)?.identity !== identity
        ? []
        : [{ hostname: hostname.toLowerCase(), address }],
    );
  const controllers = inOrder([...settings.controllers, ...ofIdentity('controller')]);
  const etcd = inOrder([...settings.etcd, ...ofIdentity('etcd')]);
  return { controllers, etcd: etcd.length === 0 ? controllers : etcd };
}

/** The same for every machine, however machines.yaml is sorted: members agree on `--initial-cluster`. */
function inOrder(peers: readonly Peer[]): readonly Peer[] {
  const byName = new Map(peers.toReversed().map((peer) => [peer.hostname, peer]));
  return [...byName.values()].toSorted((a, b) => (a.hostname < b.hostname ? -1 : 1));
}
