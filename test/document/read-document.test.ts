import fc from 'fast-check';
import t from 'tap';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { stringify } from 'yaml';
import { readDocument } from '../../src/document/read-document.ts';
import { address, words } from '../../src/document/text-schemas.ts';
import { formatProblem } from '../../src/errors.ts';

const closed = { additionalProperties: false };
const Sample = Type.Object(
  {
    name: Type.String({ minLength: 1 }),
    mode: Type.Optional(Type.Enum(['proxy', 'server', 'off'])),
    port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
    strict: Type.Optional(Type.Boolean()),
    range: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })])),
    router: Type.Optional(address('A router.', '10.77.0.1')),
    dhcp: Type.Optional(
      Type.Object({ range: Type.Optional(Type.String()), router: Type.Optional(Type.String()) }, closed),
    ),
    list: Type.Optional(Type.Array(Type.Object({ a: Type.String() }, closed))),
    names: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        propertyNames: words('^[a-z]+$', 'a name of small letters'),
      }),
    ),
    parameters: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  closed,
);

function read(text: string) {
  return readDocument(Sample, { file: 'f.yaml', text });
}
function lines(text: string | Uint8Array): string[] {
  const source = typeof text === 'string' ? { file: 'f.yaml', text } : { file: 'f.yaml', bytes: text };
  return readDocument(Sample, source).problems.map((problem) =>
    formatProblem(problem).replace(/\n {4}/, ' | '),
  );
}
const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

t.test('a bad document says where, what is wrong and what is allowed', (t) => {
  const allowed = 'allowed: name, mode, port, strict, range, router, dhcp, list, names, parameters';
  const table: readonly [string, string | Uint8Array, readonly string[]][] = [
    ['empty file', '', ['f.yaml:1:1: the file is empty; it needs: name']],
    ['only a comment', '# nothing\n', ['f.yaml:1:1: the file is empty; it needs: name']],
    [
      'a list at the top',
      '- a\n',
      [`f.yaml:1:1: the file: expected a map with the keys ${allowed.slice(9)}; got a list`],
    ],
    [
      'a missing key',
      'port: 1\n',
      ['f.yaml:1:1: the file: the key "name" is missing; expected text that is not empty'],
    ],
    [
      'an unknown key',
      'name: a\nprot: 1\n',
      [`f.yaml:2:1: unknown key "prot"; did you mean "port"? ${allowed}`],
    ],
    ['an unknown key far from all', 'name: a\nzzzzzz: 1\n', [`f.yaml:2:1: unknown key "zzzzzz"; ${allowed}`]],
    [
      'an unknown key in a block',
      'name: a\ndhcp:\n  ragne: x\n',
      ['f.yaml:3:3: unknown key "ragne" in "dhcp"; did you mean "range"? allowed: range, router'],
    ],
    [
      'an enumeration',
      'name: a\nmode: prox\n',
      ['f.yaml:2:7: "mode": expected one of proxy, server, off; got "prox"'],
    ],
    [
      'text for a number',
      'name: a\nport: http\n',
      ['f.yaml:2:7: "port": expected a whole number from 0 to 65535; got "http"'],
    ],
    [
      'a number out of range',
      'name: a\nport: 70000\n',
      ['f.yaml:2:7: "port": expected a whole number from 0 to 65535; got the number 70000'],
    ],
    [
      'a fraction',
      'name: a\nport: 1.5\n',
      ['f.yaml:2:7: "port": expected a whole number from 0 to 65535; got the number 1.5'],
    ],
    [
      'a number for text',
      'name: 0123\n',
      ['f.yaml:1:7: "name": expected text that is not empty; got the number 0123 (text needs quotes here)'],
    ],
    ['yes for true', 'name: a\nstrict: yes\n', ['f.yaml:2:9: "strict": expected true or false; got "yes"']],
    [
      'a map for a union',
      'name: a\nrange: {}\n',
      ['f.yaml:2:8: "range": expected text, or a list of: text; got a map'],
    ],
    [
      'an empty list',
      'name: a\nrange: []\n',
      ['f.yaml:2:8: "range": the list is empty; it needs at least one entry'],
    ],
    [
      'a pattern',
      'name: a\nrouter: 10.77.0.300\n',
      ['f.yaml:2:9: "router": expected an IPv4 address such as 10.77.0.1; got "10.77.0.300"'],
    ],
    ['no value', 'name:\n', ['f.yaml:1:6: "name": expected text that is not empty; got nothing']],
    [
      'inside a list',
      'name: a\nlist:\n  - a: x\n  - a: 1\n',
      ['f.yaml:4:8: "list[1].a": expected text; got the number 1 (text needs quotes here)'],
    ],
    [
      'a key of the wrong shape',
      'name: a\nnames: { A: 1 }\n',
      ['f.yaml:2:10: a key of "names": expected a name of small letters; got "A"'],
    ],
    [
      'a key twice',
      'name: a\nport: 1\nname: b\n',
      ['f.yaml:3:1: the key "name" is there twice; first on line 1'],
    ],
    [
      'prototype pollution',
      'name: a\nparameters: { __proto__: { admin: true } }\n',
      ['f.yaml:2:15: the key "__proto__" is not allowed'],
    ],
    [
      'a tab',
      'name: a\ndhcp:\n\trange: x\n',
      ['f.yaml:3:1: a tab at the start of a line: YAML is indented with spaces'],
    ],
    [
      'no closing bracket',
      'name: [a\n',
      [
        'f.yaml:2:1: not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
      ],
    ],
    [
      'a colon without a space',
      'name:a\nport: 1\n',
      ['f.yaml:1:1: not YAML: a key without ": " after it, or without a value'],
    ],
    [
      'two keys on a line',
      'name: b: c\n',
      [
        'f.yaml:1:7: not YAML: a second "key:" on the same line, or a line indented deeper than the one before',
      ],
    ],
    [
      'a bare template',
      'name: {{x}}\n',
      ['f.yaml:1:8: a key must be plain text | Put text that contains {{ }} in quotes.'],
    ],
    [
      'two documents',
      'name: a\n---\nname: b\n',
      ['f.yaml:2:1: a second document (---): one file holds one document'],
    ],
    ['YAML 1.1', '%YAML 1.1\n---\nname: a\n', ['f.yaml:1:1: YAML 1.1: only YAML 1.2 is read']],
    [
      'a tag',
      'name: !!binary Zm9v\n',
      ['f.yaml:1:7: tags are not read: Unresolved tag: tag:yaml.org,2002:binary'],
    ],
    ['an alias of nothing', 'name: *x\n', ['f.yaml:1:7: the alias *x has no anchor before it']],
    [
      'an alias of itself',
      'name: a\nparameters: { a: &x [*x] }\n',
      ['f.yaml:2:22: the alias *x refers to itself'],
    ],
    [
      'a number that is none',
      'name: a\nparameters: { a: .inf }\n',
      ['f.yaml:2:18: "parameters.a": .inf is no number that JSON can hold'],
    ],
    [
      'a zero byte',
      bytes('name: a\nport', [0], ': 1\n'),
      ['f.yaml:2:5: a zero byte: the file is not text | Save the file as UTF-8 text.'],
    ],
    [
      'Latin-1',
      bytes('name: a\n# gr', [0xfc], 'n\n'),
      ['f.yaml:2:5: a byte that is not UTF-8 | Save the file as UTF-8 text.'],
    ],
    [
      'UTF-16',
      bytes([0xff, 0xfe], [0x61, 0]),
      ['f.yaml:1:1: the file is UTF-16, not UTF-8 | Save the file as UTF-8 text.'],
    ],
    [
      'too large',
      new Uint8Array(1_048_577),
      ['f.yaml: the file has 1048577 bytes; at most 1048576 (1 MiB) are read'],
    ],
    [
      'all problems at once',
      'mode: x\nport: y\n',
      [
        'f.yaml:1:7: "mode": expected one of proxy, server, off; got "x"',
        'f.yaml:2:7: "port": expected a whole number from 0 to 65535; got "y"',
        'f.yaml:1:1: the file: the key "name" is missing; expected text that is not empty',
      ],
    ],
  ];
  for (const [name, text, expected] of table) t.same(lines(text), expected, name);
  t.end();
});

