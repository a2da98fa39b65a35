import { replaceBytes } from './mutate-bytes.ts';
import type { Random } from './random.ts';
import type { Mutator } from './target.ts';

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

export const textOf = (input: Uint8Array): string => decoder.decode(input);
export const bytesOf = (text: string): Uint8Array => encoder.encode(text);

/** Characters that end a word, a line, a string or a program's patience somewhere. */
const AWKWARD = [
  '\n',
  '\r',
  '\t',
  '\0',
  '\u001b',
  '\u007f',
  '\u0085',
  '\u2028',
  '\u202e',
  '\ufeff',
  '\ufffd',
  '\ud83d\ude00',
  "'",
  '"',
  '`',
  '\\',
  '$',
  '${',
  '}',
  '{',
  '{{',
  '}}',
  '%',
  '#',
  '&',
  ';',
  '|',
  '||',
  '&&',
  '<',
  '>',
  '*',
  '!',
  '@',
  ':',
  ': ',
  '- ',
  '---',
  '...',
  '[',
  ']',
  ',',
  '~',
  ' ',
  '  ',
  '=',
  '/',
  '..',
  '\u00e9',
  '\u0130',
];

const lines = (change: (all: string[], random: Random, others: readonly string[]) => void): Mutator => {
  return (input, random, other) => {
    const all = textOf(input).split('\n');
    change(all, random, textOf(other).split('\n'));
    return bytesOf(all.join('\n'));
  };
};

const split = (text: string): string[] => text.match(/[A-Za-z0-9_]+|\s+|[^A-Za-z0-9_\s]/gu) ?? [''];

const words = (change: (all: string[], random: Random, others: readonly string[]) => void): Mutator => {
  return (input, random, other) => {
    const all = split(textOf(input));
    change(all, random, split(textOf(other)));
    return bytesOf(all.join(''));
  };
};

/** Changes of texts: whole lines, words, and characters that mean something somewhere. */
export const TEXT_MUTATORS: readonly Mutator[] = [
  lines((all, random) => void all.splice(random.below(all.length), 1 + random.below(2))),
  lines((all, random) => void all.splice(random.below(all.length), 0, random.pick(all))),
  lines((all, random, others) => void all.splice(random.below(all.length + 1), 0, random.pick(others))),
  lines((all, random) => {
    const [from, to] = [random.below(all.length), random.below(all.length)];
    [all[from], all[to]] = [all[to] ?? '', all[from] ?? ''];
  }),
  lines((all, random) => {
    const at = random.below(all.length);
    const line = all[at] ?? '';
    all[at] = random.oneIn(2) ? `${' '.repeat(1 + random.below(4))}${line}` : line.replace(/^ {1,2}/, '');
  }),
  words((all, random) => void all.splice(random.below(all.length), 1)),
  words((all, random) => void all.splice(random.below(all.length), 1, random.pick(all))),
  words(
    (all, random, others) => void all.splice(random.below(all.length), random.below(2), random.pick(others)),
  ),
  words((all, random) => void all.splice(random.below(all.length), random.below(2), random.pick(AWKWARD))),
  words((all, random) => {
    const at = random.below(all.length);
    all[at] = (all[at] ?? '').repeat(1 + random.below(random.oneIn(6) ? 40 : 3));
  }),
  words((all, random) => {
    const at = random.below(all.length);
    if (/^\d+$/.test(all[at] ?? '')) all[at] = random.pick(NUMBERS);
  }),
  (input, random) => {
    const at = random.below(input.length + 1);
    return replaceBytes(input, at, at, bytesOf(random.pick(AWKWARD)));
  },
];

const NUMBERS = [
  '0',
  '1',
  '-1',
  '00',
  '08',
  '0x10',
  '1e9',
  '1e400',
  '.5',
  '127',
  '128',
  '255',
  '256',
  '65535',
  '65536',
  '2147483648',
  '4294967295',
  '4294967296',
  '9007199254740993',
  '99999999999999999999999',
  'NaN',
  '.inf',
  'Infinity',
];
