import type { FleetSummary } from '../../store/port.ts';
import type { AdminServerOptions } from '../port.ts';

/** Milliseconds: listing roles reads all their files, and a search asks at every letter. */
const KEPT = 5_000;

export type RoleNames = (summary: Pick<FleetSummary, 'roles'>) => Promise<readonly string[]>;

/** Roles to choose from, by name: those there are, and those that machines had. */
export function createRoleNames({ roles, clock }: Pick<AdminServerOptions, 'roles' | 'clock'>): RoleNames {
  let known: { readonly at: number; readonly names: Promise<readonly string[]> } | undefined;
  const listed = (): Promise<readonly string[]> => {
    const at = clock();
    if (known === undefined || Math.abs(at - known.at) > KEPT) {
      known = { at, names: roles.list().then((list) => list.roles.map(({ name }) => name)) };
      // Asked again next time, rather than failing for as long.
      known.names.catch(() => void (known = undefined));
    }
    return known.names;
  };
  return async (summary) =>
    [...new Set([...(await listed()), ...summary.roles.map(({ name }) => name)])].toSorted();
}
