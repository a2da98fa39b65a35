import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isOwnDropIn, SOCKETS_DROP_IN } from './socket-units.ts';
import { disableUnits, reloadUnits } from './write-socket-units.ts';

export interface OldSocketUnits {
  /** Socket units that are enabled, or were once. */
  readonly instances: readonly string[];
  /** Absolute; in the order in which they have to go. */
  readonly files: readonly string[];
}

/**
 * What an earlier `init --sockets` wrote below `folder` and `wanted` (absolute paths) has not. A file that is not its own is
 * left out.
 */
export async function findOldSocketUnits(
  folder: string,
  wanted: ReadonlySet<string>,
): Promise<OldSocketUnits> {
  const names = await readdir(folder).catch(() => []);
  const sockets = names
    .filter((name) => /^tinderbox-(dhcp|pxe|tftp|http|syslog)@.+\.socket\.d$/.test(name))
    .toSorted()
    .map((name) => ({ instance: name.slice(0, -'.d'.length), file: join(folder, name, 'device.conf') }));
  const old: typeof sockets = [];
  for (const one of sockets) if (!wanted.has(one.file) && (await isOwn(one.file))) old.push(one);
  // First that of the service: it has its capability again before a socket goes.
  const dropIn = join(folder, SOCKETS_DROP_IN);
  const files = old.map(({ file }) => file);
  return {
    instances: old.map(({ instance }) => instance),
    files: !wanted.has(dropIn) && (await isOwn(dropIn)) ? [dropIn, ...files] : files,
  };
}

/**
 * Returns the files removed. Those of a socket go after it was disabled, so that a next time finds it if that fails: throws
 * TinderboxError `unavailable`.
 */
export async function removeOldSocketUnits(
  { instances, files }: OldSocketUnits,
  disable: (instances: readonly string[]) => Promise<void> = disableUnits,
): Promise<readonly string[]> {
  if (files.length === 0) return [];
  const removed: string[] = [];
  const remove = async (file: string): Promise<void> => {
    await rm(file, { force: true });
    removed.push(file);
    // Whoever put another file there keeps it.
    await rmdir(dirname(file)).catch(() => undefined);
  };
  for (const file of files) if (file.endsWith(SOCKETS_DROP_IN)) await remove(file);
  await disable(instances);
  for (const file of files) if (!file.endsWith(SOCKETS_DROP_IN)) await remove(file);
  await reloadUnits();
  return removed;
}

async function isOwn(file: string): Promise<boolean> {
  return isOwnDropIn(await readFile(file, 'utf8').catch(() => ''));
}
