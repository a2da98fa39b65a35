import t from 'tap';
import { isFromElsewhere, isSameText } from '../../../src/admin/access/same-origin.ts';

const host = 'localhost:8080';
const CASES: readonly (readonly [what: string, headers: Record<string, string>, elsewhere: boolean])[] = [
  ['a page of ours', { host, 'sec-fetch-site': 'same-origin', origin: 'http://localhost:8080' }, false],
  ['another port of ours', { host, 'sec-fetch-site': 'same-site' }, true],
  ['another site', { host, 'sec-fetch-site': 'cross-site' }, true],
  ['an address typed in', { host, 'sec-fetch-site': 'none' }, true],
  ['an older browser, a page of ours', { host, origin: 'http://localhost:8080' }, false],
  ['an older browser, another site', { host, origin: 'https://evil.example' }, true],
  ['an older browser, another scheme', { host, origin: 'https://localhost:8080' }, true],
  ['a sandboxed frame', { host, origin: 'null' }, true],
  ['no browser', { host }, false],
];

for (const [what, headers, elsewhere] of CASES) {
  t.test(`${what} is ${elsewhere ? 'from elsewhere' : 'from here'}`, (t) => {
    t.equal(isFromElsewhere(headers, false), elsewhere);
    t.end();
  });
}

t.test('texts are compared whole, and what is no text is none', (t) => {
  t.ok(isSameText('abc', 'abc'));
  for (const wrong of ['abd', 'ab', 'abcd', '', undefined, 7, ['abc'], 'äbc', 'ab€'])
    t.notOk(isSameText(wrong, 'abc'), String(wrong));
  t.end();
});
