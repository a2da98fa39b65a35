import t from 'tap';
import { entryTextOf, entryTextsOf } from '../../src/catalog/read-entry-text.ts';
import { revisionOf } from '../../src/catalog/revision-of.ts';
import type { Mac } from '../../src/machine/mac.ts';

const MAC = '52:54:00:12:34:56' as Mac;

t.test('an entry is read as it is written', async (t) => {
  const rows: [string, string, string | undefined][] = [
    ['none', 'default: worker\n', undefined],
    ['an empty file', '', undefined],
    ['another one', 'machines:\n  52:54:00:00:00:01: { role: worker }\n', undefined],
    [
      'in one line',
      'machines:\n  52-54-00-12-34-56: { role: worker } # mine\n',
      '52-54-00-12-34-56: { role: worker }',
    ],
    [
      'in several',
      'machines:\n  52:54:00:12:34:56:\n    role: worker\n\ndefault: none\n',
      '52:54:00:12:34:56:\n    role: worker',
    ],
  ];
  for (const [name, text, expected] of rows) {
    t.equal(entryTextOf(text, MAC), expected, name);
    t.equal(entryTextsOf(text).get(MAC), expected, `${name}, of all`);
  }
});

t.test('a revision changes with the entry, and its absence is one', async (t) => {
  t.equal(revisionOf(undefined), 'absent');
  t.equal(revisionOf('a'), revisionOf('a'));
  t.not(revisionOf('a'), revisionOf('b'));
});
