import t from 'tap';
import { checkShell } from './check-shell.ts';

t.test('a script that is sound passes, in the shell that it names', async (t) => {
  t.strictSame(checkShell('#!/bin/bash\nfiles=(a b)\necho "${files[@]}"\n'), []);
  t.strictSame(checkShell('#!/bin/sh\necho "$HOME"\n'), []);
});

t.test('what is wrong with one is found, with its line', async (t) => {
  const table: readonly [string, string, RegExp][] = [
    ['it does not parse', '#!/bin/bash\nif true; then\n', /bash: /],
    ['it is no POSIX', '#!/bin/sh\nfiles=(a b)\n', /dash: /],
    ['a word is not quoted', '#!/bin/sh\nrm -rf $1/x\n', /SC2086.*rm -rf/],
    ['a variable is not set', '#!/bin/bash\necho "$nothing"\n', /SC2154/],
  ];
  for (const [what, text, problem] of table) t.match(checkShell(text).join('\n'), problem, what);
});