t.test('a number that would lose its spelling is a warning, and the value is there', (t) => {
  const { value, problems } = read('name: a\nparameters: { version: 1.30, mode: 0755, fine: 1.5 }\n');
  t.same(value?.parameters, { version: 1.3, mode: 755, fine: 1.5 });
  t.same(problems.map(formatProblem), [
    'f.yaml:2:24: "parameters.version": 1.30 is read as the number 1.3; put it in quotes if it is text',
    'f.yaml:2:36: "parameters.mode": 0755 is read as the number 755; put it in quotes if it is text',
  ]);
  t.end();
});

t.test('what operators write is read as they mean it', (t) => {
  t.same(
    read('name: a\ndhcp:\n  # range: x\n').value,
    { name: 'a' },
    'a block that is all comment is absent',
  );
  t.same(
    read('\uFEFFname: a\r\nmode: off\r\n').value,
    { name: 'a', mode: 'off' },
    'a byte order mark and CRLF',
  );
  const keys = read(
    'name: a\nparameters: { 525400123456: a, 001122334455: b, true: c, 1e3: d, constructor: e }\n',
  ).value;
  t.same(
    Object.keys(keys?.parameters ?? {}),
    ['525400123456', '001122334455', 'true', '1e3', 'constructor'],
    'keys are text',
  );
  t.same(read('name: &n a\nrange: *n\n').value, { name: 'a', range: 'a' }, 'aliases');
  t.equal(({} as { admin?: boolean }).admin, undefined);
  t.end();
});

