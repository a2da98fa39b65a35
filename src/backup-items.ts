import type { Dirent } from 'node:fs';
import { lstat, open, readdir, readFile, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type BackupItem, ENTRY, type SecretFiles } from './backup/port.ts';
import { TinderboxError } from './errors.ts';
import { PKI_FOLDER } from './manage-authorities.ts';
import { isForbidden, RUN_AS_OWNER } from './pki/secret-files.ts';
import { SESSION_KEY_FILE } from './session-key.ts';

/** Assets that are listed; a folder that holds more is not one of images. */
const MAX_ASSETS = 10_000;

/** A file of moderate size, read as a whole, so that what is said of it is true. */
export async function fileItem(name: string, path: string): Promise<BackupItem> {
  try {
    await using handle = await open(path, 'r');
    const { mode, mtimeMs } = await handle.stat();
    const content = await handle.readFile();
    return { name, kind: 'file', mode: mode & 0o7777, mtime: mtimeMs / 1000, content };
  } catch (thrown) {
    throw explain(thrown, path);
  }
}

/**
 * Everything in profiles/, hidden files too (`.git`); not our own lock and what is being written. Links stay links. What
 * is neither file, folder nor link is left out.
 */
export async function* profileItems(
  folder: string,
  name: string = ENTRY.profiles,
): AsyncGenerator<BackupItem> {
  const found = await stat(folder).catch((thrown: unknown) => {
    throw explain(thrown, folder);
  });
  yield { name, kind: 'folder', mode: found.mode & 0o7777, mtime: found.mtimeMs / 1000 };
  for (const entry of await listSorted(folder)) {
    if (/^\.machines\.yaml\.lock|^\..+\.tmp$/.test(entry.name)) continue;
    const path = join(folder, entry.name);
    const inside = `${name}/${entry.name}`;
    if (entry.isDirectory()) yield* profileItems(path, inside);
    else if (entry.isFile()) yield await fileItem(inside, path);
    else if (entry.isSymbolicLink()) {
      const { mtimeMs } = await lstat(path);
      yield { name: inside, kind: 'link', mode: 0o777, mtime: mtimeMs / 1000, target: await readlink(path) };
    }
  }
}

async function listSorted(folder: string): Promise<readonly Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (thrown) {
    throw explain(thrown, folder);
  }
}

/** What is not in the backup, so that whoever restores knows what to fetch: name, size and time of each asset. */
export async function assetList(folder: string, now: number): Promise<BackupItem> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files: { name: string; size: number; modified: string }[] = [];
  for (const entry of names) {
    if (!entry.isFile() || files.length >= MAX_ASSETS) continue;
    const path = join(entry.parentPath, entry.name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    files.push({
      name: path.slice(folder.length + 1),
      size: found.size,
      modified: found.mtime.toISOString(),
    });
  }
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  const content = Buffer.from(`${JSON.stringify({ folder, files }, null, 2)}\n`);
  return { name: ENTRY.assets, kind: 'file', mode: 0o644, mtime: now, content };
}

/** The session key and everything in pki/, with the keys of former authorities. */
export async function readSecrets(state: string): Promise<SecretFiles> {
  const files = new Map<string, Uint8Array>();
  const add = async (name: string): Promise<void> => {
    try {
      files.set(name, await readFile(join(state, name)));
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw explain(thrown, join(state, name));
    }
  };
  await add(SESSION_KEY_FILE);
  const pki = join(state, PKI_FOLDER);
  const names = await readdir(pki).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return [];
    throw explain(thrown, pki);
  });
  for (const name of names.toSorted((a, b) => a.localeCompare(b)))
    if (!name.startsWith('.')) await add(`${PKI_FOLDER}/${name}`);
  return files;
}

function explain(thrown: unknown, path: string): unknown {
  if (isForbidden(thrown)) {
    return new TinderboxError('refused', `${path}: may not be read by this user`, {
      cause: thrown,
      remedy: RUN_AS_OWNER,
    });
  }
  return thrown;
}
