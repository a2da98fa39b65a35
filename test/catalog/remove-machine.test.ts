import fc from 'fast-check';
import t from 'tap';
import { Type } from 'typebox';
import { assignRole } from '../../src/catalog/edit-machines.ts';
import { removeMachine } from '../../src/catalog/remove-machine.ts';
import { readDocument } from '../../src/document/read-document.ts';
import { type Mac, parseMac } from '../../src/machine/mac.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const A = '00:00:00:00:00:01';
const B = '00:00:00:00:00:02';
type Data = { machines?: Record<string, unknown> };
const parse = (text: string): Data => readDocument(Type.Unknown(), { file: 'm', text }).value ?? {};

t.test('the lines of the machine go, and nothing else', (t) => {
  const table: readonly [string, string, string][] = [
    ['no machines', 'default: a\n', 'default: a\n'],
    ['an empty file', '', ''],
    ['another machine', `machines:\n  ${A}: {}\n`, `machines:\n  ${A}: {}\n`],
    ['machines without a value', 'machines: # none\n', 'machines: # none\n'],
    [
      'the only one',
      `machines: # all\n  ${MAC}: { role: a } # x\ndefault: a\n`,
      'machines: # all\ndefault: a\n',
    ],
    ['without a final newline', `machines:\n  ${A}: {}\n  ${MAC}: { role: a }`, `machines:\n  ${A}: {}\n`],
    [
      'one in the middle, in another spelling',
      `machines:\n  ${A}: {} # a\n\n  # why\n  5254.0012.3456: { role: b }   # x\n  # next\n  ${B}:\n    role: b # b\n# end\n`,
      `machines:\n  ${A}: {} # a\n\n  # why\n  # next\n  ${B}:\n    role: b # b\n# end\n`,
    ],
    [
      'a block with a long text in it',
      `machines:\n  ${MAC}:\n    # why\n    role: a   # because\n    parameters:\n      x: |\n        y\n\n        z\n  ${B}: {}\nrules: []\n`,
      `machines:\n  ${B}: {}\nrules: []\n`,
    ],
    ['an entry without a value', `machines:\n  ${MAC}: # new\n  ${A}: {}\n`, `machines:\n  ${A}: {}\n`],
    ['CRLF', `machines:\r\n  ${MAC}: {}\r\n  ${A}: {}\r\n`, `machines:\r\n  ${A}: {}\r\n`],
    [
      'the first in braces',
      `machines: { ${MAC}: { role: a }, ${A}: {} } # x\n`,
      `machines: { ${A}: {} } # x\n`,
    ],
    ['the last in braces', `machines: { ${A}: {}, ${MAC}: { role: a } }\n`, `machines: { ${A}: {} }\n`],
    ['the only one in braces', `machines: { ${MAC}: { role: a } }\n`, 'machines: {}\n'],
    [
      'the last in braces over lines with comments',
      `machines: {\n  ${A}: {}, # about a\n  ${MAC}: {} # x\n}\n`,
      `machines: {\n  ${A}: {}, # about a\n   # x\n}\n`,
    ],
    [
      'an entry that names an anchor of another',
      `machines:\n  ${A}: &x {}\n  ${MAC}: *x\n`,
      `machines:\n  ${A}: &x {}\n`,
    ],
  ];
  for (const [name, before, after] of table) {
    const edited = removeMachine(before, MAC);
    t.same(edited, { text: after, changed: before !== after }, name);
    t.same(removeMachine(after, MAC), { text: after, changed: false }, `${name}: again`);
    t.doesNotThrow(() => assignRole(after, MAC, { role: 'a' }), `${name}: and it can be added again`);
  }
  t.end();
});

t.test('what cannot be edited safely is refused and says so', (t) => {
  const table: readonly [string, string][] = [
    ['broken YAML', 'machines: [\n'],
    ['a list', '- a\n'],
    ['an entry whose anchor others use', `machines:\n  ${MAC}: &x { role: b }\n  ${A}: *x\n`],
    ['a key of many words', `machines:\n  ? ${MAC}\n  : { role: b }\n  ${A}: {}\n`],
    ['the entry twice', `machines:\n  ${MAC}: {}\n  ${MAC}: {}\n`],
  ];
  for (const [name, text] of table) {
    const refused = { code: 'refused', message: /^machines\.yaml cannot be edited by a program: / };
    t.throws(() => removeMachine(text, MAC), refused, name);
  }
  t.end();
});

const entry = fc.record({
  mac: fc.integer({ min: 0, max: 9 }).map((n) => `52:54:00:00:00:0${n}` as Mac),
  note: fc.constantFrom('', ' # note', '  # {role: x}'),
  before: fc.constantFrom('', '  # own line\n', '\n', '# margin\n'),
  layout: fc.constantFrom('flow', 'block', 'empty', 'nested'),
});
const file = fc.record({
  head: fc.constantFrom('', '# head\n\n', '---\n', 'rules: [] # r\n'),
  entries: fc.uniqueArray(entry, { selector: (each) => each.mac, minLength: 1, maxLength: 6 }),
  tail: fc.constantFrom('', '# tail\n', 'default: worker # d\n', '\n\n  # odd\n\ndefault: none\n', '...\n'),
});
type Content = typeof file extends fc.Arbitrary<infer T> ? T : never;

function write({ head, entries, tail }: Content): string {
  const body = entries.map(({ mac, note, before, layout }) => {
    const value = {
      flow: ` { role: worker }${note}\n`,
      block: `${note}\n    role: worker${note}\n    # in it\n    hostname: h\n`,
      empty: `${note}\n`,
      nested: `${note}\n    parameters:${note}\n      a:\n        - b${note}\n`,
    }[layout];
    return `${before}  ${mac}:${value}`;
  });
  return `${head}machines:\n${body.join('')}${tail}`;
}

t.test('every other line stays as it is and where it is, whatever the file looks like', (t) => {
  fc.assert(
    fc.property(file, fc.nat(5), (content, pick) => {
      const text = write(content);
      const { mac } = content.entries[pick % content.entries.length] ?? { mac: MAC };
      const { text: edited, changed } = removeMachine(text, mac);
      const [old, now] = [parse(text), parse(edited)];
      const rest = Object.entries(old.machines ?? {}).filter(([key]) => parseMac(key) !== mac);
      t.strictSame({ ...now, machines: { ...now.machines } }, { ...old, machines: Object.fromEntries(rest) });
      // What is left is the old text with one piece cut out, of whole lines, which begins with the machine's own.
      const cut = text.length - edited.length;
      const start = text.indexOf(`  ${mac}:`);
      return changed && edited === text.slice(0, start) + text.slice(start + cut);
    }),
    { numRuns: 300 },
  );
  t.end();
});
