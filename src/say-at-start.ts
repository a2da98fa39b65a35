import { formatProblem, type Problem, TinderboxError } from './errors.ts';
import type { Loggers } from './logger.ts';
import type { Preflight } from './preflight.ts';
import type { BootFileIndex } from './servers/boot-file-index.ts';

/** Throws `invalid-config`, or `unavailable` where trying again may help. */
export function refuseIfBroken({ problems, lacking }: Preflight, loggers: Loggers): void {
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) {
    const mayPass = errors.every((error) => lacking.includes(error));
    throw new TinderboxError(
      mayPass ? 'unavailable' : 'invalid-config',
      `cannot start: ${errors.length} problem(s)`,
      {
        problems: errors,
        remedy: 'Mend them; `tinderbox check` lists them all.',
      },
    );
  }
  for (const warning of problems) loggers.daemon.warn(formatProblem(warning));
}

/** An interface may come later than this start: a late driver, a bond that is still being made. */
export function sayWaiting(waiting: readonly Problem[], { net }: Loggers): void {
  for (const problem of waiting) net.warn(`not served until this is mended: ${formatProblem(problem)}`);
}

export function sayBootFiles(index: BootFileIndex, { tftp }: Loggers): void {
  for (const { architecture, label, file, path } of index.rows()) {
    if (path !== undefined) tftp.info({ architecture, file, path }, `${label}: ${file}`);
    else if (file !== undefined)
      tftp.info({ architecture, file }, `${label}: cannot boot, there is no ${file}`);
  }
}
