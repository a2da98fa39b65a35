import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, chown, lchown, mkdir, open, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
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
      links.push({ path, target: entry.target ?? '' });
    } else {
      const hash = createHash('sha256');
      await pipeline(
        entry.content,
        async function* (chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            hash.update(chunk);
            yield chunk;
          }
        },
        createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true }),
      );
      if (hash.digest('hex') !== listed.sha256)
        throw new TinderboxError('invalid-config', `${file} has changed while it was read`);
      await giveTo(path, owner);
      await chmod(path, name === ENTRY.database ? 0o600 : listed.mode & 0o777);
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
  if (owner !== undefined) await chown(path, owner.uid, owner.gid);
}

/** Folders that are not there yet belong to whom what is in them does. */
export async function makeFolder(folder: string, mode: number, owner: Ids | undefined): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode });
  if (first === undefined) return;
  for (let path = folder; path.length >= first.length; path = dirname(path)) await giveTo(path, owner);
}

export async function removeStaged(paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { recursive: true, force: true });
}
