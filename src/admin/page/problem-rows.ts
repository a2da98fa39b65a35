import type { Problem } from '../../errors.ts';

/** A problem with every key: views are strict about what is not there. */
export interface ProblemRow {
  readonly severity: Problem['severity'];
  readonly message: string;
  /** `file:line:column`, as far as they are known. */
  readonly place: string | undefined;
  readonly line: number | undefined;
  readonly remedy: string | undefined;
}

/** So many are read by nobody. */
const MOST_PROBLEMS = 100;

export function problemRow({ severity, message, file, line, column, remedy }: Problem): ProblemRow {
  const place = [file, line, column].filter((part) => part !== undefined).join(':');
  return { severity, message, place: place === '' ? undefined : place, line, remedy };
}

/** Errors first. */
export function problemRows(problems: readonly Problem[]): readonly ProblemRow[] {
  return problems
    .toSorted((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'))
    .slice(0, MOST_PROBLEMS)
    .map(problemRow);
}
