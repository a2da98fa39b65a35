import { createHash, type Hash } from 'node:crypto';
import { chmod, lchown, mkdir, open, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { asOwnerOf } from './as-owner-of.ts';
import { type BackupManifest, ENTRY, type SecretFiles } from './backup/port.ts';
import { entriesOf } from './backup/read-backup.ts';
import { TinderboxError } from './errors.ts';
import type { Ids } from './file-owners.ts';
import { syncFolder } from './restore-plan.ts';

/** Where each part is written, beside its place; undefined: not restored. */
export interface StagingPlaces {
  readonly config?: string;
  readonly profiles?: string;
  readonly database?: string;
}

export interface StagingOwners {
  /** Undefined: whoever runs this owns it. */
  readonly config: Ids | undefined;
  /** Undefined: what the backup says, but nobody else writes it. */
  readonly configMode: number | undefined;
  readonly profiles: Ids | undefined;
  readonly state: Ids | undefined;
}

/** Writes the parts of a verified backup, synced; compares each once more, since the file may be another one by now. */
export async function stageFiles(
  file: string,
  manifest: BackupManifest,
  places: StagingPlaces,
  owners: StagingOwners,
): Promise<void> {
  const known = new Map(manifest.files.map((each) => [each.name, each]));
  const links: { readonly path: string; readonly target: string }[] = [];
  const folders: { readonly path: string; readonly mode: number }[] = [];
  for await (const entry of entriesOf(file)) {
    const name = entry.name.replace(/\/$/, '');
    const listed = known.get(name);
    const { path, owner } = placeOf(name, places, owners);
    if (path === undefined || listed === undefined) continue;
    if (entry.kind === 'folder') {
      await mkdir(path, { mode: 0o700 });
      folders.push({ path, mode: listed.mode });
    } else if (entry.kind === 'link') {
      links.push({ path, target: listed.target ?? '' });
    } else {
      const hash = createHash('sha256');
      // Its name may be exchanged for a link meanwhile: all that follows goes by the descriptor.
      await using handle = await open(path, 'wx', 0o600);
      await handle.writeFile(hashing(entry.content, hash));
      if (hash.digest('hex') !== listed.sha256)
        throw new TinderboxError('invalid-config', `${file} has changed while it was read`);
      if (owner !== undefined) await handle.chown(owner.uid, owner.gid);
      await handle.chmod(modeOf(name, listed.mode, owners));
      await handle.sync();
    }
  }
  // Last, so that nothing is ever written through one; folders from the inside out, since one may be read-only.
  for (const { path, target } of links) {
    await symlink(target, path);
    if (owners.profiles !== undefined) await lchown(path, owners.profiles.uid, owners.profiles.gid);
  }
  for (const { path, mode } of folders.toReversed()) {
    await syncFolder(path);
    await giveTo(path, owners.profiles);
    await chmod(path, mode & 0o777);
  }
}

function modeOf(name: string, listed: number, { configMode }: StagingOwners): number {
  if (name === ENTRY.database) return 0o600;
  return name === ENTRY.config ? (configMode ?? listed & 0o755) : listed & 0o777;
}

async function* hashing(chunks: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}

function placeOf(
  name: string,
  places: StagingPlaces,
  owners: StagingOwners,
): { readonly path: string | undefined; readonly owner: Ids | undefined } {
  if (name === ENTRY.config) return { path: places.config, owner: owners.config };
  if (name === ENTRY.database) return { path: places.database, owner: owners.state };
  if (places.profiles !== undefined && (name === ENTRY.profiles || name.startsWith(`${ENTRY.profiles}/`)))
    return { path: join(places.profiles, name.slice(ENTRY.profiles.length)), owner: owners.profiles };
  return { path: undefined, owner: undefined };
}

/** A file of what was sealed, for its owner only. */
export async function stageSecret(path: string, bytes: Uint8Array, owner: Ids | undefined): Promise<void> {
  await using handle = await open(path, 'wx', 0o600);
  await handle.writeFile(bytes);
  if (owner !== undefined) await handle.chown(owner.uid, owner.gid);
  await handle.sync();
}

/** `pki/` as a folder. */
export async function stagePki(folder: string, files: SecretFiles, owner: Ids | undefined): Promise<void> {
  await mkdir(folder, { mode: 0o700 });
  for (const [name, bytes] of files) {
    if (!/^pki\/[^/]+$/.test(name)) continue;
    await stageSecret(join(folder, name.slice('pki/'.length)), bytes, owner);
  }
  await syncFolder(folder);
  await giveTo(folder, owner);
}

export async function giveTo(path: string, owner: Ids | undefined): Promise<void> {
  if (owner !== undefined) await lchown(path, owner.uid, owner.gid);
}

/** Folders that are not there yet belong to whom what is in them does. */
export async function makeFolder(folder: string, mode: number, owner: Ids | undefined): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode });
  if (first === undefined) return;
  for (let path = folder; path.length >= first.length; path = dirname(path)) await giveTo(path, owner);
}

/** With what SQLite may have left beside a database: it would be replayed into the next one of that name. */
export async function removeStaged(paths: readonly string[], state: string): Promise<void> {
  const all = paths.flatMap((path) => ['', '-journal', '-wal', '-shm'].map((suffix) => `${path}${suffix}`));
  for (const path of all) {
    const remove = () => rm(path, { recursive: true, force: true });
    await (dirname(path) === state ? asOwnerOf(state, remove) : remove());
  }
}
