import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TinderboxError } from '../src/errors.ts';

/** The time that all that is built bears, in seconds since 1970: the same sources give the same bytes. */
export function readSourceDate(root: string, given: string | undefined): number {
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  const date = commitDate(root) ?? newestRelease(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'));
  if (date !== undefined) return date;
  throw new TinderboxError('not-found', 'neither git nor CHANGELOG.md says how old these sources are', {
    remedy: 'Say it yourself: SOURCE_DATE_EPOCH=$(date +%s) npm run package',
  });
}

function commitDate(root: string): number | undefined {
  try {
    // Also as root in a clone of somebody else, where git refuses otherwise.
    const argv = ['-c', 'safe.directory=*', '-C', root, 'log', '-1', '--format=%ct'];
    const text = execFileSync('git', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return /^\d+\n$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}

/** `## [0.1.0] - 2026-12-01`, the newest first. */
export function newestRelease(changelog: string): number | undefined {
  const date = /^## \[\d[^\]]*\] - (\d{4}-\d{2}-\d{2})$/m.exec(changelog)?.[1];
  return date === undefined ? undefined : Date.parse(`${date}T00:00:00Z`) / 1000;
}
