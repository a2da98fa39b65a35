import { spawnSync } from 'node:child_process';
import { chmod, cp, symlink, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const launcher = fileURLToPath(new URL('../../bin/tinderbox', import.meta.url));

/** A program in the place of node: it says its name and arguments without Node's own, or its major version. */
async function fakeNode(path: string, major: number): Promise<void> {
  await writeFile(
    path,
    `#!/bin/sh\nif [ "$1" = -p ]; then echo ${major}; else for a in "$0" "$@"; do case $a in --*) ;; *) echo "$a" ;; esac; done; fi\n`,
  );
  await chmod(path, 0o755);
}

t.test('finds its own Node and program, whatever is around it', async (t) => {
  const folder = t.testdir({
    'with space': { bin: {}, node_modules: { '.bin': {} } },
    usr: {},
    old: {},
    bare: {},
  });
  const root = `${folder}/with space`;
  await cp(launcher, `${root}/bin/tinderbox`);
  await symlink(`${root}/bin/tinderbox`, `${folder}/usr/tinderbox`);
  await fakeNode(`${folder}/old/node`, 20);
  const run = (path: string) =>
    spawnSync(`${folder}/usr/tinderbox`, ['machines', 'a b'], {
      cwd: '/',
      encoding: 'utf8',
      env: { PATH: `${path}:/usr/bin:/bin` },
    });

  const old = run(`${folder}/old`);
  t.equal(old.status, 1);
  t.match(old.stderr, /needs Node 24 or newer, and found none/);
  t.match(old.stderr, /npm ci/);
  t.equal(old.stdout, '');

  await fakeNode(`${folder}/bare/node`, 24);
  t.equal(
    run(`${folder}/bare`).stdout,
    `${folder}/bare/node\n${root}/src/main.ts\nmachines\na b\n`,
    'a new one on the PATH',
  );

  await fakeNode(`${root}/node_modules/.bin/node`, 25);
  const own = run(`${folder}/bare`);
  t.equal(
    own.stdout,
    `${root}/node_modules/.bin/node\n${root}/src/main.ts\nmachines\na b\n`,
    'its own goes first',
  );
  t.equal(own.status, 0);
});
