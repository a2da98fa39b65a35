import { once } from 'node:events';
import { access, chmod, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import { formatProblem, type Problem } from '../../src/errors.ts';
import { addBridge, createNamespace, type NetworkNamespace, stopProcess } from '../../src/lab/namespace.ts';
import { createSite, type Ended, ROLE, type Site, waitUntil } from './support/daemon-site.ts';

// Thirty starts of the program, each of seconds where others use the processor.
t.setTimeout(300_000);

const namespace = await createNamespace('start');
t.teardown(() => namespace[Symbol.asyncDispose]());
await addBridge(namespace, 'br0', '10.77.0.1/24');
await addBridge(namespace, 'bare0');

type Files = Parameters<Site['write']>[0];

/** What is wrong, as one regular expression a problem: its place, then its text. */
interface Row {
  readonly name: string;
  readonly files: Files;
  readonly problems: readonly RegExp[];
}

const proxy = (more: string): string => `network: { interface: br0 }\n${more}`;
const machines = (...entries: readonly string[]): string =>
  `machines:\n${entries.map((entry) => `  ${entry}\n`).join('')}default: worker\n`;

const rows: readonly Row[] = [
  {
    name: 'a key that nobody knows',
    files: { 'tinderbox.yaml': proxy('dhpc: { mode: proxy }\n') },
    problems: [/tinderbox\.yaml:2:1: unknown key "dhpc"; did you mean "dhcp"\?/],
  },
  {
    name: 'a file that is no YAML',
    files: { 'tinderbox.yaml': 'network: { interface: br0\n' },
    problems: [/tinderbox\.yaml:2:1: not YAML/],
  },
  {
    name: 'ranges that overlap',
    files: {
      'tinderbox.yaml': proxy(
        'dhcp: { mode: server, range: [10.77.0.100-10.77.0.150, 10.77.0.140-10.77.0.199] }\n',
      ),
    },
    problems: [/tinderbox\.yaml:2:\d+: the range 10\.77\.0\.140-10\.77\.0\.199 overlaps .*\n {4}Give every/],
  },
  {
    name: 'a boot file that is not there',
    files: { 'tinderbox.yaml': proxy('loaders: { uefi-x64: missing.efi }\n') },
    problems: [/tinderbox\.yaml: no boot file for UEFI x64: missing\.efi is neither in .*\n {4}Put it/],
  },
  {
    name: 'assets that are not there, or empty',
    files: { 'assets/vmlinuz': undefined, 'assets/initrd.gz': '' },
    problems: [
      /worker\/role\.yaml:3: the asset \/assets\/vmlinuz: there is no such file.*\n {4}Put it at .*\/assets\/vmlinuz/,
      /worker\/role\.yaml:4: the asset \/assets\/initrd\.gz is empty\n {4}Put it at/,
    ],
  },
  {
    name: 'an asset that would not be served',
    files: { 'profiles/worker/role.yaml': ROLE.replace('/assets/vmlinuz', '/assets/../tinderbox.yaml') },
    problems: [/role\.yaml:3: the asset \/assets\/\.\.\/tinderbox\.yaml: .*dot\n {4}Name a file/],
  },
  {
    name: 'a template that renders to what no machine understands',
    files: { 'profiles/worker/cloud-config.yaml.hbs': '#cloud-config\nhostnam: x\n' },
    problems: [/\(rendered\):2:1: role worker: .*hostnam/],
  },
  {
    name: 'a template with a variable that nobody knows',
    files: { 'profiles/worker/cloud-config.yaml.hbs': '#cloud-config\nhostname: {{machine.hostnam}}\n' },
    problems: [
      /cloud-config\.yaml\.hbs:2:13: `machine\.hostnam` is not defined\n {4}did you mean `hostname`/,
    ],
  },
  {
    name: 'a role that is not there',
    files: { 'profiles/machines.yaml': machines('52:54:00:12:34:56: { role: wroker }') },
    problems: [/machines\.yaml:2:\d+: .*wroker.*worker/s],
  },
  {
    name: 'one MAC in two spellings',
    files: {
      'profiles/machines.yaml': machines(
        '52:54:00:12:34:56: { role: worker }',
        '52-54-00-12-34-56: { role: worker }',
      ),
    },
    problems: [/machines\.yaml:3:3: the machine 52-54-00-12-34-56 is there twice; first on line 2/],
  },
  {
    name: 'a reservation outside of every network',
    files: { 'profiles/machines.yaml': machines('52:54:00:12:34:56: { role: worker, address: 10.78.0.5 }') },
    problems: [
      /machines\.yaml:2: the address 10\.78\.0\.5 of 52:54:00:12:34:56 is in none of the networks.*\n {4}/,
    ],
  },
  {
    name: 'no profiles',
    files: { profiles: undefined },
    problems: [/\/profiles: there is no such folder\n {4}It holds the roles/],
  },
  {
    name: 'no configuration',
    files: { 'tinderbox.yaml': undefined },
    problems: [
      /there is no configuration: neither .*tinderbox\.yaml nor \/etc\/.*\n {4}Give one with --config/,
    ],
  },
  {
    name: 'a state folder that is a file',
    files: { var: 'not a folder' },
    problems: [
      /tinderbox\.yaml: paths\.state: .*\/var cannot be written: .* is not a folder\n {4}Make it a folder/,
    ],
  },
  {
    name: 'several of them at once',
    files: {
      'tinderbox.yaml': proxy('loaders: { uefi-x64: missing.efi, bios: none.kpxe }\n'),
      'assets/vmlinuz': undefined,
      'profiles/machines.yaml': machines('52:54:00:12:34:56: { role: worker, address: 10.78.0.5 }'),
    },
    problems: [
      /machines\.yaml:2: the address 10\.78\.0\.5/,
      /no boot file for UEFI x64: missing\.efi/,
      /no boot file for BIOS: none\.kpxe/,
      /the asset \/assets\/vmlinuz: there is no such file/,
    ],
  },
  {
    name: 'several in the configuration alone',
    files: { 'tinderbox.yaml': proxy('http: { port: 99999 }\ntftp: { prot: 69 }\nadmission: everybody\n') },
    problems: [
      /tinderbox\.yaml:2:\d+: .*65535/,
      /tinderbox\.yaml:3:\d+: unknown key "prot"/,
      /tinderbox\.yaml:4:\d+: .*everybody|admission.*open/,
    ],
  },
];

function countOf(pattern: RegExp, text: string): number {
  return [...text.matchAll(new RegExp(pattern, `g${pattern.flags}`))].length;
}

/** Exit code 1, each problem said once, and no stack. */
function assertRefused(
  test: Pick<typeof t, 'equal' | 'notMatch'>,
  { code, stdout, stderr }: Ended,
  problems: readonly RegExp[],
): void {
  const text = stdout + stderr;
  test.equal(code, 1, text);
  for (const problem of problems) test.equal(countOf(problem, text), 1, `${problem} in:\n${text}`);
  test.notMatch(text, /^\s+at /m);
}

async function listening(inside: NetworkNamespace): Promise<string> {
  return inside.run(['ss', '-H', '-lntu']);
}

await t.test('serve refuses to start on', async (t) => {
  for (const { name, files, problems } of rows) {
    await t.test(name, async (t) => {
      await using site = await createSite(namespace, files);
      const [served, checked] = await Promise.all([site.run('serve'), site.run('check', '--json')]);
      assertRefused(t, served, problems);
      t.match(served.stderr, /^tinderbox: /);
      t.equal(await listening(namespace), '', 'nothing listens');
      t.notOk(
        (await readdir(site.folder)).includes('var') && files['var'] === undefined,
        'and nothing was made',
      );
      // Without a configuration there is nothing to look at, and so no list.
      if (files['tinderbox.yaml'] === undefined && 'tinderbox.yaml' in files) return;
      const report = JSON.parse(checked.stdout) as { ok: boolean; problems: readonly Problem[] };
      t.equal(checked.code, 1);
      t.equal(report.ok, false);
      const errors = report.problems.filter(({ severity }) => severity === 'error').map(formatProblem);
      t.equal(errors.length, problems.length, errors.join('\n'));
      for (const problem of problems) t.equal(countOf(problem, errors.join('\n')), 1, String(problem));
    });
  }
});

await t.test('serve waits for an interface that may still come, which check calls an error', async (t) => {
  const waiting: readonly [string, RegExp][] = [
    ['eth9', /tinderbox\.yaml: network\.interface: there is no network interface eth9\n {4}.*br0/],
    ['bare0', /tinderbox\.yaml: network\.interface: bare0 has no IPv4 address\n {4}.*ip address add/],
  ];
  for (const [name, said] of waiting) {
    await using site = await createSite(namespace, {
      'tinderbox.yaml': `network: { interface: ${name} }\n`,
    });
    const daemon = await site.serve();
    const lines = daemon.lines().filter(({ level, part }) => level >= 40 && part === 'net');
    t.equal(lines.length, 1, daemon.log());
    t.match(lines[0]?.msg, said);
    t.equal(await listening(namespace), '', 'nothing listens');
    assertRefused(t, await site.run('check'), [said]);
    daemon.signal('SIGTERM');
    t.equal((await daemon.ended).code, 0);
  }
});

await t.test('check prints every problem for people, and how many', async (t) => {
  const files = rows.find(({ name }) => name === 'several of them at once');
  await using site = await createSite(namespace, files?.files);
  const checked = await site.run('check');
  assertRefused(t, checked, files?.problems ?? []);
  t.equal(countOf(/^error: /m, checked.stdout), 4);
  t.match(checked.stdout, /missing: none\.kpxe[\s\S]*4 error\(s\), 0 warning\(s\)\n$/);
  t.equal(checked.stderr, '');
});

await t.test('a port in use is named, with the program that holds it', async (t) => {
  const config = proxy('admin: { listen: "127.0.0.1:8080" }\n');
  await using site = await createSite(namespace, { 'tinderbox.yaml': config });
  const held: [string, number, RegExp][] = [
    ['udp', 67, /UDP port 67 on br0 is held by node \(pid (\d+)\)\n {4}Stop that program/],
    ['udp', 69, /UDP port 69 on br0 is held by node \(pid (\d+)\)\n {4}Stop that program/],
    ['udp', 4011, /UDP port 4011 on br0 is held by node \(pid (\d+)\)\n {4}Stop that program/],
    ['tcp', 80, /10\.77\.0\.1:80 is in use by node \(pid (\d+)\)\n {4}stop that program, or set http\.port/],
    ['tcp', 8080, /admin: 127\.0\.0\.1:8080 .*in use.*\n {4}set admin\.listen/],
  ];
  for (const [protocol, port, message] of held) {
    const holder = await holdPorts([[protocol, port]]);
    const before = await listening(namespace);
    const served = await site.run('serve');
    assertRefused(t, served, [message]);
    const pid = message.exec(served.stderr)?.[1];
    if (pid !== undefined) t.equal(Number(pid), holder.pid);
    t.equal(await listening(namespace), before, 'nothing else listens');
    await t.rejects(access(join(site.folder, 'var/admin.sock')), { code: 'ENOENT' });
    await stopProcess(holder);
  }
  const daemon = await site.serve();
  t.ok(daemon.pid, 'and when all is free it starts');
});

await t.test('every port in use is named at once', async (t) => {
  await using site = await createSite(namespace);
  const holder = await holdPorts([
    ['udp', 67],
    ['udp', 69],
    ['udp', 4011],
    ['tcp', 80],
  ]);
  const ports = [/UDP port 67 /, /UDP port 69 /, /UDP port 4011 /, /10\.77\.0\.1:80 /];
  assertRefused(t, await site.run('serve'), ports);
  await stopProcess(holder);
});

await t.test('SIGHUP while it starts is no reason to end', async (t) => {
  await using site = await createSite(namespace);
  const daemon = site.launch();
  await waitUntil(
    'the daemon is ready',
    () => {
      if (daemon.lines().length > 0) daemon.signal('SIGHUP');
      return daemon.lines().some(({ msg }) => msg === 'ready');
    },
    { unless: daemon.ended.then(({ code, stdout, stderr }) => `it ended with ${code}: ${stdout}${stderr}`) },
  );
  daemon.signal('SIGTERM');
  t.match(await daemon.ended, { code: 0, stdout: /"msg":"stopped"/ });
});

/** A program that has these ports on all addresses. */
async function holdPorts(ports: readonly (readonly [string, number])[]) {
  const script = `
    const ports = ${JSON.stringify(ports)};
    let open = 0;
    const done = () => { if (++open === ports.length) console.log('held'); };
    for (const [protocol, port] of ports) {
      if (protocol === 'udp') require('dgram').createSocket('udp4').bind(port, done);
      else require('net').createServer().listen(port, '0.0.0.0', done);
    }`;
  const holder = namespace.spawn([process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout as NodeJS.ReadableStream, 'data');
  return holder;
}

await t.test('a database of a newer version, or of another program, is not touched', async (t) => {
  await using site = await createSite(namespace);
  const daemon = await site.serve();
  daemon.signal('SIGTERM');
  t.equal((await daemon.ended).code, 0);
  const file = join(site.folder, 'var/tinderbox.db');
  const pragma = (text: string): void => {
    const database = new Sqlite(file);
    database.pragma(text);
    database.close();
  };
  pragma('user_version = 99');
  const newer = /tinderbox\.db was written by a newer Tinderbox: .* version 99.*\n {4}Install that newer/;
  for (const args of [['serve'], ['check'], ['machines']]) assertRefused(t, await site.run(...args), [newer]);
  pragma('user_version = 1');
  pragma('application_id = 7');
  const foreign = /tinderbox\.db is an SQLite database of another program\n {4}Point paths\.state/;
  for (const args of [['serve'], ['check']]) assertRefused(t, await site.run(...args), [foreign]);
});

await t.test('a state folder that everybody shares is refused before anything is made in it', async (t) => {
  const config = `${proxy('')}cluster: { apiServer: "https://10.77.0.1:6443" }\n`;
  await using site = await createSite(namespace, { 'tinderbox.yaml': config });
  const state = join(site.folder, 'var');
  await mkdir(state);
  await chmod(state, 0o1777);
  const problem = /paths\.state: .*\/var has the mode 1777: others may look at it\n {4}Give Tinderbox/;
  for (const args of [['serve'], ['check']]) assertRefused(t, await site.run(...args), [problem]);
  t.same(await readdir(state), []);
});

await t.test('two daemons do not share one state', async (t) => {
  await using site = await createSite(namespace);
  const first = await site.serve();
  const second = await site.run('serve');
  assertRefused(t, second, [/another Tinderbox process has .*tinderbox\.db open\n {4}Stop the other daemon/]);
  const checked = await site.run('check');
  t.equal(checked.code, 0, 'while check may be run beside it');
  t.match(checked.stdout, /snponly\.efi[\s\S]*0 error\(s\), 0 warning\(s\)/);
  t.match(
    await site.run('machines'),
    { code: 0, stdout: /No machine was seen yet/ },
    'and the first goes on',
  );
  first.signal('SIGTERM');
  t.equal((await first.ended).code, 0);
});

await t.test(
  'a folder that does not exist yet is made for the state, and only its owner may look',
  async (t) => {
    const config = `${proxy('')}paths: { state: ./not/yet/here }\n`;
    await using site = await createSite(namespace, { 'tinderbox.yaml': config });
    const checked = await site.run('check');
    t.equal(checked.code, 0, checked.stdout);
    await t.rejects(access(join(site.folder, 'not')), { code: 'ENOENT' }, 'check makes nothing');
    const daemon = await site.serve();
    const modes = await namespace.run([
      'stat',
      '-c',
      '%a %n',
      ...['not/yet/here', 'not/yet/here/session-key', 'not/yet/here/tinderbox.db'].map((name) =>
        join(site.folder, name),
      ),
    ]);
    t.match(modes, /^700 .*here\n600 .*session-key\n600 .*tinderbox\.db\n$/);
    daemon.signal('SIGTERM');
    t.equal((await daemon.ended).code, 0);
  },
);

await t.test('a state folder that others may look at is closed to them, and the log says so', async (t) => {
  await using site = await createSite(namespace);
  const state = join(site.folder, 'var');
  await mkdir(state);
  await chmod(state, 0o755);
  const daemon = await site.serve();
  t.equal(await namespace.run(['stat', '-c', '%a', state]), '700\n');
  t.match(
    daemon
      .lines()
      .map(({ msg }) => msg)
      .join('\n'),
    /others could look at .*var: .* 0755 and is 0700 now/,
  );
});
