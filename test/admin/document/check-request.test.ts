import t from 'tap';
import { Type } from 'typebox';
import { checkRequest } from '../../../src/admin/document/check-request.ts';
import { mac } from '../../../src/admin/document/text.ts';
import type { SchemaNode } from '../../../src/document/describe-schema.ts';
import { parseMac } from '../../../src/machine/mac.ts';

const schema = Type.Object(
  { mac, days: Type.Integer({ minimum: 1, maximum: 30 }), level: Type.Optional(Type.Enum(['info', 'warn'])) },
  { additionalProperties: false },
) as SchemaNode;
const MAC = '52:54:00:12:34:56';
const check = (given: unknown, areTexts = false) => checkRequest(schema, given, { areTexts });

t.test('every field that is wrong is named, with what is allowed', (t) => {
  t.equal(check({ mac: MAC, days: 3 }), undefined);
  const error = check({ mac: 'x', days: '3', level: 'loud', 'a/b~': 1 });
  t.match(error, { code: 'usage' });
  t.same(error?.fields, [
    { pointer: '#/mac', detail: 'mac: expected a MAC such as 52:54:00:12:34:56; got "x"' },
    { pointer: '#/days', detail: 'days: expected a whole number from 1 to 30; got "3"' },
    { pointer: '#/level', detail: 'level: expected one of info, warn; got "loud"' },
    { pointer: '#/a~1b~0', detail: 'unknown key "a/b~"; allowed are mac, days, level' },
  ]);
  t.match(check({})?.fields, [
    { pointer: '#/mac' },
    { pointer: '#/days', detail: /^days is missing: expected a whole/ },
  ]);
  t.end();
});

t.test('numbers of a query come as their digits', (t) => {
  t.equal(check({ mac: MAC, days: '30' }, true), undefined);
  for (const days of ['31', '0', '-1', '1.5', '1e1', '', ' 3', ['1', '2'], '9'.repeat(400)])
    t.match(check({ mac: MAC, days }, true), { code: 'usage' }, String(days).slice(0, 9));
  t.end();
});

t.test('what is no object is none, and hostile keys and texts are bounded', (t) => {
  for (const given of [null, undefined, [], 'x', 7])
    t.match(check(given), { message: 'the body is no JSON object' });
  const hostile = JSON.parse(`{"__proto__":1,"constructor":2,"${'k'.repeat(60_000)}":3}`) as object;
  const error = check({ ...hostile, mac: 'm'.repeat(60_000), days: 1 });
  t.ok((error?.fields.length ?? 0) >= 3);
  for (const { pointer, detail } of error?.fields ?? []) t.ok(pointer.length + detail.length < 400);
  t.end();
});

t.test('a MAC may be written in every way that is read', (t) => {
  const ways = [
    '52:54:00:12:34:56',
    '52-54-00-12-34-56',
    '5254.0012.3456',
    '525400123456',
    'AA:bb:CC:dd:EE:ff',
  ];
  for (const way of ways) {
    t.ok(parseMac(way), way);
    t.equal(check({ mac: way, days: 1 }), undefined, way);
  }
  t.end();
});
