import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { socketUnits } from '../../src/socket-units.ts';

const UNITS = join(import.meta.dirname, '../../systemd');
const PROGRAM = join(import.meta.dirname, '../../bin/tinderbox');
/** What systemd-analyze calls OK begins below 5. */
const MOST_EXPOSURE = 1.5;

/** The units as they are installed, but for where the program is, since systemd looks whether it exists. */
function unitFolder(t: Test, change: (unit: string) => string = (unit) => unit, devices = true): string {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-unit-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const unit = readFileSync(join(UNITS, 'tinderbox.service'), 'utf8');
  writeFileSync(
    join(folder, 'tinderbox.service'),
    change(unit.replaceAll('=/usr/bin/tinderbox', `=${PROGRAM}`)),
  );
  const templates = readdirSync(UNITS).filter((name) => name.endsWith('@.socket'));
  for (const name of templates) cpSync(join(UNITS, name), join(folder, name.replace('@', '@eth0')));
  if (!devices) return folder;
  for (const { path, text } of socketUnits(['eth0'], { dhcp: true, tftp: 69, http: 80, syslog: 514 }).files) {
    mkdirSync(join(folder, dirname(path)));
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

function addDropIn(folder: string): void {
  const dropIns = join(folder, 'tinderbox.service.d');
  mkdirSync(dropIns);
  cpSync(join(UNITS, 'tinderbox.service.d/sockets.conf'), join(dropIns, 'sockets.conf'));
}

function analyze(folder: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, {
    encoding: 'utf8',
    env: { ...process.env, SYSTEMD_LOG_LEVEL: 'warning', SYSTEMD_UNIT_PATH: `${folder}:` },
  });
  return { status, stdout, stderr };
}

/** What systemd has against the units; other units of this host are not ours. */
function verify(folder: string): readonly string[] {
  const files = readdirSync(folder).filter((name) => /\.(?:service|socket)$/.test(name));
  return analyze(folder, 'verify', '--man=no', ...files.map((name) => join(folder, name)))
    .stderr.split('\n')
    .filter((line) => line.includes('tinderbox'));
}

function exposure(folder: string): number {
  const { stdout, stderr } = analyze(
    folder,
    'security',
    '--offline=true',
    '--no-pager',
    join(folder, 'tinderbox.service'),
  );
  const found = /Overall exposure level for .*: ([\d.]+)/.exec(stdout)?.[1];
  if (found === undefined) throw new Error(`no exposure in: ${stdout}${stderr}`);
  return Number(found);
}

t.test('systemd has nothing against the service and its sockets, with and without the drop-in', async (t) => {
  const folder = unitFolder(t);
  t.strictSame(readdirSync(folder).filter((name) => name.endsWith('.socket')).length, 5);
  t.strictSame(verify(folder), []);
  addDropIn(folder);
  t.strictSame(verify(folder), []);
});

t.test('systemd would say if it had something against them', async (t) => {
  t.match(
    verify(unitFolder(t, (unit) => unit.replace(PROGRAM, '/no/such/program'))).join('\n'),
    /no\/such\/program/,
  );
  t.match(
    verify(unitFolder(t, (unit) => unit.replace('[Service]', '[Service]\nRestrt=always'))).join('\n'),
    /Restrt/,
  );
});

t.test('no socket is opened before its drop-in says on which interface', async (t) => {
  const said = verify(unitFolder(t, undefined, false)).join('\n');
  for (const kind of ['dhcp', 'pxe', 'tftp', 'http', 'syslog'])
    t.match(said, new RegExp(`tinderbox-${kind}@eth0.socket: Unit has no Listen setting`));
});

t.test(`the service is exposed no more than ${MOST_EXPOSURE}, with and without the drop-in`, async (t) => {
  const folder = unitFolder(t);
  const alone = exposure(folder);
  t.ok(alone <= MOST_EXPOSURE, `${alone} with the capability`);
  addDropIn(folder);
  const withSockets = exposure(folder);
  t.ok(withSockets < alone, `${withSockets} without it`);
});

t.test('each of these, taken away, is more than that', async (t) => {
  for (const line of ['User=tinderbox', 'ProtectSystem=strict', 'SystemCallFilter=@system-service']) {
    const folder = unitFolder(t, (unit) => unit.replace(`\n${line}\n`, '\n'));
    t.ok(exposure(folder) > MOST_EXPOSURE, line);
  }
});

t.test('the user and the folders are made as the service wants them', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'tinderbox-root-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const run = (program: string, ...args: readonly string[]) => {
    const { status, stderr } = spawnSync(program, [`--root=${root}`, ...args], { encoding: 'utf8' });
    t.equal(status, 0, stderr);
  };
  mkdirSync(join(root, 'etc'));
  // Both read the file of this name below --root.
  for (const [name, folder] of [
    ['sysusers', 'usr/lib/sysusers.d'],
    ['tmpfiles', 'usr/lib/tmpfiles.d'],
  ] as const) {
    mkdirSync(join(root, folder), { recursive: true });
    cpSync(join(UNITS, `tinderbox.${name}`), join(root, folder, 'tinderbox.conf'));
  }
  run('systemd-sysusers');
  const passwd = readFileSync(join(root, 'etc/passwd'), 'utf8');
  t.match(passwd, /^tinderbox:[^\n]*:\/var\/lib\/tinderbox:\/usr\/sbin\/nologin$/m);
  run('systemd-tmpfiles', '--create');
  const { stdout } = spawnSync('find', ['etc/tinderbox', 'var', '-printf', '%m %p\n'], {
    cwd: root,
    encoding: 'utf8',
  });
  t.match(stdout, /^700 var\/lib\/tinderbox\/state$/m);
  t.match(stdout, /^755 var\/lib\/tinderbox\/assets$/m);
  t.match(stdout, /^755 etc\/tinderbox$/m);
});
