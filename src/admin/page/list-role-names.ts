import type { AdminServerOptions } from '../port.ts';

/** Milliseconds: listing roles reads all their files, and a search asks at every letter. */
const KEPT = 5_000;

/** All roles of the catalog, whether a machine ever had them or not. */
export function createRoleNames({
  roles,
  clock,
}: Pick<AdminServerOptions, 'roles' | 'clock'>): () => Promise<readonly string[]> {
  let known: { readonly at: number; readonly names: Promise<readonly string[]> } | undefined;
  return () => {
    const at = clock();
    if (known === undefined || Math.abs(at - known.at) > KEPT) {
      known = { at, names: roles.list().then((list) => list.roles.map(({ name }) => name).toSorted()) };
      // Asked again next time, rather than failing for as long.
      known.names.catch(() => void (known = undefined));
    }
    return known.names;
  };
}
