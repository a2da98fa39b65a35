import t from 'tap';
import { sourceOf } from '../../../src/admin/page/source-model.ts';
import type { Problem } from '../../../src/errors.ts';

const PATH = '/p/worker/role.yaml';
const problem = (rest: Partial<Problem>): Problem => ({
  severity: 'error',
  message: 'm',
  file: PATH,
  ...rest,
});

t.test('a problem stands at its line; one without a line, or of the rendered text, above the file', (t) => {
  const source = sourceOf({ name: 'role.yaml', text: 'a\nb\nc\n' }, PATH, [
    problem({ line: 2, severity: 'warning' }),
    problem({ line: 2 }),
    problem({ message: 'whole' }),
    problem({ line: 99, message: 'beyond' }),
    problem({ file: `${PATH} (rendered)`, line: 1, message: 'rendered' }),
    problem({ file: '/p/other/role.yaml', line: 1 }),
  ]);
  t.same(
    source.lines.map(({ number, text, severity, problems }) => [number, text, severity, problems.length]),
    [
      [1, 'a', undefined, 0],
      [2, 'b', 'error', 2],
      [3, 'c', undefined, 0],
    ],
  );
  t.same(
    source.problems.map(({ message }) => message),
    ['whole', 'beyond', 'rendered'],
  );
  t.match(source, { errors: 4, warnings: 1, open: true, omitted: 0 });
  t.end();
});

t.test('long files and lines are cut, and what hides in a line is shown to be there', (t) => {
  const text = `${'x'.repeat(5_000)}\na\u202eb\u200bc\td\r\n${'y\n'.repeat(2_000)}`;
  const source = sourceOf({ name: '../partials/a b.hbs', text }, PATH, []);
  t.equal(source.lines[0]?.text.length, 401);
  t.equal(source.lines[1]?.text, 'a\ufffdb\ufffdc\td');
  t.equal(source.lines.length + source.omitted, 2_002);
  t.match(source.id, /^file-[A-Za-z0-9-]+$/);
  t.equal(source.open, false);
  t.end();
});

t.test('a file that could not be read has no lines', (t) => {
  const source = sourceOf({ name: 'x', text: '' }, PATH, [problem({ line: 1 })]);
  t.same(source.lines, []);
  t.equal(source.problems.length, 1);
  t.end();
});
