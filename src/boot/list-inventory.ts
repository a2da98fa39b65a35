import type { MachineArch } from '../machine/architecture.ts';
import type { ClusterSettings } from '../machine/cluster.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { Identity } from '../machine/identity.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type { Catalog } from '../machine/role.ts';
import { chooseHostname } from './choose-hostname.ts';
import { chooseStanding } from './choose-role.ts';
import { type ClusterMembers, clusterMembers } from './cluster-members.ts';

/** A machine that was seen, and what it last booted, if it did. */
export interface SeenMachine {
  readonly facts: MachineFacts;
  readonly role?: string;
  readonly hostname?: string;
}

/** A machine as other tools are told of it. */
export interface InventoryHost {
  readonly hostname: string;
  /** Its reserved address, else the one it was seen with. */
  readonly address?: Ipv4;
  /** Absent: a member that tinderbox.yaml names, which Tinderbox does not boot. */
  readonly mac?: Mac;
  readonly role?: string;
  readonly identity: Identity;
  /** Whether it is a member of etcd. */
  readonly etcd: boolean;
  readonly arch?: MachineArch;
  readonly uuid?: string;
  /** What the machine says of itself: anybody's text. */
  readonly serial?: string;
  readonly manufacturer?: string;
  readonly product?: string;
}

export interface Inventory {
  /** By hostname. */
  readonly hosts: readonly InventoryHost[];
  /** Who is not among them, or lacks something, and why. */
  readonly notes: readonly string[];
}

/**
 * Every machine that is meant to be something: those of machines.yaml whether they were seen or not, those that booted
 * by a rule or the default, and the members of the cluster that tinderbox.yaml names.
 */
export function listInventory(
  catalog: Catalog,
  settings: ClusterSettings | undefined,
  seen: readonly SeenMachine[],
): Inventory {
  const notes: string[] = [];
  const members = clusterMembers(settings ?? NO_CLUSTER, catalog);
  const bySeen = new Map(seen.map((one) => [one.facts.mac, one]));
  const hosts = new Map<string, InventoryHost>();
  const add = (host: InventoryHost): void => {
    const earlier = hosts.get(host.hostname);
    if (earlier === undefined) {
      hosts.set(host.hostname, host);
      if (host.address === undefined)
        notes.push(`${host.hostname} has no address: none is reserved, and it was not seen with one`);
    } else {
      notes.push(
        `${host.mac} is left out: ${earlier.mac ?? 'tinderbox.yaml'} has its hostname ${host.hostname}`,
      );
    }
  };

  for (const { hostname, address } of [...(settings?.controllers ?? []), ...(settings?.etcd ?? [])]) {
    const isController = settings?.controllers.some((peer) => peer.hostname === hostname) === true;
    if (hosts.has(hostname)) continue;
    add({
      hostname,
      address,
      identity: isController ? 'controller' : 'etcd',
      etcd: isMember(members, hostname),
    });
  }
  for (const mac of new Set([...catalog.machines.keys(), ...bySeen.keys()])) {
    const known = bySeen.get(mac);
    const entry = catalog.machines.get(mac);
    const facts = known?.facts ?? { mac };
    // Of a machine without an entry only what it booted counts: what it would get now depends on who lets it in.
    const role =
      entry === undefined ? known?.role : (chooseStanding(facts, catalog).role?.name ?? known?.role);
    if (role === undefined) {
      notes.push(`${mac} is left out: it has no role`);
      continue;
    }
    const hostname = (
      entry?.hostname ??
      known?.hostname ??
      chooseHostname(mac, (name) => hosts.has(name))
    ).toLowerCase();
    // The host that Tinderbox runs on may stand in both files.
    if (hosts.get(hostname)?.mac === undefined && hosts.get(hostname)?.address === entry?.address)
      hosts.delete(hostname);
    const { address, arch, uuid, serial, manufacturer, product } = facts;
    const own = entry?.address ?? address;
    add({
      hostname,
      ...(own === undefined ? {} : { address: own }),
      mac,
      role,
      identity: catalog.roles.get(role)?.identity ?? 'none',
      etcd: isMember(members, hostname),
      ...(arch === undefined ? {} : { arch }),
      ...(uuid === undefined ? {} : { uuid }),
      ...(serial === undefined ? {} : { serial }),
      ...(manufacturer === undefined ? {} : { manufacturer }),
      ...(product === undefined ? {} : { product }),
    });
  }
  return { hosts: [...hosts.values()].toSorted((a, b) => (a.hostname < b.hostname ? -1 : 1)), notes };
}

const NO_CLUSTER: Pick<ClusterSettings, 'controllers' | 'etcd'> = { controllers: [], etcd: [] };

function isMember({ etcd }: ClusterMembers, hostname: string): boolean {
  return etcd.some((peer) => peer.hostname === hostname);
}
