import t from 'tap';
import { findJsonFault } from '../../src/render/json-fault.ts';

t.test('what the engine takes for JSON has no fault, and what it refuses has one', async (t) => {
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
    t.equal(findJsonFault(text) === undefined, isJson, JSON.stringify(text));
  }
});

t.test('the fault is where the reader stops making sense of it', async (t) => {
  const table: readonly [string, number][] = [
    ['{"a": x}', 6],
    ['{"a": 1,}', 8],
    ['{"a": 1', 7],
    ['  ', 2],
    ['{"a": "b\tc"}', 8],
    ['[1}', 2],
    ['{"a": 1} 2', 9],
  ];
  for (const [text, at] of table) t.equal(findJsonFault(text), at, text);
});
