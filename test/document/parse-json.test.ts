import fc from 'fast-check';
import t from 'tap';
import type { Located } from '../../src/document/located.ts';
import { locatePath } from '../../src/document/located.ts';
import { parseJson } from '../../src/document/parse-json.ts';

function valueOf(node: Located): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(valueOf);
  return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, valueOf(value)]));
}

t.test('whatever JSON says is read as the engine itself reads it, however it is laid out', async () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ stringUnit: 'binary', maxDepth: 3 }),
      fc.constantFrom(0, 1, 4),
      (value, space) => {
        const text = JSON.stringify(value, null, space);
        const { root } = parseJson('x', text);
        return root !== undefined && JSON.stringify(valueOf(root)) === JSON.stringify(JSON.parse(text));
      },
    ),
  );
});

t.test('what is no JSON to the engine is none here, and nothing is thrown', async () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'{}[]":,0-1.e \\u\ntrue'.split('')), maxLength: 30 }),
      (text) => {
        const { root, problems } = parseJson('x', text);
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        // A key that stands twice is legal to the engine.
        const isRepeated = /twice/.test(problems[0]?.message ?? '');
        return isRepeated || (root !== undefined) === isJson;
      },
    ),
    { numRuns: 2000 },
  );
});

t.test('what is nearly JSON is JSON exactly where the engine says so', async (t) => {
  const texts = [
    '{}',
    '[]',
    ' {"a": [1, -2.5e+3, "x\\n\\u00e9", true, false, null, {"b": {}}]} \n',
    '"x"',
    '0',
    '-0.1',
    '',
    ' ',
    '{',
    '[',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '[1,]',
    '[,1]',
    '[1 2]',
    '{"a" 1}',
    '{a: 1}',
    "{'a': 1}",
    '{"a":1}}',
    '{"a":1} x',
    '[1}',
    '{"a":1]',
    '01',
    '1.',
    '.5',
    '+1',
    '1e',
    'nul',
    'nulls',
    'NaN',
    '"a',
    '"\\x"',
    '"\\u12"',
    '"\t"',
    '"a\nb"',
    '{"a":1 "b":2}',
    '{"a":1,,"b":2}',
    '{1:2}',
    '[]]',
    '\u00a0{}',
    '"\u007f"',
    '{}{}',
    '[:]',
    '{:1}',
    '{"a"::1}',
    '{,}',
    '"a" "b"',
    '[1,"a",{"x":[{}]}]',
    '-',
    '--1',
    '1-1',
    'true1',
    '[true,false]',
  ];
  for (const text of texts) {
    let isJson = true;
    try {
      JSON.parse(text);
    } catch {
      isJson = false;
    }
    t.equal(parseJson('x', text).root !== undefined, isJson, JSON.stringify(text));
  }
});

t.test('everything has its place, and numbers their digits', async (t) => {
  const { root } = parseJson('x', '{\n  "a": [1, 0.50],\n  "b": "two"\n}');
  t.ok(root);
  const at = (...path: (string | number)[]) => locatePath(root as Located, path);
  t.strictSame(at('a').key, { line: 2, column: 3 });
  t.strictSame(at('a', 1).found.place, { line: 2, column: 12 });
  t.match(at('a', 1).found, { source: '0.50' });
  t.strictSame(at('b').found.place, { line: 3, column: 8 });
});

t.test('what is wrong is said with its place and without what stands there', async (t) => {
  const table: readonly [string, RegExp][] = [
    ['', /^1:1: not JSON: the text ends where a value is wanted/],
    ['{"a": secret}', /^1:7: not JSON: a value is wanted here/],
    ["{'a': 1}", /^1:2: .*a key in double quotation marks/],
    ['{"a" 1}', /^1:6: .*a colon/],
    ['{"a": 1 "b": 2}', /^1:9: .*a comma or a closing brace/],
    ['{"a": 1,}', /^1:9: .*a key/],
    ['[1,\n 2', /^2:3: .*a comma or a closing bracket/],
    ['[1,]', /^1:4: .*a value/],
    ['"secret', /^1:1: .*without its closing/],
    ['"a\\xsecret"', /^1:1: .*an escape/],
    ['{"a": 1,\n "a": 2}', /^2:2: .*twice; first on line 1/],
    ['{"__proto__": 1}', /"__proto__" is not allowed/],
    ['{} secret', /^1:4: .*after the end/],
    ['01', /^1:2: .*after the end/],
    [`${'['.repeat(70)}${']'.repeat(70)}`, /nested more than 64/],
  ];
  for (const [text, expected] of table) {
    const [problem] = parseJson('x', text).problems;
    const said = `${problem?.line}:${problem?.column}: ${problem?.message}`;
    t.match(said, expected, text);
    t.notMatch(said, /secret/);
  }
});
