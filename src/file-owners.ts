import { stat } from 'node:fs/promises';
import type { BackupOwner } from './backup/port.ts';
import { accountName, accountNumber } from './config/ask-getent.ts';

export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** Whose a path is, by name: numbers differ from host to host. */
export async function ownerOf(path: string): Promise<BackupOwner> {
  const { uid, gid } = await stat(path);
  const [user, group] = await Promise.all([accountName('passwd', uid), accountName('group', gid)]);
  return { user, group };
}

/** The numbers of those names on this host; undefined if it does not know them. */
export async function idsOf({ user, group }: BackupOwner): Promise<Ids | undefined> {
  const [uid, gid] = await Promise.all([accountNumber('passwd', user), accountNumber('group', group)]);
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}
