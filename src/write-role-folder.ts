import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, lstat, open, readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Problem, TinderboxError } from './errors.ts';
import { placeFiles } from './place-files.ts';
import type { LaidOutFile } from './render/lay-out-config.ts';

/** Says which files of the folder are ours, and what they were. */
export const MANIFEST = 'tinderbox-manifest.json';

export interface WrittenFolder {
  readonly folder: string;
  /** Paths below the folder, beginning with a slash. */
  readonly files: readonly string[];
  readonly written: readonly string[];
  readonly removed: readonly string[];
  readonly notes: readonly string[];
}

interface FolderInput {
  readonly folder: string;
  /** Also where the folder is not empty, and where files of ours were edited. */
  readonly force: boolean;
  readonly title: Readonly<Record<string, string>>;
  readonly files: readonly LaidOutFile[];
}

interface Manifest {
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
}

/**
 * Writes files into a folder, and nothing outside of it. Everything is looked at before the first is written: a folder
 * that holds other things, a file that somebody edited, a link. What was ours and is no more is removed. Throws
 * `in-use` or `refused` with each of them, and as `placeFiles` does, with nothing changed.
 */
export async function writeRoleFolder({ folder, force, title, files }: FolderInput): Promise<WrittenFolder> {
  const there = await listFolder(folder);
  const before = new Map((await readManifest(folder)).files.map((file) => [file.path, file.sha256]));
  if (before.size === 0 && !force && there.length > 0) {
    throw new TinderboxError('in-use', `${folder} is not empty`, {
      remedy: 'Give another folder; with --force the files are written beside what is there.',
    });
  }
  const wanted = new Map(files.map((file) => [file.path, file]));
  const found = new Map<string, string | undefined>();
  for (const path of new Set([...wanted.keys(), ...before.keys()])) found.set(path, await look(folder, path));
  refuseOthers(folder, force, [...found], before);

  const manifest = describeFiles(title, files);
  found.set(manifest.path, await look(folder, manifest.path));
  const changed = [...wanted.values(), manifest].filter(
    ({ path, content }) => found.get(path) !== digest(content),
  );
  await placeFiles(folder, changed, (path) => found.get(path) === undefined);
  for (const file of wanted.values()) await setMode(folder, file);
  const removed = [...before.keys()].filter((path) => !wanted.has(path) && found.get(path) !== undefined);
  for (const path of removed) await unlink(join(folder, path));
  const written = changed.filter((file) => file !== manifest).map(({ path }) => path);
  const notes = await giveAway(folder, files);
  return { folder, files: [...wanted.keys()], written, removed, notes };
}

function describeFiles(title: FolderInput['title'], files: readonly LaidOutFile[]): LaidOutFile {
  const manifest = {
    ...title,
    files: files
      .map(({ path, content, mode, owner }) => ({
        path,
        mode: mode.toString(8).padStart(4, '0'),
        owner,
        sha256: digest(content),
      }))
      .toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  };
  const content = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
  return { path: `/${MANIFEST}`, content, mode: 0o600, owner: 'root' };
}

/** What is in a folder; nothing if there is none. */
async function listFolder(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    if (code !== 'ENOTDIR') throw thrown;
    throw new TinderboxError('refused', `${folder} is no folder`, { remedy: 'Give another: --out FOLDER.' });
  }
}

function refuseOthers(
  folder: string,
  force: boolean,
  found: readonly (readonly [path: string, sha256: string | undefined])[],
  before: ReadonlyMap<string, string>,
): void {
  const problems: Problem[] = [];
  for (const [path, sha256] of found) {
    if (sha256 === undefined || sha256 === before.get(path)) continue;
    const file = join(folder, path);
    if (!before.has(path)) problems.push({ severity: 'error', file, message: 'is there, and is not ours' });
    else if (!force) problems.push({ severity: 'error', file, message: 'was edited since it was written' });
  }
  if (problems.length === 0) return;
  throw new TinderboxError('in-use', `${folder} has files that would be lost; nothing was written`, {
    problems,
    remedy: 'Give another folder; with --force edited files of ours are replaced, and never those of others.',
  });
}

async function readManifest(folder: string): Promise<Manifest> {
  try {
    await look(folder, `/${MANIFEST}`);
    const { files } = JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')) as Manifest;
    // Who edits it must not make root remove something elsewhere.
    const sound = files.filter(
      ({ path, sha256 }) =>
        typeof sha256 === 'string' &&
        path.startsWith('/') &&
        !path.split('/').some((part) => part === '..' || part === '.'),
    );
    return { files: sound };
  } catch (thrown) {
    if (thrown instanceof TinderboxError) throw thrown;
    // Not there, or broken: then nothing in the folder is known to be ours.
    return { files: [] };
  }
}

/** SHA-256 of a file; undefined if there is none. Throws `refused` on a link on the way, or what is no file. */
async function look(folder: string, path: string): Promise<string | undefined> {
  const parts = path.split('/').filter((part) => part !== '');
  let here = folder;
  for (const [at, part] of parts.entries()) {
    here = join(here, part);
    const stats = await lstat(here).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (stats === undefined) return undefined;
    const isLast = at === parts.length - 1;
    if (isLast ? !stats.isFile() : !stats.isDirectory()) {
      const what = stats.isSymbolicLink() ? 'a link' : isLast ? 'no file' : 'no folder';
      throw new TinderboxError('refused', `${here} is ${what}: nothing is written through it`, {
        remedy: 'Remove it, or give another folder.',
      });
    }
  }
  await using handle = await open(here, constants.O_RDONLY | constants.O_NOFOLLOW);
  return digest(await handle.readFile());
}

async function setMode(folder: string, { path, mode }: LaidOutFile): Promise<void> {
  const target = join(folder, path);
  const stats = await lstat(target);
  if ((stats.mode & 0o7777) !== mode) await chmod(target, mode);
}

/** Only root may; and the user may be one that only the role's packages make. */
async function giveAway(folder: string, files: readonly LaidOutFile[]): Promise<readonly string[]> {
  const others = files.filter(({ owner }) => !/^(root|0)?(:(root|0)?)?$/.test(owner));
  if (process.geteuid?.() !== 0) {
    return ['this is not root: the files in the folder belong to you; install.sh gives them their owners'];
  }
  const notes: string[] = [];
  for (const { path, owner } of others) {
    try {
      await promisify(execFile)('chown', ['--no-dereference', '--', owner, join(folder, path)]);
    } catch {
      notes.push(`${path} is to belong to ${owner}, whom this host does not know yet: make the user first`);
    }
  }
  return notes;
}

function digest(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
