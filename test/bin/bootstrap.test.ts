import { spawnSync } from 'node:child_process';
import { chmod, cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import t from 'tap';

const bootstrap = fileURLToPath(new URL('../../bin/bootstrap.mjs', import.meta.url));
const lock = (version: string): string =>
  JSON.stringify({
    packages: {
      '': { name: 'clone' },
      'node_modules/a': { version, integrity: `sha512-${version}` },
      'node_modules/other-platform': { version: '1.0.0', optional: true },
    },
  });
const installed = (version: string): string =>
  JSON.stringify({ packages: { 'node_modules/a': { version, integrity: `sha512-${version}` } } });

/** A clone with a program in the place of npm, which writes down that it ran and "installs" version 2. */
async function clone(
  t: Test,
  { before, node }: { before?: string; node: 'by npm' | 'there' | 'never' },
): Promise<string> {
  const folder = t.testdir({
    bin: {},
    tools: {},
    'package-lock.json': lock('2'),
    'script.ts': `const text: string = process.argv.slice(2).join('+');\nconsole.log(text);\nprocess.exitCode = 7;\n`,
    ...(before !== undefined && { node_modules: { '.bin': {}, '.package-lock.json': installed(before) } }),
  });
  await cp(bootstrap, `${folder}/bin/bootstrap.mjs`);
  const link = `ln -sf ${process.execPath} node_modules/.bin/node`;
  await writeFile(
    `${folder}/tools/npm`,
    `#!/bin/sh
echo "$@" >>npm.log
mkdir -p node_modules/.bin
${node === 'by npm' ? link : 'true'}
echo '${installed('2')}' >node_modules/.package-lock.json
`,
  );
  await chmod(`${folder}/tools/npm`, 0o755);
  if (node === 'there') await symlink(process.execPath, `${folder}/node_modules/.bin/node`);
  return folder;
}

const run = (folder: string, argv: readonly string[] = ['script.ts', 'a', 'b c']) =>
  spawnSync(process.execPath, [`${folder}/bin/bootstrap.mjs`, ...argv], {
    cwd: dirname(folder),
    encoding: 'utf8',
    env: { PATH: `${folder}/tools:${folder}/node_modules/.bin:/usr/bin:/bin` },
  });
const npmLog = (folder: string): Promise<string> =>
  readFile(`${folder}/npm.log`, 'utf8').catch(() => 'never ran');

t.test('installs packages where there are none or old ones, and only then', async (t) => {
  const table = [
    { options: { node: 'by npm' }, npm: /^ci / },
    { options: { node: 'there', before: '1' }, npm: /^ci / },
    { options: { node: 'there', before: '2' }, npm: /^never ran$/ },
  ] as const;
  for (const { options, npm } of table) {
    const folder = await clone(t, options);
    const first = run(folder);
    t.equal(first.stdout, 'a+b c\n', 'the script ran with its arguments');
    t.equal(first.status, 7, 'its exit code is passed on');
    const log = await npmLog(folder);
    t.match(log, npm, JSON.stringify(options));
    t.equal(run(folder).stdout, 'a+b c\n');
    t.equal(await npmLog(folder), log, 'the second time nothing is installed');
  }
});

t.test('a failing npm is said, and the script does not run', async (t) => {
  const folder = await clone(t, { node: 'by npm' });
  await writeFile(`${folder}/tools/npm`, '#!/bin/sh\necho no registry >&2\nexit 1\n');
  const { status, stdout, stderr } = run(folder);
  t.equal(status, 1);
  t.equal(stdout, '');
  t.match(stderr, /no registry/);
  t.match(stderr, /the npm packages could not be installed/);
});

t.test('a lock file that npm ci refuses is installed from without being written to', async (t) => {
  const folder = await clone(t, { node: 'by npm' });
  const npm = await readFile(`${folder}/tools/npm`, 'utf8');
  await writeFile(`${folder}/tools/npm`, npm.replace('mkdir', '[ "$1" = ci ] && exit 1\nmkdir'));
  t.equal(run(folder).stdout, 'a+b c\n');
  t.match(await npmLog(folder), /^ci .*\ninstall --no-save .*\n$/);
});

t.test('a pinned Node that is missing is replaced by the one at hand if that is new enough', async (t) => {
  const folder = await clone(t, { node: 'never', before: '2' });
  t.equal(run(folder).stdout, 'a+b c\n');
});

t.test('without any Node that is new enough it says how to get one', async (t) => {
  const folder = await clone(t, { node: 'never', before: '2' });
  const text = await readFile(`${folder}/bin/bootstrap.mjs`, 'utf8');
  t.match(text, 'const WANTED_NODE = 24;');
  await writeFile(`${folder}/bin/bootstrap.mjs`, text.replace('WANTED_NODE = 24', 'WANTED_NODE = 999'));
  const { status, stderr } = run(folder);
  t.equal(status, 1);
  t.match(stderr, /there is no Node 999/);
  t.match(stderr, /npm install-scripts approve node/);
});
