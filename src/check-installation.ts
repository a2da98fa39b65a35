import { dirname } from 'node:path';
import { resolveConfig } from './config/resolve.ts';
import { type Problem, TinderboxError } from './errors.ts';
import { checkBootFiles, runPreflight } from './preflight.ts';
import { checkRoleAssets } from './preflight-assets.ts';
import { tryRoles } from './preflight-roles.ts';

/** What `tinderbox check` would say of a configuration that is not written yet. */
export interface InstallationCheck {
  readonly warnings: readonly Problem[];
  /** What is to be installed or fetched before it boots anything; no fault of the configuration. */
  readonly missing: readonly Problem[];
  /** Of machines.yaml; null: none. */
  readonly defaultRole: string | null;
}

/**
 * Loads the text as `file`, with the profiles that it will have. Throws TinderboxError `invalid-config` with everything
 * that no package and no download would mend.
 */
export async function checkInstallation(
  file: string,
  text: string,
  profiles: string,
): Promise<InstallationCheck> {
  const { config, problems } = resolveConfig({ file, content: text, folder: dirname(file), env: {} });
  if (config === undefined) throw refuse(problems);
  // Problems are said of where the profiles will be.
  const staged = { ...config, paths: { ...config.paths, profiles } };
  const preflight = await runPreflight(staged);
  const assets =
    preflight.catalog === undefined
      ? []
      : await checkRoleAssets(staged, tryRoles(staged, preflight.catalog).rendered);
  const fetched = new Set([...checkBootFiles(staged, preflight.bootFileIndex), ...assets].map(keyOf));
  const all = [...problems, ...preflight.waiting, ...preflight.problems].map((problem) => ({
    problem: moved(problem, profiles, config.paths.profiles),
    isMissing: fetched.has(keyOf(problem)),
  }));
  const broken = all.filter(({ problem, isMissing }) => problem.severity === 'error' && !isMissing);
  if (broken.length > 0) throw refuse(broken.map(({ problem }) => problem));
  return {
    warnings: all.filter(({ isMissing }) => !isMissing).map(({ problem }) => problem),
    missing: all.filter(({ isMissing }) => isMissing).map(({ problem }) => problem),
    defaultRole: preflight.catalog?.defaultRole ?? null,
  };
}

function keyOf({ severity, file, line, message }: Problem): string {
  return [severity, file, line, message].join('\n');
}

function moved(problem: Problem, from: string, to: string): Problem {
  if (from === to || problem.file?.startsWith(from) !== true) return problem;
  return { ...problem, file: to + problem.file.slice(from.length) };
}

function refuse(problems: readonly Problem[]): TinderboxError {
  const errors = problems.filter(({ severity }) => severity === 'error');
  return new TinderboxError(
    'invalid-config',
    `nothing is written: tinderbox check would refuse the configuration (${errors.length} problem(s))`,
    { problems: errors },
  );
}
