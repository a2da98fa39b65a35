import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  chmod,
  chown,
  cp,
  lchown,
  mkdir,
  mkdtemp,
  open,
  opendir,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { TinderboxError } from './errors.ts';
import type { ServiceAccount } from './service-account.ts';

export interface ProfileCopy {
  /** paths.profiles has something in it, and stays as it is. */
  readonly kept: boolean;
  /** Shipped roles that the folder has otherwise, or has not. Empty where it was copied. */
  readonly different: readonly string[];
  readonly missing: readonly string[];
}

/** What is there already, beside what ships. */
export async function compareProfiles(shipped: string, folder: string): Promise<ProfileCopy> {
  if ((await entriesOf(folder)).length === 0) return { kept: false, different: [], missing: [] };
  const different: string[] = [];
  const missing: string[] = [];
  for (const name of await listRoles(shipped)) {
    const found = await compareTree(await readTree(join(shipped, name)), join(folder, name));
    if (found === 'missing') missing.push(name);
    else if (found === 'different') different.push(name);
  }
  return { kept: true, different, missing };
}

/** Names of the roles that ship. */
export async function listRoles(shipped: string): Promise<readonly string[]> {
  const entries = await readdir(shipped, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const roles: string[] = [];
  for (const name of folders) {
    if ((await readdir(join(shipped, name))).includes('role.yaml')) roles.push(name);
  }
  return roles.toSorted();
}

/** Hands over what the profiles will be, as a folder that is gone afterwards; undefined: they are there already. */
export async function withStagedProfiles<Result>(
  shipped: string,
  defaultRole: string | undefined,
  use: (folder: string | undefined) => Promise<Result>,
): Promise<Result> {
  if (defaultRole === undefined) return use(undefined);
  const base = await mkdtemp(join(tmpdir(), 'tinderbox-init-'));
  try {
    const { folder } = await stageProfiles(shipped, join(base, 'profiles'), defaultRole);
    return await use(folder);
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

/**
 * The shipped roles with another default, as a folder beside `target`, which nobody takes for part of it. The caller
 * renames it into place, or removes it.
 */
export async function stageProfiles(
  shipped: string,
  target: string,
  defaultRole: string,
): Promise<{ readonly folder: string; remove(): Promise<void> }> {
  const folder = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await cp(shipped, folder, { recursive: true });
    // Those that ship may be read-only, and are root's.
    for (const path of await listTree(folder)) await chmod(path.name, path.isFolder ? 0o750 : 0o640);
    const machines = join(folder, 'machines.yaml');
    await writeFile(machines, setDefaultRole(await readFile(machines, 'utf8'), defaultRole));
    return { folder, remove };
  } catch (thrown) {
    await remove();
    throw thrown;
  }
}

/** Whose it becomes; then it takes its place, which is nobody's or an empty folder. */
export async function placeProfiles(
  staged: string,
  target: string,
  owner: ServiceAccount | undefined,
): Promise<void> {
  if (owner !== undefined) {
    // From the inside out: whose a folder is can exchange what is in it for links.
    for (const { name } of (await listTree(staged)).toReversed()) await lchown(name, owner.uid, owner.gid);
  }
  // rename(2) replaces an empty folder, and refuses one with anything in it.
  await rename(staged, target);
}

/** The last line of the shipped machines.yaml says what a machine becomes that nothing else matches. */
export function setDefaultRole(text: string, role: string): string {
  const pattern = /^default:.*$/m;
  if (!pattern.test(text)) throw new TinderboxError('internal', 'the shipped machines.yaml has no default');
  return text.replace(pattern, () => `default: ${role}`);
}

/** A folder that is to be is made with those above it. */
export async function makeFolder(folder: string, mode: number, owner: ServiceAccount | undefined) {
  const made = await mkdir(folder, { recursive: true, mode: 0o755 });
  if (made === undefined) return undefined;
  await chmod(folder, mode);
  if (owner !== undefined) await chown(folder, owner.uid, owner.gid);
  return made;
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}

async function listTree(folder: string): Promise<readonly { name: string; isFolder: boolean }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return [
    { name: folder, isFolder: true },
    ...entries.map((entry) => ({ name: join(entry.parentPath, entry.name), isFolder: entry.isDirectory() })),
  ];
}

async function readTree(folder: string): Promise<ReadonlyMap<string, Buffer>> {
  const files = (await listTree(folder)).filter(({ isFolder }) => !isFolder);
  return new Map(
    await Promise.all(files.map(async ({ name }) => [relative(folder, name), await readFile(name)] as const)),
  );
}

/**
 * The folder is the service's, and who looks is root: no more is read than ships, no link is followed, and nothing but a
 * regular file is opened. A pipe would be waited for, and some devices do something when they are opened.
 */
async function compareTree(
  ours: ReadonlyMap<string, Buffer>,
  folder: string,
): Promise<'same' | 'different' | 'missing'> {
  let seen = 0;
  try {
    for await (const entry of await opendir(folder, { recursive: true })) {
      if (entry.isDirectory()) continue;
      const path = join(entry.parentPath, entry.name);
      const expected = entry.isFile() ? ours.get(relative(folder, path)) : undefined;
      if (expected === undefined || !(await holds(path, expected))) return 'different';
      seen += 1;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return 'missing';
    if (code === 'ENOTDIR' || code === 'ELOOP') return 'different';
    throw error;
  }
  if (seen === 0) return 'missing';
  return seen === ours.size ? 'same' : 'different';
}

async function holds(path: string, expected: Buffer): Promise<boolean> {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  await using handle = await open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  const found = await handle.stat();
  if (!found.isFile() || found.size !== expected.length) return false;
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(expected.length), 0, expected.length, 0);
  return bytesRead === expected.length && buffer.equals(expected);
}