t.test('places are those of values, of keys, and of the text within a block', (t) => {
  const reading = read('name: a\nlist:\n  - { a: x }\n  -   a: |\n        one\n        two\n');
  t.same(reading.locate(['list', 1, 'a']), { line: 4, column: 10 });
  t.same(reading.locateKey(['list', 1, 'a']), { line: 4, column: 7 });
  t.equal(reading.locateText(['list', 1, 'a']), 5);
  t.same(reading.locate(['list', 0, 'nothing']), { line: 3, column: 5 }, 'the deepest thing on the way');
  t.equal(reading.has(['list', 1, 'a']), true);
  t.equal(reading.has(['list', 2]), false);
  t.end();
});

t.test('documents made to exhaust are refused', (t) => {
  const laughs = `name: a\nparameters:\n  a0: &a0 [x]\n${Array.from({ length: 9 }, (_, i) => `  a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(10)}]\n`).join('')}`;
  t.match(lines(laughs)[0], /aliases make the file more than 10000 values larger/);
  for (const opening of ['[', '{a: ', '- ', '? '])
    t.match(lines(opening.repeat(3000))[0], /f\.yaml:1:\d+: /, opening);
  t.match(
    lines(`name: a\nparameters: ${'['.repeat(100)}${']'.repeat(100)}\n`)[0],
    /nested more than 64 levels deep/,
  );
  t.equal(lines(`name: a\n${Array.from({ length: 500 }, (_, i) => `key${i}: 1\n`).join('')}`).length, 100);
  t.end();
});

t.test('reading never throws, whatever the bytes', (t) => {
  const pieces = fc.array(
    fc.constantFrom(
      'name: a\n',
      'dhcp:',
      '\n',
      '  ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&x ',
      '*x',
      '"',
      "'",
      '|\n',
      ': ',
      '? ',
      '!',
      '%',
      '#',
      '\t',
      '__proto__: 1\n',
      '---\n',
      '\u0000',
      '🔥',
      'a',
      '1.0',
    ),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(pieces, (parts) => void read(parts.join(''))),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (data) => void lines(data)),
    { numRuns: 2000 },
  );
  t.pass();
  t.end();
});

t.test('what is accepted is exactly what the JSON Schema accepts, so editors agree with us', (t) => {
  const leaf = fc.oneof(
    fc.constantFrom(
      'proxy',
      'a',
      '',
      '10.77.0.1',
      0,
      80,
      70_000,
      1.5,
      true,
      null,
      [],
      {},
      ['x'],
      [1],
      [{ a: 'b' }],
      { range: 'x' },
      { a: 1 },
    ),
  );
  const key = fc.constantFrom(
    'name',
    'mode',
    'port',
    'strict',
    'range',
    'router',
    'dhcp',
    'list',
    'names',
    'parameters',
    'odd',
  );
  let accepted = 0;
  fc.assert(
    fc.property(fc.dictionary(key, leaf, { maxKeys: 4 }), (rest) => {
      const value: Record<string, unknown> = { name: 'x', ...rest };
      // The one thing we allow beyond the schema: a block without a value.
      for (const block of ['dhcp', 'list', 'names', 'parameters'])
        if (value[block] === null) delete value[block];
      const reading = read(stringify(value));
      const expected = Value.Check(Sample, value);
      if (expected) accepted += 1;
      return (reading.value !== undefined) === expected;
    }),
    { numRuns: 2000 },
  );
  t.ok(accepted > 100, `${accepted} were accepted: the test sees both answers`);
  t.end();
});

t.test('a password in the place of the name of its file is in no message', (t) => {
  const schema = Type.Object({ passwordFile: Type.String(words('^/', 'an absolute path such as /etc/bmc')) });
  const { problems } = readDocument(schema, { file: 'f.yaml', text: 'passwordFile: correct-horse\n' });
  t.match(problems, [
    { message: '"passwordFile": expected an absolute path such as /etc/bmc; got something else' },
  ]);
  t.end();
});

t.test('of two kinds of map the one is meant that has the keys', async (t) => {
  const schema = Type.Object({
    boot: Type.Union([
      Type.Object({ kernel: Type.String() }, { additionalProperties: false }),
      Type.Object({ menu: Type.Array(Type.String(), { maxItems: 1 }) }, { additionalProperties: false }),
    ]),
  });
  const said = (text: string) =>
    readDocument(schema, { file: 'a.yaml', text }).problems.map(({ message }) => message);
  t.same(said('boot: { menu: [a] }'), []);
  t.match(said('boot: { menu: [a, b] }'), [/"boot.menu": expected at most 1 entries/]);
  t.match(said('boot: { menu: [a], other: 1 }'), [/unknown key "other" in "boot"; allowed: menu/]);
  t.match(said('boot: { other: 1 }'), [/allowed: kernel/, /the key "kernel" is missing/]);
});
