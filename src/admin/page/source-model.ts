import type { Problem } from '../../errors.ts';
import { type ProblemRow, problemRow } from './problem-rows.ts';

/** A file as the page shows it: its lines, with what is wrong beside them. */
export interface SourceModel {
  readonly name: string;
  /** For links within the page. */
  readonly id: string;
  readonly lines: readonly SourceLine[];
  readonly errors: number;
  readonly warnings: number;
  /** Problems of the file as a whole, or of a line that is not shown. */
  readonly problems: readonly ProblemRow[];
  /** Lines that are not shown. */
  readonly omitted: number;
  readonly open: boolean;
}

export interface SourceLine {
  readonly number: number;
  readonly text: string;
  readonly problems: readonly ProblemRow[];
  readonly severity: Problem['severity'] | undefined;
}

/** What would turn the direction of a line, or hide in it: an operator is to see that it is there. */
// oxlint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A page stays readable, and light: longer files are for an editor. */
const MOST_LINES = 1_500;
const MOST_COLUMNS = 400;

/**
 * `path`: of the file, as problems name it. Problems of the rendered text say lines of a text that is not this one:
 * they stand above it.
 */
export function sourceOf(
  file: { readonly name: string; readonly text: string },
  path: string,
  problems: readonly Problem[],
): SourceModel {
  const own = problems.filter((problem) => problem.file === path);
  const texts = file.text.replace(/\n$/, '').split('\n');
  const shown = texts.slice(0, MOST_LINES);
  const isOnLine = (problem: Problem): boolean =>
    problem.line !== undefined && problem.line >= 1 && problem.line <= shown.length && file.text !== '';
  const lines = shown.map((text, index): SourceLine => {
    const here = own.filter((problem) => isOnLine(problem) && problem.line === index + 1);
    const severity = here.some((problem) => problem.severity === 'error') ? 'error' : here[0]?.severity;
    return {
      number: index + 1,
      text: visible(text.length > MOST_COLUMNS ? `${text.slice(0, MOST_COLUMNS)}…` : text),
      problems: here.map(problemRow),
      severity,
    };
  });
  const rendered = problems.filter((problem) => problem.file === `${path} (rendered)`);
  const all = [...own, ...rendered];
  return {
    name: file.name,
    id: `file-${file.name.replace(/[^A-Za-z0-9]+/g, '-')}`,
    lines: file.text === '' ? [] : lines,
    errors: all.filter(({ severity }) => severity === 'error').length,
    warnings: all.filter(({ severity }) => severity === 'warning').length,
    problems: [...own.filter((problem) => !isOnLine(problem)), ...rendered].map(problemRow),
    omitted: texts.length - shown.length,
    open: all.length > 0,
  };
}

function visible(text: string): string {
  return text.replace(/\r$/, '').replace(UNSEEN, '\ufffd');
}
