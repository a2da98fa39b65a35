import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { createEntryRevisions } from '../../src/catalog/entry-revisions.ts';
import { entryTextOf } from '../../src/catalog/read-entry-text.ts';
import { revisionOf } from '../../src/catalog/revision-of.ts';
import { splitEntries } from '../../src/catalog/split-entries.ts';
import { macOf } from '../support/fleet-records.ts';

const [A, B, C] = [macOf(1), macOf(2), macOf(3)];

const files: readonly [name: string, split: boolean, text: string][] = [
  ['one line each', true, `machines:\n  ${A}: { role: a } # mine\n  ${B}: {role: b}\ndefault: none\n`],
  [
    'blocks',
    true,
    `# all\nmachines: # them\n  # first\n  ${A}:\n    role: a\n    # in it\n\n  # of b\n  ${B}:\n    role: b # end\n\n# rules\nrules: []\n`,
  ],
  ['no entry below', true, 'machines:\ndefault: none\n'],
  ['an entry without anything', true, `machines:\n  ${A}:\n  ${B}:\n`],
  ['other spellings', true, `machines:\n    "${A}": { role: a }\n    ${B.replaceAll(':', '-')}: { role: b }`],
  ['twice', true, `machines:\n  ${A}: { role: a }\n  ${A.replaceAll(':', '-')}: { role: b }\n`],
  [
    'a text that looks like an entry',
    true,
    `machines:\n  ${A}:\n    parameters:\n      x: |\n        ${B}: { role: b }\n      y: "a\n        ${C}: b"\n  ${C}: { role: c }\n`,
  ],
  ['anchors', true, `machines:\n  ${A}: &a { role: a }\n  ${B}: *a\n`],
  ['in braces', false, `machines: { "${A}": { role: a }, "${B}": { role: b } }\n`],
  ['over several lines', false, `machines: {\n  "${A}": { role: a },\n  "${B}": { role: b }\n}\n`],
  ['braces below', false, `machines:\n  { "${A}": { role: a },\n    "${B}": { role: b } }\n`],
  ['a quoted key', false, `"machines":\n  ${A}: { role: a }\n`],
  ['line ends of Windows', false, `machines:\r\n  ${A}: { role: a }\r\n  ${B}: { role: b }\r\n`],
  ['nothing', false, ''],
];

t.test(
  'revisions of a page are those that an edit is held against, however the file is written',
  async (t) => {
    const file = join(t.testdir({}), 'machines.yaml');
    const read = createEntryRevisions();
    for (const [name, split, text] of files) {
      await writeFile(file, text);
      t.equal(splitEntries(text) !== undefined, split, `${name}: split`);
      for (const look of ['first', 'again']) {
        const revisions = await read(file, [A, B, C]);
        for (const mac of [A, B, C]) {
          t.equal(revisions.get(mac), revisionOf(entryTextOf(text, mac)), `${name}: ${mac}, ${look}`);
        }
      }
    }
  },
);

t.test('a file that is broken or not there has no entries', async (t) => {
  const dir = t.testdir({ 'machines.yaml': '- a list' });
  const read = createEntryRevisions();
  for (const file of ['machines.yaml', 'none.yaml']) {
    t.same([...(await read(join(dir, file), [A]))], [[A, 'absent']], file);
  }
});
