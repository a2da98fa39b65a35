import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';

/** One version of a file: another inode, size or time is another version. */
export interface AssetFile {
  readonly realPath: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number;
  readonly version: string;
  /** As `version`, of an open file: what stays the same when the file is renamed or unlinked meanwhile. */
  readonly content: string;
}

export type FoundAsset =
  | { readonly kind: 'file'; readonly file: AssetFile }
  | { readonly kind: 'missing'; readonly reason: string }
  | { readonly kind: 'outside'; readonly reason: string };

/** Finds a regular file below `root`, after all links; a link that leads out of it is refused. */
export async function findAsset(root: string, segments: readonly string[]): Promise<FoundAsset> {
  const path = join(root, ...segments);
  try {
    const [realRoot, realPath] = await Promise.all([realpath(root), realpath(path)]);
    if (!realPath.startsWith(realRoot === sep ? sep : realRoot + sep)) {
      return { kind: 'outside', reason: 'it is a link that leads out of the assets folder' };
    }
    const stats = await stat(realPath, { bigint: true });
    if (!stats.isFile()) return { kind: 'missing', reason: 'it is no regular file' };
    return { kind: 'file', file: describe(realPath, stats) };
  } catch (error) {
    return { kind: 'missing', reason: explain(error as NodeJS.ErrnoException) };
  }
}

/** The change time is part of the version: it betrays a file rewritten in place with its old size and time. */
function describe(realPath: string, stats: BigIntStats): AssetFile {
  const content = [stats.dev, stats.ino, stats.size, stats.mtimeNs]
    .map((part) => part.toString(36))
    .join('-');
  const version = `${content}-${stats.ctimeNs.toString(36)}`;
  return {
    realPath,
    size: Number(stats.size),
    modifiedAt: Number(stats.mtimeNs / 1_000_000n),
    version,
    content,
  };
}

function explain(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file in the assets folder';
    case 'EACCES':
      return 'tinderbox may not read it';
    default:
      return `it cannot be read (${error.code ?? error.message})`;
  }
}

/** Opens exactly this version. Undefined if the file is another one by now. Rejects with Node's error. */
export async function openAsset(file: AssetFile): Promise<FileHandle | undefined> {
  // NONBLOCK: a FIFO put in the file's place must not hold up a thread.
  const handle = await open(file.realPath, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if (await isUnchanged(handle, file)) return handle;
  await handle.close();
  return undefined;
}

/** The change time does not count here: it moves also when another file takes over the name. */
export async function isUnchanged(handle: FileHandle, file: AssetFile): Promise<boolean> {
  const now = describe(file.realPath, await handle.stat({ bigint: true }));
  return now.content === file.content;
}
