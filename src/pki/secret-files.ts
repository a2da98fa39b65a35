import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TinderboxError } from '../errors.ts';

const OWNER_FILE = 0o600;
const OWNER_FOLDER = 0o700;
const OTHERS = 0o077;

/**
 * Makes a folder with all of its files at once: it is written beside its place and moved there, so that at no moment
 * there is half of it. An empty folder in its place is replaced. Throws `in-use` if it has content, `unavailable` if
 * the disk is full; then nothing is left behind.
 */
export async function createSecretFolder(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  const parent = dirname(folder);
  const staging = join(parent, `${stagingPrefix(folder)}${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(parent, { recursive: true, mode: OWNER_FOLDER });
    await mkdir(staging, { mode: OWNER_FOLDER });
    for (const [name, text] of files) await writeNew(join(staging, name), text, parent);
    await syncFolder(staging, parent);
    await rename(staging, folder);
  } catch (thrown) {
    await rm(staging, { recursive: true, force: true }).catch(() => undefined);
    throw explain(thrown, folder);
  }
  await syncFolder(parent);
}

/** What a start that was interrupted left beside the folder. */
export async function removeLeftovers(folder: string): Promise<void> {
  const parent = dirname(folder);
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(stagingPrefix(folder)))) {
    await rm(join(parent, name), { recursive: true, force: true });
  }
  for (const name of await listFolder(folder)) {
    if (/^\..+\.[0-9a-f]{12}\.tmp$/.test(name)) await unlink(join(folder, name));
  }
}

/** Replaces files as a whole, each. All are on the disk before the first takes its place. */
export async function replaceSecretFiles(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  const moves: { readonly from: string; readonly to: string }[] = [];
  try {
    for (const [name, text] of files) {
      const from = join(folder, `.${name}.${randomBytes(6).toString('hex')}.tmp`);
      moves.push({ from, to: join(folder, name) });
      await writeNew(from, text, folder);
    }
    for (const { from, to } of moves) await rename(from, to);
  } catch (thrown) {
    for (const { from } of moves) await unlink(from).catch(() => undefined);
    throw explain(thrown, folder);
  }
  await syncFolder(folder);
}

/** Names in the folder; none if there is no folder. */
export async function listFolder(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw explain(error, folder, 'read');
  }
}

/**
 * Takes away the rights of others, as a restored backup may have given them. Returns what it had to change. Throws
 * `refused` if it may not.
 */
export async function closeToOthers(folder: string, names: readonly string[]): Promise<readonly string[]> {
  const changed: string[] = [];
  for (const path of [folder, ...names.map((name) => join(folder, name))]) {
    const { mode } = await stat(path);
    if ((mode & OTHERS) === 0) continue;
    try {
      await chmod(path, mode & ~OTHERS & 0o7777);
    } catch (cause) {
      throw new TinderboxError('refused', `${path} is open to other users, and that cannot be changed`, {
        cause,
        remedy: `chmod go= ${path}`,
      });
    }
    changed.push(path);
  }
  return changed;
}

const stagingPrefix = (folder: string): string => `.${basename(folder)}-making-`;

async function writeNew(file: string, text: string, ownedAs: string): Promise<void> {
  await using handle = await open(file, 'wx', OWNER_FILE);
  await handle.writeFile(text);
  await giveToOwnerOf(ownedAs, handle);
  await handle.sync();
}

async function syncFolder(folder: string, ownedAs?: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  if (ownedAs !== undefined) await giveToOwnerOf(ownedAs, handle);
  await handle.sync();
}

/** What root writes in the state folder of another user, that user reads: who imports with sudo is not who serves. */
async function giveToOwnerOf(path: string, handle: FileHandle): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = await stat(path);
  if (uid !== 0) await handle.chown(uid, gid);
}

/** What to do about files that this user may not use. They are the daemon's, whoever asks. */
export const RUN_AS_OWNER =
  'Run this with sudo, or as the user that tinderbox runs as: it belongs to that user, and to nobody else.';

export function isForbidden(thrown: unknown): boolean {
  const { code } = thrown as NodeJS.ErrnoException;
  return code === 'EACCES' || code === 'EPERM';
}

function explain(thrown: unknown, folder: string, wanted: 'read' | 'written' = 'written'): unknown {
  const { code, message } = thrown as NodeJS.ErrnoException;
  const fail = (kind: 'unavailable' | 'refused' | 'in-use', why: string, remedy: string): TinderboxError =>
    new TinderboxError(kind, `${folder}: ${why}`, { cause: thrown, remedy });
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return fail('unavailable', 'the disk is full; nothing was changed', 'Make room, then try again.');
    case 'EACCES':
    case 'EPERM':
      return fail('refused', `may not be ${wanted} by this user (${code})`, RUN_AS_OWNER);
    case 'EROFS':
      return fail('refused', 'the file system is mounted read-only', 'Mount it for writing.');
    case 'ENOTEMPTY':
    case 'EEXIST':
      return fail('in-use', 'somebody else has just made it', 'Try again: what is there is read then.');
    default:
      return code === undefined
        ? thrown
        : new TinderboxError('internal', `${folder}: ${message}`, { cause: thrown });
  }
}
