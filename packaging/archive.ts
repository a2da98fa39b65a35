import { execFileSync } from 'node:child_process';
import { chmodSync, lutimesSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export interface Compression {
  /** 1 to 9. */
  readonly gzip: number;
  /** What dpkg-deb is told: xz for 32 MB in two minutes of processor time, or gzip for 53 MB in seconds. */
  readonly deb: readonly string[];
}

/** Whoever unpacks it sees one owner, modes that are no umask's, and one time. */
export function levelTree(folder: string, sourceDate: number): void {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) chmodSync(path, 0o755);
    else if (entry.isFile()) chmodSync(path, isProgram(path) ? 0o755 : 0o644);
  }
  // Afterwards, and what is inside a folder before the folder.
  for (const entry of entries.toReversed())
    lutimesSync(join(entry.parentPath, entry.name), sourceDate, sourceDate);
  chmodSync(folder, 0o755);
  lutimesSync(folder, sourceDate, sourceDate);
}

const isProgram = (path: string): boolean =>
  /\/(bin\/(node|tinderbox)|DEBIAN\/(pre|post)(inst|rm)|(un)?install\.sh|examples\/[a-z-]+\/[a-z-]+\.sh)$/.test(
    path,
  );

/** A tar of `folder`, named as its last part, and gzip: without the time in its header. */
export function packTarball(folder: string, file: string, gzip: number): void {
  const form = '--format=gnu --sort=name --owner=0 --group=0 --numeric-owner'.split(' ');
  const argv = ['--create', ...form, '--directory', dirname(folder), basename(folder)];
  const env = { PATH: process.env['PATH'], LC_ALL: 'C' };
  const tar = execFileSync('tar', argv, { maxBuffer: 1024 ** 3, env });
  const options = { input: tar, maxBuffer: 1024 ** 3 };
  writeFileSync(file, execFileSync('gzip', ['--no-name', `-${gzip}`, '--stdout'], options));
}
