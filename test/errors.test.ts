import { readFile } from 'node:fs/promises';
import t from 'tap';
import { formatProblem, TinderboxError, toTinderboxError } from '../src/errors.ts';

t.test("Node's own errors get a code, and keep their text and cause", async (t) => {
  const rows: [string, string][] = [
    ['ENOENT', 'not-found'],
    ['ENODEV', 'not-found'],
    ['EADDRINUSE', 'in-use'],
    ['EACCES', 'refused'],
    ['EPERM', 'refused'],
    ['EMFILE', 'unavailable'],
    ['ENOSPC', 'unavailable'],
    ['ENETUNREACH', 'unavailable'],
    ['ENETDOWN', 'unavailable'],
    ['ECONNREFUSED', 'unavailable'],
    ['EWHATEVER', 'internal'],
  ];
  for (const [code, expected] of rows) {
    const cause = Object.assign(new Error(`${code}: that is how it went`), { code });
    t.match(toTinderboxError(cause), { code: expected, message: cause.message, cause }, code);
  }
  const real = await readFile('/nowhere/at/all').catch(toTinderboxError);
  t.match(real, { code: 'not-found', message: /ENOENT.*\/nowhere\/at\/all/ });
});

t.test('whatever is thrown becomes a TinderboxError; one that is one stays itself', async (t) => {
  const own = new TinderboxError('busy', 'later', { remedy: 'Wait.' });
  t.equal(toTinderboxError(own), own);
  const rows: [unknown, string][] = [
    ['text', 'text'],
    [7, '7'],
    [null, 'null'],
    [undefined, 'undefined'],
    [{ code: 'ENOENT' }, '[object Object]'],
  ];
  for (const [thrown, message] of rows) {
    const error = toTinderboxError(thrown);
    t.ok(error instanceof TinderboxError);
    t.match(error, { code: 'internal', message, problems: [], remedy: undefined });
  }
});

t.test('an error without a cause has none, not an undefined one', async (t) => {
  t.notOk('cause' in new TinderboxError('usage', 'no'));
  t.ok('cause' in new TinderboxError('usage', 'no', { cause: 1 }));
});

t.test('a problem is written as compilers do, without what is not known', async (t) => {
  const message = 'unknown key';
  const severity = 'error' as const;
  const rows: [Parameters<typeof formatProblem>[0], string][] = [
    [{ severity, message }, 'unknown key'],
    [{ severity, message, file: 'a.yaml' }, 'a.yaml: unknown key'],
    [{ severity, message, file: 'a.yaml', line: 3 }, 'a.yaml:3: unknown key'],
    [{ severity, message, file: 'a.yaml', line: 3, column: 5 }, 'a.yaml:3:5: unknown key'],
    [{ severity, message, file: 'a.yaml', remedy: 'Remove it.' }, 'a.yaml: unknown key\n    Remove it.'],
  ];
  for (const [problem, text] of rows) t.equal(formatProblem(problem), text);
});
