import type { Ipv4 } from './machine/ipv4.ts';
import type { Catalog } from './machine/role.ts';

/** The reserved addresses of a catalog, gathered once a catalog and not once a packet. */
export function rememberReservations(): (catalog: Catalog) => ReadonlySet<Ipv4> {
  const known = new WeakMap<Catalog, ReadonlySet<Ipv4>>();
  return (catalog) => {
    const before = known.get(catalog);
    if (before !== undefined) return before;
    const addresses = [...catalog.machines.values()].map(({ address }) => address);
    const reserved = new Set(addresses.filter((address) => address !== undefined));
    known.set(catalog, reserved);
    return reserved;
  };
}
