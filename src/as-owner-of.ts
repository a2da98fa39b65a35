import { stat } from 'node:fs/promises';

/**
 * Works with the rights of whom a folder belongs to, where root runs this: whoever took the service over may have put
 * links into its folders, and would have root read, write or remove for them what they name. The whole process has these
 * rights meanwhile: for commands, not for the daemon, and never two at once.
 */
export async function asOwnerOf<Result>(
  folder: string,
  work: () => Promise<Result> | Result,
): Promise<Result> {
  const { geteuid, getegid, getgroups, seteuid, setegid, setgroups } = process;
  if (geteuid?.() !== 0 || !getegid || !getgroups || !seteuid || !setegid || !setgroups) return work();
  const { uid, gid } = await stat(folder);
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
