// Makes a fresh clone runnable, then runs a script of it under the pinned Node:
//
//     node bin/bootstrap.mjs SCRIPT [ARGUMENT…]
//
// Plain JavaScript without packages, for whatever Node the host has (18 or newer): it is what installs the packages.
// Installs only if node_modules is not what package-lock.json says.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WANTED_NODE = 24;
const root = fileURLToPath(new URL('..', import.meta.url));
const pinnedNode = join(root, 'node_modules/.bin/node');

if (!installed()) install();
run(chooseNode(), process.argv.slice(2));

/** npm leaves in node_modules/.package-lock.json what it has installed, as the last thing it does. */
function installed() {
  try {
    const wanted = readJson('package-lock.json').packages;
    const present = readJson('node_modules/.package-lock.json').packages;
    const same = (path) =>
      present[path]?.version === wanted[path].version && present[path]?.integrity === wanted[path].integrity;
    // Packages for other platforms are in the first list only.
    return Object.keys(wanted).every(
      (path) =>
        path === '' || wanted[path].optional === true || wanted[path].devOptional === true || same(path),
    );
  } catch {
    return false;
  }
}

function readJson(name) {
  return JSON.parse(readFileSync(join(root, name), 'utf8'));
}

/**
 * `npm ci`; where it refuses the lock file, `npm install` without writing to it: npm leaves packages for platforms
 * that a mirror does not have out of the lock file, and then `npm ci` calls that file out of date.
 */
function install() {
  console.error('installing npm packages');
  if (npm(['ci'], 'pipe') === 0) return;
  if (npm(['install', '--no-save'], 'inherit') === 0) return;
  fail('the npm packages could not be installed', 'Its messages are above; npm needs to reach its registry.');
}

function npm(command, output) {
  // Without the pinned Node, which is about to be replaced.
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  const { status, error } = spawnSync('npm', [...command, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', output === 'pipe' ? 'pipe' : 2, output === 'pipe' ? 'pipe' : 2],
    env: { ...process.env, PATH: path.join(delimiter) },
  });
  if (error !== undefined)
    fail(`cannot run npm: ${error.message}`, 'Install npm (Debian: apt-get install npm).');
  return status;
}

function chooseNode() {
  for (const node of [pinnedNode, process.execPath]) {
    if (!existsSync(node)) continue;
    const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
    if (status === 0 && Number(/^v(\d+)/.exec(stdout)?.[1]) >= WANTED_NODE) return node;
  }
  return fail(
    `there is no Node ${WANTED_NODE}: ${pinnedNode} is missing or does not run`,
    'npm did not run the install script of the package "node". Run: npm install-scripts approve node; npm rebuild node',
  );
}

function run(node, argv) {
  const child = spawn(node, argv, { cwd: root, stdio: 'inherit' });
  // A terminal sends Ctrl-C to both; this process waits for the other to clean up.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => fail(`cannot run ${node}: ${error.message}`, 'Run: npm ci'));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
    process.removeAllListeners('SIGINT');
    process.removeAllListeners('SIGTERM');
  });
}

function fail(message, remedy) {
  console.error(`${message}\n    ${remedy}`);
  process.exit(1);
}
