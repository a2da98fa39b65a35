import { TinderboxError } from '../../errors.ts';

/** As much as a person reads of it. */
const MOST_SHOWN = 80;
/** Debian's longest line of a list has some 200 characters. */
const LONGEST_LINE = 2000;

/** What a mirror sent, fit for one line of a terminal: quoted, ASCII, cut. */
export function quote(text: string): string {
  const cut = text.length <= MOST_SHOWN ? text : `${text.slice(0, MOST_SHOWN)}…`;
  return JSON.stringify(cut).replace(
    /[^ -~…]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A list or a version that is not what the vendor publishes: a portal's page, a broken copy, or worse. */
export function refuseText(from: string, problem: string): TinderboxError {
  return new TinderboxError('refused', `${from}: ${problem}`, {
    remedy: 'This is not what the vendor publishes there. Look at it, or try another mirror: --mirror URL.',
  });
}

/** What there is none of, and what there is. */
export function missing(what: string, there: readonly string[]): TinderboxError {
  return new TinderboxError('not-found', `There is no ${what}`, {
    remedy: there.length === 0 ? 'Try another mirror: --mirror URL.' : `There is ${there.join(', ')}.`,
  });
}

/** The lines of a text of `from`, without their ends. Throws `refused` for one that no list has. */
export function linesOf(text: string, from: string): readonly string[] {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  const long = lines.find((line) => line.length > LONGEST_LINE);
  if (long !== undefined) {
    throw refuseText(from, `a line of ${long.length} characters, beginning with ${quote(long)}`);
  }
  return lines;
}
