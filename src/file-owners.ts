import { readFile, stat } from 'node:fs/promises';
import type { BackupOwner } from './backup/port.ts';

export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** Whose a path is, by name: numbers differ from host to host. A number without a name stays a number. */
export async function ownerOf(path: string): Promise<BackupOwner> {
  const { uid, gid } = await stat(path);
  const [users, groups] = await Promise.all([readNames('/etc/passwd'), readNames('/etc/group')]);
  return { user: nameOf(users, uid), group: nameOf(groups, gid) };
}

function nameOf(table: ReadonlyMap<string, number>, id: number): string {
  return [...table].find(([, known]) => known === id)?.[0] ?? String(id);
}

/** The numbers of those names on this host; undefined if it does not know them. */
export async function idsOf({ user, group }: BackupOwner): Promise<Ids | undefined> {
  const [users, groups] = await Promise.all([readNames('/etc/passwd'), readNames('/etc/group')]);
  const uid = users.get(user);
  const gid = groups.get(group);
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/** `name:x:number:…` */
async function readNames(file: string): Promise<ReadonlyMap<string, number>> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const rows = text.split('\n').map((line) => line.split(':'));
  return new Map(rows.flatMap(([name = '', , id = '']) => (id === '' ? [] : [[name, Number(id)] as const])));
}
