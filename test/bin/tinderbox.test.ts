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
    'with space': { bin: {}, src: { 'main.ts': '' }, node_modules: { '.bin': {} } },
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

t.test(
  'what was built is run by the Node beside the launcher, which is not asked for its version',
  async (t) => {
    const folder = t.testdir({
      usr: { bin: {}, lib: { tinderbox: { bin: {}, lib: { 'main.js': '' } } } },
      path: {},
    });
    const root = `${folder}/usr/lib/tinderbox`;
    await cp(launcher, `${root}/bin/tinderbox`);
    await symlink('../lib/tinderbox/bin/tinderbox', `${folder}/usr/bin/tinderbox`);
    await writeFile(`${root}/bin/node`, '#!/bin/sh\necho "$@" "${NODE_COMPILE_CACHE-no cache}"\n');
    await chmod(`${root}/bin/node`, 0o755);
    await fakeNode(`${folder}/path/node`, 25);
    const run = (env: NodeJS.ProcessEnv) =>
      spawnSync(`${folder}/usr/bin/tinderbox`, ['check'], {
        encoding: 'utf8',
        env: { PATH: `${folder}/path:/usr/bin:/bin`, ...env },
      }).stdout;
    t.equal(
      run({}),
      `--max-semi-space-size=4 --v8-pool-size=1 --disable-warning=DEP0005 ${root}/lib/main.js check no cache\n`,
      'and no cache that another user could have written',
    );
    t.match(run({ NODE_COMPILE_CACHE: '/c' }), /check \/c\n$/, 'but the one that the service names');
  },
);

t.test('of npm install -g it uses the node package beside it, or says how to get one', async (t) => {
  const folder = t.testdir({
    tinderbox: { bin: {}, lib: { 'main.js': '' } },
    node: { bin: {} },
    old: {},
  });
  await cp(launcher, `${folder}/tinderbox/bin/tinderbox`);
  await fakeNode(`${folder}/old/node`, 18);
  const run = () =>
    spawnSync(`${folder}/tinderbox/bin/tinderbox`, ['check'], {
      encoding: 'utf8',
      env: { PATH: `${folder}/old:/usr/bin:/bin` },
    });
  const without = run();
  t.equal(without.status, 1);
  t.match(without.stderr, /needs Node 24 or newer/);
  t.match(without.stderr, /npm install -g node@24/);
  await fakeNode(`${folder}/node/bin/node`, 24);
  t.match(run().stdout, new RegExp(`/node/bin/node\n${folder}/tinderbox/lib/main.js\ncheck\n$`));
});
