import t from 'tap';
import { printable } from '../../src/document/printable.ts';

t.test('what a terminal would act on, or nobody would see, is left out', async (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ['plain text', 'plain text'],
    ['\u001b[31mred\u009b0m', '[31mred0m'],
    ['a\u202eb\u2066c\u200fd', 'abcd'],
    ['52:5\ufeff4', '52:54'],
    ['  a\nb\0 ', 'ab'],
    ['half \ud800 of a pair', 'half  of a pair'],
    ['a whole one: \u{1f525}', 'a whole one: \u{1f525}'],
  ];
  for (const [given, shown] of rows) t.equal(printable(given), shown, JSON.stringify(given));
});

t.test('what is too long ends in an ellipsis, and not within a character', async (t) => {
  t.equal(printable('abcdef', 4), 'abc…');
  t.equal(printable('abcd', 4), 'abcd');
  t.equal(printable('ab\u{1f525}def', 4), 'ab…');
});
