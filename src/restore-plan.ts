import { link, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TinderboxError } from './errors.ts';

/** One thing that is exchanged. Everything new lies beside its place, verified and synced, before a plan is written. */
export interface RestoreMove {
  readonly what: string;
  /** What is there now. */
  readonly path: string;
  /** Where that goes. Undefined: nothing is there. */
  readonly aside?: string;
  /** What takes its place; undefined: nothing does. */
  readonly staged?: string;
  /** A file that must be there at every moment. */
  readonly always?: boolean;
}

export interface RestorePlan {
  readonly backup: string;
  readonly state: string;
  readonly moves: readonly RestoreMove[];
}

/** Beside the configuration, since every start reads that: a restore that was killed is not overlooked. */
export const planFile = (configFile: string): string => `${configFile}.restoring`;

/** Undefined: no restore is under way. Throws `invalid-config` for a plan that cannot be read. */
export async function readPlan(configFile: string): Promise<RestorePlan | undefined> {
  const file = planFile(configFile);
  try {
    return JSON.parse(await readFile(file, 'utf8')) as RestorePlan;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new TinderboxError('invalid-config', `${file} cannot be read: ${(thrown as Error).message}`, {
      cause: thrown,
      remedy: 'It says how far a restore came; run tinderbox restore --continue with sudo.',
    });
  }
}

/** For who starts: it must not serve half of one installation and half of another. */
export async function refuseHalfRestored(configFile: string): Promise<void> {
  const found = await stat(planFile(configFile)).catch(() => undefined);
  if (found === undefined) return;
  throw new TinderboxError('refused', `a restore was interrupted half-way (${planFile(configFile)})`, {
    remedy: 'Finish it: sudo tinderbox restore --continue. Nothing is lost: what was there is set aside.',
  });
}

export type OnStep = (step: string) => void;

/** Carries a plan out, also one that was begun; each step is done once, however often it is tried. */
export async function carryOut(
  configFile: string,
  plan: RestorePlan,
  onStep: OnStep = () => undefined,
): Promise<void> {
  await writePlan(planFile(configFile), plan);
  onStep('planned');
  for (const { path, aside, staged, always } of plan.moves) {
    if (aside !== undefined && !(await exists(aside)) && (await exists(path))) {
      if (always === true) await link(path, aside);
      else await rename(path, aside);
      await syncFolder(dirname(path));
      onStep(`aside ${path}`);
    }
    if (staged !== undefined && (await exists(staged))) {
      await rename(staged, path);
      await syncFolder(dirname(path));
      onStep(`placed ${path}`);
    }
  }
  await rm(planFile(configFile));
  await syncFolder(dirname(configFile));
  onStep('done');
}

async function writePlan(file: string, plan: RestorePlan): Promise<void> {
  const part = `${file}.part`;
  {
    await using handle = await open(part, 'w', 0o644);
    await handle.writeFile(`${JSON.stringify(plan, null, 2)}\n`);
    await handle.sync();
  }
  await rename(part, file);
  await syncFolder(dirname(file));
}

export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
