import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { TinderboxError } from '../errors.ts';
import type { Log } from './debian-packages.ts';
import { aptUpdate } from './debian-packages.ts';
import type { Apt } from './foreign-apt.ts';
import { runProgram } from './run-program.ts';
import { isRealRoot } from './user-namespace.ts';

const TIMEOUT = 300_000;

/**
 * The file name of a downloaded package in `folder`; downloads it if none matches `pattern`. Throws TinderboxError
 * `unavailable` where it cannot be had.
 */
export async function ensurePackage(
  folder: string,
  name: () => Promise<string>,
  pattern: RegExp,
  log: Log,
  apt: Apt = { options: [] },
): Promise<string> {
  const present = await newestMatch(folder, pattern);
  if (present !== undefined) return present;
  const work = `${folder}/download-${randomUUID()}`;
  await mkdir(work);
  try {
    await withFreshLists(apt, async () => {
      const wanted = await name();
      log(`downloading ${wanted}`);
      // The sandbox user of apt may not write into a folder of ours.
      await runProgram(
        ['apt-get', '-q', '-o', 'APT::Sandbox::User=root', ...apt.options, 'download', wanted],
        { cwd: work, timeout: TIMEOUT },
      );
    });
    const file = await newestMatch(work, pattern);
    if (file === undefined) throw new TinderboxError('unavailable', 'apt-get download left no package file');
    await rename(`${work}/${file}`, `${folder}/${file}`);
    return file;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * The file names of `names` and of all that they depend on, in `folder`, which is filled if it is not there yet. apt
 * solves it for a machine that has nothing installed. Throws as ensurePackage.
 */
export async function ensurePackageSet(
  folder: string,
  names: readonly string[],
  log: Log,
): Promise<readonly string[]> {
  if (!existsSync(folder)) {
    const work = `${folder}-${randomUUID()}`;
    try {
      await mkdir(`${work}/archives/partial`, { recursive: true });
      await writeFile(`${work}/status`, '');
      await withFreshLists({ options: [] }, async () => {
        log(`downloading ${names.join(', ')} and what they depend on`);
        await runProgram(
          [
            ['apt-get', '-q', '--yes', '--no-install-recommends', '--download-only'],
            ['-o', `Dir::State::status=${work}/status`, '-o', `Dir::Cache=${work}`],
            ['-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=root'],
            ['install', ...names],
          ].flat(),
          { timeout: TIMEOUT },
        );
      });
      await rename(`${work}/archives`, folder).catch((error: NodeJS.ErrnoException) => {
        // Somebody else was quicker.
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  return (await readdir(folder)).filter((name) => name.endsWith('.deb')).toSorted();
}

async function newestMatch(folder: string, pattern: RegExp): Promise<string | undefined> {
  const names = (await readdir(folder)).filter((name) => pattern.test(name));
  return names.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
}

async function withFreshLists(apt: Apt, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (apt.update !== undefined) {
      await apt.update();
      await work();
      return;
    }
    if (!(await isRealRoot())) {
      throw new TinderboxError('unavailable', 'the packages of the live image cannot be downloaded', {
        cause,
        remedy: 'Run once: sudo apt-get update. The live image needs Debian on x86_64.',
      });
    }
    await aptUpdate();
    await work();
  }
}
