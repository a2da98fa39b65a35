import { constants } from 'node:fs';
import { access, copyFile, mkdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomically } from './catalog/write-file-atomically.ts';
import type { Config } from './config/port.ts';
import { makeFolder, placeProfiles, stageProfiles } from './copy-profiles.ts';
import { TinderboxError } from './errors.ts';
import type { ServiceAccount } from './service-account.ts';

export interface InstallationPlan {
  /** Absolute. */
  readonly file: string;
  readonly text: string;
  readonly paths: Config['paths'];
  /** A file that is there is replaced, and a copy of it kept. */
  readonly overwrite: boolean;
  /** Of the shipped roles, and the default to give their machines.yaml; undefined: there are profiles. */
  readonly profiles?: { readonly shipped: string; readonly defaultRole: string };
  /** Undefined: who runs this keeps everything. */
  readonly account: ServiceAccount | undefined;
  /** Of the copy that is kept of a file that is there. */
  readonly stamp: string;
}

export interface WrittenInstallation {
  /** Absolute paths, in the order they were written. */
  readonly written: readonly string[];
  /** The copy of the file that was there. */
  readonly backup?: string;
}

/** A shared group may read it, nobody else: it may name what an attacker would like to know. */
const CONFIG_MODE = 0o640;

/**
 * Writes the profiles, the folders and, last, the configuration: whoever finds that has everything. If a step fails,
 * what was made until then is removed again. Throws TinderboxError `refused` or `unavailable`.
 */
export async function writeInstallation(plan: InstallationPlan): Promise<WrittenInstallation> {
  const { file, paths, account } = plan;
  const written: string[] = [];
  const undo: string[] = [];
  let at = dirname(file);
  const note = (made: string | undefined, path: string): void => {
    if (made === undefined) return;
    undo.push(made);
    written.push(path);
  };
  try {
    note(await mkdir(at, { recursive: true, mode: 0o755 }), at);
    if (plan.profiles !== undefined) {
      at = paths.profiles;
      const above = await mkdir(dirname(at), { recursive: true, mode: 0o755 });
      if (above !== undefined) undo.push(above);
      const { shipped, defaultRole } = plan.profiles;
      const staged = await stageProfiles(shipped, at, defaultRole);
      try {
        await placeProfiles(staged.folder, at, account);
      } finally {
        await staged.remove();
      }
      note(at, at);
    }
    for (const [folder, mode] of [
      [paths.assets, 0o755],
      [paths.state, 0o700],
    ] as const) {
      at = folder;
      note(await makeFolder(folder, mode, account), folder);
    }
    at = file;
    const backup = plan.overwrite ? await keepCopy(file, plan.stamp) : await refuseExisting(file);
    if (backup !== undefined) undo.push(backup);
    const owner = account === undefined ? {} : { owner: { uid: 0, gid: account.gid } };
    await writeFileAtomically(file, plan.text, { mode: CONFIG_MODE, ...owner });
    written.push(file);
    return { written, ...(backup === undefined ? {} : { backup }) };
  } catch (thrown) {
    for (const path of undo.toReversed())
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
    throw explain(thrown, at);
  }
}

/** Throws TinderboxError `refused` before anybody is asked anything. */
export async function requireWritable(file: string): Promise<void> {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    try {
      await access(folder, constants.W_OK | constants.X_OK);
      return;
    } catch (thrown) {
      const missing = (thrown as NodeJS.ErrnoException).code === 'ENOENT';
      if (!missing || dirname(folder) === folder) throw explain(thrown, folder);
    }
  }
}

/** It was not there a moment ago, when the operator was asked. */
async function refuseExisting(file: string): Promise<undefined> {
  const before = await stat(file).catch(() => undefined);
  if (before === undefined) return;
  throw new TinderboxError('refused', `${file} is there now: somebody else wrote it`, {
    remedy: 'Look at it, then try again.',
  });
}

async function keepCopy(file: string, stamp: string): Promise<string | undefined> {
  const before = await stat(file).catch(() => undefined);
  if (before === undefined) return undefined;
  const backup = `${file}.${stamp}.bak`;
  // Copies the mode too. It is new: what was kept before is never overwritten.
  await copyFile(file, backup, constants.COPYFILE_EXCL);
  return backup;
}

function explain(thrown: unknown, path: string): unknown {
  if (thrown instanceof TinderboxError) return thrown;
  const { code = '', message } = thrown as NodeJS.ErrnoException;
  const details = (remedy: string) => ({ cause: thrown, remedy });
  const text = `${path} cannot be written (${code === '' ? message : code}); nothing was changed`;
  if (code === 'EACCES' || code === 'EPERM') {
    return new TinderboxError(
      'refused',
      text,
      details('Run it with sudo, or write where you may: --config ./tinderbox.yaml'),
    );
  }
  if (code === 'EROFS' || code === 'ENOSPC' || code === 'EDQUOT') {
    return new TinderboxError(
      'unavailable',
      text,
      details('Make room there, or give another place: --config FILE.'),
    );
  }
  return thrown;
}
