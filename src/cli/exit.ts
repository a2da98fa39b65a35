import { formatProblem, TinderboxError, toTinderboxError } from '../errors.ts';

/** ok, failed, wrong usage; of `serve` under systemd besides: to be started anew, wrong configuration (sysexits.h). */
export type ExitCode = 0 | 1 | 2 | 75 | 78;

/** What a failed command prints on stderr, and its exit code. */
export function reportFailure(
  thrown: unknown,
  verbose: boolean,
): { readonly text: string; readonly code: ExitCode } {
  const error = toTinderboxError(thrown);
  const lines = [`tinderbox: ${error.message}`];
  for (const problem of error.problems) {
    // Some messages quote their problems already.
    const text = formatProblem(problem);
    if (!error.message.includes(text)) lines.push(`  ${text}`);
  }
  if (error.remedy !== undefined) lines.push(`    ${error.remedy}`);
  // A defect of ours: the stack is what a report needs. Operators' mistakes never print one.
  if (error.code === 'internal' || verbose)
    lines.push(String((error.cause as Error | undefined)?.stack ?? error.stack));
  return { text: `${lines.join('\n')}\n`, code: error.code === 'usage' ? 2 : 1 };
}

export function usageError(message: string, remedy?: string): TinderboxError {
  return new TinderboxError('usage', message, remedy === undefined ? {} : { remedy });
}
