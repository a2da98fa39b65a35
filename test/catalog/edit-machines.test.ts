import fc from 'fast-check';
import t from 'tap';
import { Type } from 'typebox';
import { assignRole, type MachineChange } from '../../src/catalog/edit-machines.ts';
import { readDocument } from '../../src/document/read-document.ts';
import { type Mac, parseMac } from '../../src/machine/mac.ts';

const MAC = '52:54:00:12:34:56' as Mac;
type Data = { machines?: Record<string, Record<string, unknown> | null> };
const comments = (text: string): string[] => text.match(/#[^\n]*/g) ?? [];
const parse = (text: string): Data => readDocument(Type.Unknown(), { file: 'm', text }).value ?? {};

t.test('only the characters concerned change', (t) => {
  const table: readonly [string, string, MachineChange, string][] = [
    ['an empty file', '', { role: 'a' }, `machines:\n  ${MAC}: { role: a }\n`],
    ['only comments', '# mine\n', { role: 'a' }, `# mine\nmachines:\n  ${MAC}: { role: a }\n`],
    [
      'a role for one boot beside its own',
      `machines:\n  ${MAC}: { role: local } # mine\n`,
      { once: 'a' },
      `machines:\n  ${MAC}: { once: a, role: local } # mine\n`,
    ],
    [
      'that taken back, in braces',
      `machines:\n  ${MAC}: { once: a, role: local } # mine\n`,
      { once: null },
      `machines:\n  ${MAC}: { role: local } # mine\n`,
    ],
    [
      'the last in braces, with another role at once',
      `machines:\n  ${MAC}: { role: local, once: a }\n`,
      { once: null, role: 'b' },
      `machines:\n  ${MAC}: { role: b }\n`,
    ],
    [
      'on a line of its own',
      `machines:\n  ${MAC}:\n    role: local # mine\n    once: a # for now\n    hostname: h\n`,
      { once: null },
      `machines:\n  ${MAC}:\n    role: local # mine\n    hostname: h\n`,
    ],
    [
      'the only line',
      `machines:\n  ${MAC}:\n    once: a\ndefault: b\n`,
      { once: null },
      `machines:\n  ${MAC}:\n    {}\ndefault: b\n`,
    ],
    ['no final newline', 'default: a', { role: 'a' }, `default: a\nmachines:\n  ${MAC}: { role: a }\n`],
    [
      'machines without a value',
      'machines: # none yet\n  # here\ndefault: a\n',
      { role: 'a' },
      `machines: # none yet\n  ${MAC}: { role: a }\n  # here\ndefault: a\n`,
    ],
    [
      'machines as {}',
      'machines: {} # none\nrules: []\n',
      { role: 'a' },
      `machines:\n  ${MAC}: { role: a } # none\nrules: []\n`,
    ],
    ['machines as null', 'machines: null\n', { role: 'a' }, `machines:\n  ${MAC}: { role: a }\n`],
    [
      'machines in braces',
      'machines: { 00:00:00:00:00:01: { role: b } }\n',
      { role: 'a' },
      `machines: { 00:00:00:00:00:01: { role: b }, ${MAC}: { role: a } }\n`,
    ],
    [
      'a new one after the last',
      'machines:\n    00:00:00:00:00:01:   { role:  b }   # b\n\n# end\nrules: []\n',
      { role: 'a', hostname: 'h', address: '10.0.0.1' },
      `machines:\n    00:00:00:00:00:01:   { role:  b }   # b\n    ${MAC}: { role: a, hostname: h, address: 10.0.0.1 }\n\n# end\nrules: []\n`,
    ],
    [
      'the role of an entry',
      `machines:\n  5254.0012.3456: { hostname: "h",  role: 'b' }  # mine\n`,
      { role: 'a' },
      'machines:\n  5254.0012.3456: { hostname: "h",  role: a }  # mine\n',
    ],
    [
      'the role in a block',
      `machines:\n  52-54-00-12-34-56:\n    # why\n    role: b   # because\n    hostname: h\n`,
      { role: 'a', hostname: 'h2' },
      `machines:\n  52-54-00-12-34-56:\n    # why\n    role: a   # because\n    hostname: h2\n`,
    ],
    [
      'an entry without a role, in braces',
      `machines: \n  ${MAC}: {hostname: h}\n`,
      { role: 'a' },
      `machines: \n  ${MAC}: {role: a, hostname: h}\n`,
    ],
    [
      'an entry without a role, in a block',
      `machines:\n  ${MAC}:\n    hostname: h\n`,
      { role: 'a', address: '10.0.0.1' },
      `machines:\n  ${MAC}:\n    role: a\n    address: 10.0.0.1\n    hostname: h\n`,
    ],
    [
      'an entry without a value',
      `machines:\n  ${MAC}: # new\n  00:00:00:00:00:01: { role: b }\n`,
      { role: 'a' },
      `machines:\n  ${MAC}: { role: a } # new\n  00:00:00:00:00:01: { role: b }\n`,
    ],
    [
      'a role without a value',
      `machines:\n  ${MAC}:\n    role: # ?\n`,
      { role: 'a' },
      `machines:\n  ${MAC}:\n    role: a # ?\n`,
    ],
    [
      'text that needs quotes',
      'machines: {}\n',
      { role: 'true', hostname: '123' },
      `machines:\n  ${MAC}: { role: "true", hostname: "123" }\n`,
    ],
    [
      'CRLF',
      `machines:\r\n  00:00:00:00:00:01: { role: b }\r\nrules: []\r\n`,
      { role: 'a' },
      `machines:\r\n  00:00:00:00:00:01: { role: b }\r\n  ${MAC}: { role: a }\r\nrules: []\r\n`,
    ],
    [
      'a document with an end',
      'default: a\n...\n',
      { role: 'a' },
      `default: a\nmachines:\n  ${MAC}: { role: a }\n...\n`,
    ],
    [
      'the same again',
      `machines:\n  ${MAC}: { role: a }\n`,
      { role: 'a' },
      `machines:\n  ${MAC}: { role: a }\n`,
    ],
  ];
  for (const [name, before, change, after] of table) {
    const edited = assignRole(before, MAC, change);
    t.equal(edited.text, after, name);
    t.equal(edited.changed, before !== after, name);
    const role = change.role ?? (after.includes('role: local') ? 'local' : undefined);
    t.same(
      assignRole(edited.text, MAC, change),
      { text: after, changed: false, ...(role && { before: role }) },
      `${name}: again`,
    );
  }
  t.equal(assignRole(`machines:\n  ${MAC}: { role: b }\n`, MAC, { role: 'a' }).before, 'b');
  t.end();
});

t.test('what cannot be edited safely is refused and says so', (t) => {
  const table: readonly [string, string][] = [
    ['broken YAML', 'machines: [\n'],
    ['a list', '- a\n'],
    ['machines as a list', 'machines: []\n'],
    ['an entry that is an alias', `machines:\n  00:00:00:00:00:01: &x { role: b }\n  ${MAC}: *x\n`],
    ['an entry that others share', `machines:\n  ${MAC}: &x { role: b }\n  00:00:00:00:00:01: *x\n`],
    ['a role that others share', `machines:\n  ${MAC}: { role: &r b }\n  00:00:00:00:00:01: { role: *r }\n`],
    ['a file in braces', '{ default: a }\n'],
    ['the entry twice', `machines:\n  ${MAC}: {}\n  ${MAC}: {}\n`],
    [
      'a text that runs on',
      `machines:\n  00:00:00:00:00:01:\n    parameters:\n      x: |+\n        y\n\n\nrules: []\n`,
    ],
  ];
  for (const [name, text] of table) {
    t.throws(
      () => assignRole(text, MAC, { role: 'a' }),
      { code: 'refused', message: /^machines\.yaml cannot be edited by a program: / },
      name,
    );
  }
  t.end();
});

/** A machines.yaml as people write them: comments everywhere, entries in both styles, every spelling of a MAC. */
const macs = fc
  .integer({ min: 0, max: 30 })
  .map((n) => `52:54:00:00:00:${n.toString(16).padStart(2, '0')}` as Mac);
const spelling = (mac: Mac, style: number): string =>
  [mac, mac.toUpperCase(), mac.replaceAll(':', '-'), mac.replaceAll(':', '')][style % 4] ?? mac;
const comment = fc.constantFrom('', '', ' # note', '   # {role: x}');
const ownLine = fc.constantFrom('', '', '  # a comment: of its own\n', '\n', '# at the margin\n');
const entry = fc.record({
  mac: macs,
  style: fc.nat(3),
  comment,
  before: ownLine,
  layout: fc.constantFrom('flow', 'block', 'empty', 'braces'),
  role: fc.option(fc.constantFrom('worker', '"quoted"', "'single'")),
  hostname: fc.option(fc.constantFrom('h1', '"h 2"')),
});
const file = fc.record({
  head: fc.constantFrom('', '# head\n\n', '---\n', '# a\nrules:\n  - { match: {}, role: worker } # r\n'),
  entries: fc.uniqueArray(entry, { selector: (each) => each.mac, maxLength: 6 }),
  tail: fc.constantFrom('', '# tail\n', 'default: worker # d\n# end\n', '\n\n  # odd\n\ndefault: none\n'),
});
type File = typeof file extends fc.Arbitrary<infer T> ? T : never;

function write({ head, entries, tail }: File): string {
  const body = entries.map((each) => {
    const key = `${each.before}  ${spelling(each.mac, each.style)}:`;
    const fields = [
      each.role === null ? [] : [`role: ${each.role}`],
      each.hostname === null ? [] : [`hostname: ${each.hostname}`],
    ].flat();
    if (each.layout === 'empty' || (fields.length === 0 && each.layout !== 'braces'))
      return `${key}${each.comment}\n`;
    if (each.layout !== 'block') return `${key} { ${fields.join(', ')} }${each.comment}\n`;
    return `${key}${each.comment}\n${fields.map((field) => `    ${field}${each.comment}\n    # in it\n`).join('')}`;
  });
  return `${head}machines:\n${body.join('')}${tail}`;
}

t.test(
  'assigning keeps every comment, every other entry and the order, whatever the file looks like',
  (t) => {
    fc.assert(
      fc.property(file, macs, fc.constantFrom('etcd', 'true', 'a-b'), (content, mac, role) => {
        const text = write(content);
        const { text: edited } = assignRole(text, mac, { role });
        t.same(comments(edited), comments(text));
        const [old, now] = [parse(text), parse(edited)];
        const key = Object.keys(old.machines ?? {}).find((each) => parseMac(each) === mac) ?? mac;
        const machines = { ...old.machines };
        machines[key] = { ...machines[key], role };
        t.strictSame(now, { ...old, machines });
        t.strictSame(Object.keys(now.machines ?? {}), Object.keys(machines), 'the order');
        // Nothing but the lines of this machine: every other line is still there, as it was.
        const lines = new Set(edited.split('\n'));
        const lost = text.split('\n').filter((line) => !lines.has(line));
        return lost.length <= 1;
      }),
      { numRuns: 300 },
    );
    t.end();
  },
);
