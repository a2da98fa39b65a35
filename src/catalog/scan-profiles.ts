import { type BigIntStats, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A profiles folder is small; these bounds hold if somebody points it at /. */
const MAX_ENTRIES = 10_000;
const MAX_DEPTH = 6;

export interface ProfilesScan {
  /** Changes whenever a file was written, replaced, added or removed. */
  readonly fingerprint: string;
  /** The folder itself and every folder in it: what has to be watched. */
  readonly folders: readonly string[];
  /** Milliseconds since the epoch: the youngest change of a file's content or name. */
  readonly newestChange: number;
}

/**
 * Looks at names, sizes and times only. Hidden files are passed over: editors' swap files, our own lock and temporary
 * file, `.git`. Synchronous: some 20 µs a file from the kernel's cache, and nothing can change half-way.
 */
export function scanProfiles(dir: string): ProfilesScan {
  const lines: string[] = [];
  const folders: string[] = [];
  let newest = 0n;
  const note = (path: string, stats: BigIntStats): void => {
    // ctime and inode tell where a tool kept mtime and size: cp -p, rsync -t, a rename over the old file.
    lines.push(`${path} ${stats.dev}:${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`);
    if (stats.ctimeNs > newest) newest = stats.ctimeNs;
  };
  const visit = (folder: string, depth: number): void => {
    const stats = statOf(folder);
    if (stats === undefined) return;
    lines.push(`${folder} ${stats.dev}:${stats.ino}`);
    folders.push(folder);
    for (const name of namesIn(folder)) {
      if (name.startsWith('.')) continue;
      if (lines.length >= MAX_ENTRIES) return;
      const path = join(folder, name);
      const entry = statOf(path);
      if (entry === undefined) lines.push(`${path} gone`);
      else if (!entry.isDirectory()) note(path, entry);
      else if (depth < MAX_DEPTH) visit(path, depth + 1);
    }
  };
  visit(dir, 0);
  return { fingerprint: lines.join('\n'), folders, newestChange: Number(newest / 1_000_000n) };
}

function statOf(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}
