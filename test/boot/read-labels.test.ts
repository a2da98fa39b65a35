import t from 'tap';
import { readLabels } from '../../src/boot/read-labels.ts';
import { printable } from '../../src/document/printable.ts';

const read = (query: Record<string, unknown>) => readLabels(query, new Set(['mac', 'cpu']), printable);

t.test('what means nothing else is a label, in the order of its name', async (t) => {
  t.same(read({ mac: '52:54:00:12:34:56', rack: 'r7', os: 'installed', domain: '', cpu: 'x'.repeat(999) }), {
    labels: { os: 'installed', rack: 'r7' },
    notes: [],
  });
  t.same(read({ mac: 'x' }), { notes: [] });
});

t.test('what is too much, or hostile, is left out and noted', async (t) => {
  const rows: readonly [string, Record<string, unknown>, RegExp][] = [
    ['no name', { '1st': 'x' }, /"1st" is no name of a label/],
    ['a name that objects have', { __proto__x: 'x' }, /is no name/],
    ['a long name', { ['n'.repeat(64)]: 'x' }, /is no name/],
    ['a long value', { region: 'x'.repeat(65) }, /its label region is left out/],
    ['twice', { region: ['a', 'b'] }, /its label region is left out/],
    ['a control character', { region: 'a\nb' }, /its label region/],
    ['an override of direction', { region: 'a\u202eb' }, /its label region/],
    ['half a letter', { region: '\ud800' }, /its label region/],
    ...[
      '$(id)',
      '`id`',
      'a;b',
      'a|b',
      'a&b',
      "a'",
      'a"',
      'a b',
      '{{a}}',
      'a:',
      '-rf',
      '~root',
      '#a',
      '*',
      'a\\',
      'a>b',
    ].map((value): [string, Record<string, unknown>, RegExp] => [
      value,
      { region: value },
      /its label region/,
    ]),
  ];
  for (const [what, query, note] of rows) {
    const { labels, notes } = read(query);
    t.equal(labels, undefined, what);
    t.match(notes.join(), note, what);
  }
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`l${index}`, 'x']));
  t.equal(Object.keys(read(many).labels ?? {}).length, 16);
  t.match(read(many).notes, [/^24 labels are left out/]);
  const wide = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`l${index}`, 'x'.repeat(64)]));
  t.ok(JSON.stringify(read(wide).labels).length < 1_300);
});

t.test('what places, files, hosts and machines are called is a label', (t) => {
  for (const value of [
    'us-west_1',
    'r7.3',
    '10.0.0.1/24',
    '52:54:00:12:34:56',
    'a@b',
    'Zürich',
    '/dev/sda',
    'v1.2+x~3',
  ])
    t.same(read({ value }).labels, { value });
  t.end();
});

t.test('a label may be called as what objects have of their own', async (t) => {
  t.same(read({ constructor: 'x' }).labels, { constructor: 'x' });
});
