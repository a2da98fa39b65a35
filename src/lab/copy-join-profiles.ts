import { cp } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const folderOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * Lays out the roles that join a cluster in the folder `to`, with the partials that ship: the lab's machines come to
 * their certificates by the very template that a worker's and a controller's do.
 */
export async function copyJoinProfiles(to: string): Promise<void> {
  await cp(folderOf('../../profiles/partials'), `${to}/partials`, { recursive: true });
  await cp(folderOf('join-profiles'), to, { recursive: true });
}
