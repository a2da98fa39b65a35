import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LARGE_PAGE } from './libc-memory.ts';

const SETTINGS = '/sys/kernel/mm/transparent_hugepage';
/** It holds next to nothing. */
const FLAGS = ['--max-old-space-size=32', '--v8-pool-size=1'];
/** Milliseconds; some GiB take a second. */
const LIMIT = 60_000;

/** Whether this host can have large pages at all: Linux 6.1, and not forbidden. */
export function hasLargePages(
  read = (file: string) => readFileSync(file, 'latin1'),
  linux = release(),
): boolean {
  const [major = 0, minor = 0] = linux.split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 1)) return false;
  try {
    return (
      Number(read(`${SETTINGS}/hpage_pmd_size`)) === LARGE_PAGE &&
      !read(`${SETTINGS}/shmem_enabled`).includes('[deny]')
    );
  } catch {
    return false;
  }
}

/**
 * Lays out files in memory in large pages, each by a process that does so and ends; one at a time. False: not all of its
 * pages are, since some are being sent, or it is another file's turn. The descriptor is used before this returns, and not
 * afterwards. Never rejects.
 */
export function createPageEnlarger(isPossible = hasLargePages()): (descriptor: number) => Promise<boolean> {
  const entry = fileURLToPath(new URL(`./large-pages-worker${extname(import.meta.url)}`, import.meta.url));
  let isBusy = false;
  return (descriptor) => {
    if (!isPossible || isBusy) return Promise.resolve(false);
    isBusy = true;
    return new Promise((resolve) => {
      const end = (isLarge: boolean): void => {
        isBusy = false;
        resolve(isLarge);
      };
      try {
        const child = spawn(process.execPath, [...FLAGS, entry], {
          stdio: ['ignore', 'ignore', 'ignore', descriptor],
          env: {},
          timeout: LIMIT,
          killSignal: 'SIGKILL',
        });
        child.unref();
        child.once('error', () => end(false));
        child.once('exit', (code) => end(code === 0));
      } catch {
        end(false);
      }
    });
  };
}
