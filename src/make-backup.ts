import { randomUUID } from 'node:crypto';
import { access, link, open, rename, rm, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { asOwnerOf } from './as-owner-of.ts';
import { packBackup } from './backup/pack-backup.ts';
import { BACKUP_FORMAT, type BackupItem, type BackupManifest, ENTRY } from './backup/port.ts';
import { assetList, fileItem, profileItems, readSecrets } from './backup-items.ts';
import { lockProfiles } from './catalog/lock-profiles.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import { ownerOf } from './file-owners.ts';
import { pkiFolder } from './manage-authorities.ts';
import { DATABASE_FILE } from './preflight-state.ts';
import { syncFolder } from './restore-plan.ts';
import { copyDatabase } from './store/copy-database.ts';
import { readVersion } from './version.ts';

export interface DatabaseCopy {
  readonly size: number;
  readonly stream: AsyncIterable<Uint8Array>;
}

export interface MakeBackupOptions {
  readonly config: Config;
  /** A path, or a stream that the caller owns. */
  readonly to: { readonly file: string; readonly force: boolean } | NodeJS.WritableStream;
  /** Where a daemon runs: its copy of the database. */
  readonly daemonCopy?: () => Promise<DatabaseCopy>;
  /** Undefined: nothing secret goes into it. */
  readonly passphrase?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Bytes before compression, so far. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Writes everything that a host with Tinderbox cannot get back otherwise, as one file: there as a whole (0600) or not at
 * all. Throws TinderboxError: `in-use` if it exists, `unavailable` where the disk is full, `refused`.
 */
export async function makeBackup(options: MakeBackupOptions): Promise<BackupManifest> {
  const { to } = options;
  if ('file' in to) return writeWhole(to.file, to.force, (target) => writeTo(options, target));
  return writeTo(options, to);
}

/** Whether there are authorities, which go into a backup under a passphrase only. */
export async function hasAuthorities(config: Config): Promise<boolean> {
  return exists(pkiFolder(config));
}

async function writeTo(options: MakeBackupOptions, target: NodeJS.WritableStream): Promise<BackupManifest> {
  const { config, passphrase, now, signal } = options;
  const seconds = Math.floor(now / 1000);
  const secretFiles =
    passphrase === undefined
      ? undefined
      : await asOwnerOf(config.paths.state, () => readSecrets(config.paths.state));
  const owners = {
    config: await ownerOf(config.file),
    profiles: await ownerOf(config.paths.profiles),
    state: await ownerOf(config.paths.state),
  };
  await using database = await openDatabaseCopy(options);
  const schema = { version: 0 };
  const packing = packBackup({
    about: {
      format: BACKUP_FORMAT,
      id: randomUUID(),
      tinderbox: readVersion(),
      createdAt: new Date(now).toISOString(),
      host: hostname(),
    },
    facts: () => ({ schema: schema.version, configFile: config.file, owners }),
    items: itemsOf(config, database, seconds, (version) => void (schema.version = version)),
    ...(secretFiles === undefined || passphrase === undefined
      ? {}
      : { secrets: { files: secretFiles, passphrase } }),
    now: seconds,
  });
  let manifest: BackupManifest | undefined;
  let bytes = 0;
  async function* watched(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const { done, value } = await packing.next();
      if (done === true) {
        manifest = value;
        return;
      }
      // A stream takes an empty chunk for nothing to read yet, and waits for ever.
      if (value.length === 0) continue;
      bytes += value.length;
      options.onProgress?.(bytes);
      yield value;
    }
  }
  await pipeline(Readable.from(watched(), { objectMode: false }), createGzip(), target, { signal });
  if (manifest === undefined) throw new Error('the backup ended without a manifest');
  return manifest;
}

async function* itemsOf(
  config: Config,
  database: DatabaseCopy,
  now: number,
  onSchema: (version: number) => void,
): AsyncGenerator<BackupItem> {
  yield await fileItem(ENTRY.config, config.file);
  const { profiles } = config.paths;
  yield* await asOwnerOf(profiles, () => readProfiles(profiles));
  yield await assetList(config.paths.assets, now);
  const content = { size: database.size, chunks: noticeSchema(database.stream, onSchema) };
  yield { name: ENTRY.database, kind: 'file', mode: 0o600, mtime: now, content };
}

/** No edit of ours is seen half. Who may read there, but not write, reads without the lock. */
async function readProfiles(folder: string): Promise<readonly BackupItem[]> {
  const lock = await lockProfiles(folder).catch(() => undefined);
  try {
    const items: BackupItem[] = [];
    for await (const item of profileItems(folder)) items.push(item);
    return items;
  } finally {
    await lock?.[Symbol.asyncDispose]();
  }
}

/** `user_version` stands at byte 60 of an SQLite file (https://www.sqlite.org/fileformat2.html#database_header). */
async function* noticeSchema(
  stream: AsyncIterable<Uint8Array>,
  onSchema: (version: number) => void,
): AsyncGenerator<Uint8Array> {
  let head: Uint8Array | undefined = new Uint8Array(0);
  for await (const chunk of stream) {
    if (head !== undefined) {
      head = Buffer.concat([head, chunk.subarray(0, 64)]);
      if (head.length >= 64) {
        onSchema(Buffer.from(head).readUInt32BE(60));
        head = undefined;
      }
    }
    yield chunk;
  }
}

async function openDatabaseCopy({
  config,
  daemonCopy,
}: MakeBackupOptions): Promise<DatabaseCopy & AsyncDisposable> {
  if (daemonCopy !== undefined)
    return { ...(await daemonCopy()), [Symbol.asyncDispose]: async () => undefined };
  const { state } = config.paths;
  return asOwnerOf(state, () => copyToStream(join(state, DATABASE_FILE)));
}

/** A copy beside the database, whose name is gone before the first byte is read: nothing of it can be left behind. */
export async function copyToStream(
  file: string,
): Promise<{ readonly size: number; readonly stream: Readable } & AsyncDisposable> {
  await stat(file).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause;
    throw new TinderboxError('not-found', `there is no database at ${file}`, {
      cause,
      remedy:
        'Start the daemon once (sudo systemctl start tinderbox, or sudo tinderbox serve), or see whether paths.state names the right directory.',
    });
  });
  const to = `${file}.backup-${randomUUID().slice(0, 8)}.part`;
  await copyDatabase({ file, to });
  const handle = await open(to, 'r');
  await unlink(to);
  const { size } = await handle.stat();
  const stream = handle.createReadStream();
  return {
    size,
    stream,
    async [Symbol.asyncDispose]() {
      // It closes the handle.
      stream.destroy();
    },
  };
}

