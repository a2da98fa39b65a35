import { readFileSync } from 'node:fs';
import t from 'tap';

const css = readFileSync(new URL('../../../src/admin/page/static/page.css', import.meta.url), 'utf8');

/** Both values of each colour that page.css names. */
const colors = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\((#[\da-f]{3,6}), (#[\da-f]{3,6})\);/g)].map(
    ([, name = '', light = '', dark = '']) => [name, { light, dark }] as const,
  ),
);

const GROUNDS = ['ground', 'paper', 'raised'];
/** Text on what is behind it, as the style sheets lay them. */
const PAIRS: readonly (readonly [text: string, behind: readonly string[]])[] = [
  ['text', [...GROUNDS, 'idle-ground']],
  ['soft', [...GROUNDS, 'idle-ground']],
  ['link', GROUNDS],
  ['on-accent', ['button']],
  ...['good', 'busy', 'warn', 'bad', 'idle'].map((tone) => [tone, [...GROUNDS, `${tone}-ground`]] as const),
];

/** WCAG 2.2, 1.4.3: 4.5:1 for text; 1.4.11: 3:1 for what shows where the focus is. */
for (const theme of ['light', 'dark'] as const) {
  t.test(`text can be read on what is behind it: ${theme}`, async (t) => {
    for (const [text, grounds] of PAIRS) {
      for (const ground of grounds) {
        const ratio = contrast(colorOf(text, theme), colorOf(ground, theme));
        t.ok(ratio >= 4.5, `${text} on ${ground}: ${ratio.toFixed(2)}`);
      }
    }
    for (const ground of GROUNDS) {
      const ratio = contrast(colorOf('focus', theme), colorOf(ground, theme));
      t.ok(ratio >= 3, `focus on ${ground}: ${ratio.toFixed(2)}`);
    }
  });
}

t.test('the measure is that of WCAG', async (t) => {
  t.equal(contrast('#000', '#ffffff'), 21);
  t.equal(contrast('#777', '#fff').toFixed(2), '4.48');
});

function colorOf(name: string, theme: 'light' | 'dark'): string {
  const color = colors.get(name)?.[theme];
  if (color === undefined) throw new Error(`page.css names no colour --${name}`);
  return color;
}

function contrast(a: string, b: string): number {
  const [darker = 0, lighter = 0] = [luminance(a), luminance(b)].toSorted((one, other) => one - other);
  return (lighter + 0.05) / (darker + 0.05);
}

/** Relative luminance of sRGB, 0 to 1. */
function luminance(color: string): number {
  const digits = color.slice(1).replace(/^(.)(.)(.)$/, '$1$1$2$2$3$3');
  const [red = 0, green = 0, blue = 0] = [0, 2, 4].map((at) => {
    const share = Number.parseInt(digits.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
