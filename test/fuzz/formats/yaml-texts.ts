import type { Problem } from '../../../src/errors.ts';
import { bytesOf, TEXT_MUTATORS, textOf } from '../engine/mutate-text.ts';
import type { Random } from '../engine/random.ts';
import { hold, type Mutator } from '../engine/target.ts';

/** Spellings that YAML reads otherwise than they look, or not at all. */
export const YAML_WORDS = [
  '&a ',
  '*a',
  '!!str ',
  '!x ',
  '<<: *a',
  '? ',
  '- ',
  ': ',
  ' #',
  '|',
  '>-',
  '|2',
  '---\n',
  '...\n',
  '%YAML 1.1\n',
  '{',
  '}',
  '[',
  ']',
  ',',
  '"',
  "'",
  '\\x',
  'null',
  '~',
  'true',
  'yes',
  '0644',
  '0x1f',
  '1e400',
  '.nan',
  '1_000',
  '2026-01-01',
  '12:30',
  '\t',
  '\r\n',
  '\u2028',
  '\ufeff',
  '__proto__: ',
  'constructor: ',
  '{{x}}',
];

const lineOf =
  (change: (line: string, random: Random, all: readonly string[]) => string): Mutator =>
  (input, random) => {
    const all = textOf(input).split('\n');
    const at = random.below(all.length);
    all[at] = change(all[at] ?? '', random, all);
    return bytesOf(all.join('\n'));
  };

const keyOf = (line: string): string => /^[ -]*([^:#]*):/.exec(line)?.[1] ?? 'x';

/** Changes of a YAML text, a line at a time: other keys, other values, other styles, comments, anchors. */
export function yamlMutators(keys: readonly string[], values: readonly string[]): readonly Mutator[] {
  const value = (random: Random): string => (random.oneIn(3) ? random.pick(YAML_WORDS) : random.pick(values));
  return [
    lineOf((line, random) => line.replace(/:.*$/, () => `: ${value(random)}`)),
    lineOf((line, random) =>
      line.replace(/^( *(?:- )?)[^:]*:/, (_, indent: string) => `${indent}${random.pick(keys)}:`),
    ),
    lineOf((line, random) => `${line}\n${/^ */.exec(line)?.[0] ?? ''}${random.pick(keys)}: ${value(random)}`),
    lineOf((line, random) =>
      line.replace(
        /: .*$/,
        () => `: { ${random.pick(keys)}: ${value(random)}, ${random.pick(keys)}: ${value(random)} }`,
      ),
    ),
    lineOf((line, random) => line.replace(/: .*$/, () => `: [${value(random)}, ${value(random)}]`)),
    lineOf((line, random) =>
      line.replace(/: /, () => `: ${random.pick(['&a ', '*a', '!!str ', '!!int ', '"', "'", '| ', '> '])}`),
    ),
    lineOf((line) => `${line}  # a comment: { of its own }`),
    lineOf((line, random, all) => `${line}\n${random.pick(all)}`),
    lineOf((line, random, all) => line.replace(keyOf(line), () => keyOf(random.pick(all)))),
    ...TEXT_MUTATORS,
  ];
}

/** A problem says what is wrong, where, and within the text. */
export function checkProblems(problems: readonly Problem[], text: string): void {
  const lines = text.split('\n').length;
  for (const { message, file, line = 1, column = 1 } of problems) {
    hold(message !== '' && message.length < 3_000, () => `a problem in ${message.length} characters`);
    hold(file !== undefined, () => `no file: ${message}`);
    hold(line >= 1 && line <= lines, () => `line ${line} of ${lines}: ${message}`);
    hold(Number.isInteger(column) && column >= 1, () => `column ${column}: ${message}`);
  }
}
