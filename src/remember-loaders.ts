import { chooseLoaders, type RoleLoaders } from './boot/choose-loaders.ts';
import type { NetworkClient } from './boot/identify-client.ts';
import type { MachineFacts } from './machine/facts.ts';
import { type Ipv4, UNSPECIFIED } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { OnceUses } from './machine/once.ts';
import type { Catalog } from './machine/role.ts';

/** A flood of forged addresses must not grow the map; it is begun anew. */
const MOST_MACHINES = 10_000;

/** What DHCP knows of who asks. `place`: the address of the interface that it was heard on. */
export function dhcpFacts(
  { mac, uuid, architecture }: Pick<NetworkClient, 'mac' | 'uuid' | 'architecture'>,
  giaddr: Ipv4,
  place: Ipv4,
): MachineFacts {
  return {
    mac,
    ...(uuid === undefined ? {} : { uuid }),
    ...(architecture === undefined ? {} : { arch: architecture.arch }),
    ...(giaddr === UNSPECIFIED ? { address: place } : { relay: giaddr, address: giaddr }),
  };
}

/**
 * chooseLoaders for each packet: ROMs ask four times and more, and a catalog may have a hundred rules. Forgotten with each
 * new catalog; not kept for machines with a `once:`, which is used up without one.
 */
export function rememberLoaders() {
  let of: Catalog | undefined;
  let isAnywhere = false;
  const known = new Map<Mac, { readonly facts: MachineFacts; readonly loaders: RoleLoaders | undefined }>();
  return (facts: MachineFacts, catalog: Catalog, uses: OnceUses): RoleLoaders | undefined => {
    if (catalog !== of) {
      of = catalog;
      isAnywhere = [...catalog.roles.values()].some(({ loaders }) => loaders !== undefined);
      known.clear();
    }
    if (!isAnywhere) return undefined;
    if (catalog.machines.get(facts.mac)?.once !== undefined) return chooseLoaders(facts, catalog, uses);
    const before = known.get(facts.mac);
    if (before !== undefined && isSame(before.facts, facts)) return before.loaders;
    const loaders = chooseLoaders(facts, catalog, uses);
    if (known.size >= MOST_MACHINES) known.clear();
    known.set(facts.mac, { facts, loaders });
    return loaders;
  };
}

function isSame(one: MachineFacts, other: MachineFacts): boolean {
  return (
    one.uuid === other.uuid &&
    one.arch === other.arch &&
    one.relay === other.relay &&
    one.address === other.address
  );
}
