import t from 'tap';
import { describeSchema } from '../../src/document/describe-schema.ts';

t.test('what is expected of a text says how long it may be', (t) => {
  const rows: [object, string][] = [
    [{}, 'text'],
    [{ minLength: 1 }, 'text that is not empty'],
    [{ maxLength: 63 }, 'text of at most 63 characters'],
    [{ minLength: 1, maxLength: 63 }, 'text of 1 to 63 characters'],
    [{ pattern: 'a', patternErrorMessage: 'expected a word' }, 'a word'],
    [
      { pattern: 'a', patternErrorMessage: 'expected a word', maxLength: 63 },
      'a word, of at most 63 characters',
    ],
  ];
  for (const [schema, wanted] of rows) t.equal(describeSchema({ type: 'string', ...schema }), wanted);
  t.end();
});
