import { type Ids, idsOf } from './file-owners.ts';

/** Of the user and the group that the unit runs the service as. */
export type ServiceAccount = Ids;

/** The unit's User= and Group=. */
export const SERVICE_NAME = 'tinderbox';

/** Undefined where there is no such user or no such group: a clone that nobody installed. */
export function findServiceAccount(): Promise<ServiceAccount | undefined> {
  return idsOf({ user: SERVICE_NAME, group: SERVICE_NAME });
}