async function writeWhole<T>(
  file: string,
  force: boolean,
  write: (target: NodeJS.WritableStream) => Promise<T>,
): Promise<T> {
  const target = resolve(file);
  if (!force && (await exists(target))) throw inTheWay(file);
  const part = join(dirname(target), `.${basename(target)}.${randomUUID().slice(0, 8)}.part`);
  try {
    // Before anything is read: a stream would fail when nobody listens yet.
    const handle = await open(part, 'wx', 0o600);
    // Synced when it is closed.
    const stream = handle.createWriteStream({ flush: true });
    // Where nothing was written yet, nobody else closes it.
    const result = await write(stream).finally(() => void stream.destroy());
    if (force) await rename(part, target);
    else {
      // Unlike a rename, a link never replaces what somebody made meanwhile.
      await link(part, target);
      await unlink(part);
    }
    await syncFolder(dirname(target));
    return result;
  } catch (thrown) {
    await rm(part, { force: true });
    throw explain(thrown, file);
  }
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

function inTheWay(file: string, cause?: unknown): TinderboxError {
  return new TinderboxError('in-use', `${file} exists`, {
    remedy: 'Give another name, or --force to replace it.',
    ...(cause === undefined ? {} : { cause }),
  });
}

function explain(thrown: unknown, file: string): unknown {
  switch ((thrown as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new TinderboxError(
        'unavailable',
        `the disk is full: ${file} was not written, and nothing is left of it`,
        {
          cause: thrown,
          remedy: 'Make room there, or write it elsewhere (a dash writes to stdout).',
        },
      );
    case 'EEXIST':
      return inTheWay(file, thrown);
    case 'ENOENT':
      return new TinderboxError('not-found', `${dirname(resolve(file))} is not there`, {
        cause: thrown,
        remedy: `Make it, for root alone: sudo install -d -m 700 ${dirname(resolve(file))}`,
      });
    case 'ABORT_ERR':
      return new TinderboxError('unavailable', 'interrupted; nothing was written', { cause: thrown });
    default:
      return thrown;
  }
}
