import type { FleetSummary } from '../../store/port.ts';
import type { AdminServerOptions } from '../port.ts';

/** Roles to choose from, by name: those there are, and those that machines had. */
export async function listRoleNames(
  _options: AdminServerOptions,
  { roles }: Pick<FleetSummary, 'roles'>,
): Promise<readonly string[]> {
  return roles.map(({ name }) => name);
}
