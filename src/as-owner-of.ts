import type { Stats } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Works with the rights of whom a folder belongs to, where root runs this: whoever took the service over may have put
 * links into its folders, and would have root read, write or remove for them what they name. The whole process has these
 * rights meanwhile: for commands, not for the daemon, and never two at once. A folder that is not there yet is made by
 * whom the one around it belongs to.
 */
export async function asOwnerOf<Result>(
  folder: string,
  work: () => Promise<Result> | Result,
): Promise<Result> {
  const { geteuid, getegid, getgroups, seteuid, setegid, setgroups } = process;
  if (geteuid?.() !== 0 || !getegid || !getgroups || !seteuid || !setegid || !setgroups) return work();
  const { uid, gid } = await ownerOf(folder);
  if (uid === 0) return work();
  const [group, groups] = [getegid(), getgroups()];
  setgroups([gid]);
  setegid(gid);
  seteuid(uid);
  try {
    return await work();
  } finally {
    seteuid(0);
    setegid(group);
    setgroups(groups);
  }
}

/** A link in the place of the folder says more of who made it than of whom its target belongs to. */
async function ownerOf(folder: string): Promise<Stats> {
  try {
    const found = await lstat(folder);
    return found.isSymbolicLink() && found.uid === 0 ? await stat(folder) : found;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(folder) === folder) throw thrown;
    return ownerOf(dirname(folder));
  }
}
