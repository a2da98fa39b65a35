import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { reportFailure } from '../../src/cli/exit.ts';
import { runCli } from '../../src/cli/program.ts';
import { TinderboxError } from '../../src/errors.ts';
import { createLoggers } from '../../src/logger.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

const COMMANDS = [
  'serve',
  'check',
  'machines',
  'assign',
  'approve',
  'forget',
  'render',
  'ca',
  'ca show',
  'ca import',
  'ca rotate-plan',
  'simulate',
  'kubeconfig',
  'iso',
] as const;
const MAC = '52:54:00:12:34:56';

async function run(...argv: readonly string[]) {
  let stdout = '';
  let stderr = '';
  const code = await runCli(argv, {
    out: (text) => void (stdout += text),
    err: (text) => void (stderr += text),
  });
  return { code, stdout, stderr };
}

/** Its path is short: that of a unix socket has a limit. */
async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-cli-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A configuration on an interface that no host has, with one role; its path. */
async function makeSite(folder: string, machines = 'default: worker\n'): Promise<string> {
  await mkdir(join(folder, 'profiles/worker'), { recursive: true });
  const files = {
    'tinderbox.yaml': 'network: { interface: nowhere0 }\n',
    'profiles/machines.yaml': machines,
    'profiles/worker/role.yaml':
      'description: A machine\nboot: { kernel: /assets/vmlinuz, cmdline: ["config={{configUrl}}"] }\n' +
      'config: { format: cloud-config, template: cloud-config.yaml.hbs }\n',
    'profiles/worker/cloud-config.yaml.hbs': '#cloud-config\nhostname: {{machine.hostname}}\n',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return join(folder, 'tinderbox.yaml');
}

t.test('every command explains itself with an example, and that is no failure', async (t) => {
  const overview = await run('--help');
  t.match(overview, { code: 0, stderr: '' });
  t.match(overview.stdout, /Examples:[\s\S]*Exit codes: 0 ok, 1 failed, 2 wrong usage/);
  for (const command of COMMANDS) {
    const words = command.split(' ');
    t.match(overview.stdout, new RegExp(`^  ${words[0]}\\b`, 'm'));
    const help = await run(...words, '--help');
    t.match(help, { code: 0, stderr: '' }, command);
    t.match(help.stdout, new RegExp(`Examples?:\\n  \\$ (sudo )?tinderbox ${command}\\b`), command);
    t.match(help.stdout, '--config <file>', command);
    t.match(help.stdout, '--verbose', command);
  }
  t.match(await run('--version'), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ });
});

t.test('wrong usage ends with 2, says what is wrong and prints nothing else', async (t) => {
  const config = await makeSite(await makeFolder());
  const rows: [string[], RegExp][] = [
    [['srve'], /unknown command 'srve'[\s\S]*Did you mean serve/],
    [['--nonsense'], /unknown option '--nonsense'/],
    [['serve', '--config'], /argument missing/],
    [['serve', 'now'], /too many arguments/],
    [['serve', '--prot', '80'], /unknown option '--prot'/],
    [['serve', '--log-level', 'loud'], /--log-level/],
    [['check', 'everything'], /too many arguments/],
    [['machines', 'worker'], /worker.* is (no|not a) MAC[\s\S]*52:54:00:12:34:56/],
    [['machines', MAC, '--session', 'last'], /not the number of a session/],
    [['machines', '--session', '3'], /--session needs a MAC/],
    [['machines', '--format', 'toml'], /Allowed choices are table, json, ansible, ansible-json/],
    [['machines', '--json', '--format', 'ansible'], /--json and --format ansible exclude each other/],
    [['machines', MAC, '--format', 'ansible'], /is of all machines/],
    [['assign'], /missing required argument 'mac'/],
    [['assign', MAC], /say which role/],
    [['assign', 'machine', 'worker'], /is not a MAC address/],
    [['assign', MAC, 'worker', '--address', '10.77.0'], /is not an IPv4 address/],
    [['render'], /give the MAC of a machine, or a role/],
    [['render', MAC, '--only', 'kernel'], /gives no kernel\s+It gives: script, grub, config/],
    [['render', 'machine'], /is not a MAC address/],
    [['ca', 'shw'], /unknown command 'shw'[\s\S]*Did you mean show/],
    [['ca', 'show', '--bogus'], /unknown option '--bogus'/],
    [['ca', 'import', '--authority', 'foo'], /Allowed choices are kubernetes, etcd, front-proxy/],
    [['ca', 'rotate-plan', 'x'], /too many arguments/],
    [['simulate'], /required option '--interface <name>'/],
    [['simulate', '--interface', 'lo', '--arch', 'pdp11'], /no architecture is named pdp11/],
    [['simulate', '--interface', 'lo', '--timeout', 'soon'], /is no time-out/],
  ];
  // What is wrong on the line is said before any file is looked for, and also where all files are sound.
  for (const [argv, message] of rows) {
    const tried =
      argv[0]?.startsWith('-') || argv.includes('--config') ? argv : [...argv, '--config', config];
    const { code, stdout, stderr } = await run(...tried);
    t.equal(code, 2, `${argv.join(' ')}: ${stderr}`);
    t.match(stderr, message, argv.join(' '));
    t.equal(stdout, '', argv.join(' '));
    t.notMatch(stderr, /^\s+at /m, argv.join(' '));
  }
});

t.test('a failure ends with 1 and a remedy, before or after the command', async (t) => {
  const folder = await makeFolder();
  const missing = join(folder, 'none.yaml');
  for (const argv of [
    ['--config', missing, 'check'],
    ['check', '--config', missing],
    ['render', MAC, '--config', missing],
    ['serve', '--config', missing],
  ]) {
    const { code, stdout, stderr } = await run(...argv);
    t.equal(code, 1, argv.join(' '));
    t.match(stdout + stderr, 'none.yaml');
    t.equal((stdout + stderr).match(/none\.yaml/g)?.length, 1, 'said once');
    t.notMatch(stderr, /^\s+at /m);
  }
  const config = await makeSite(folder);
  const machines = await run('machines', '--config', config);
  t.match(machines, { code: 1, stderr: /there is no database at .*\n {4}Start the daemon once/ });
  const served = await run('serve', '--config', config);
  t.match(served, {
    code: 1,
    stderr: /\/assets\/vmlinuz: there is no such file/,
  });
});

t.test('render shows what a machine would be served, on a host without the interface', async (t) => {
  const machines = `machines:\n  ${MAC}: { role: worker, hostname: edge-9 }\ndefault: none\n`;
  const config = await makeSite(await makeFolder(), machines);
  const all = await run('render', MAC, '--config', config);
  t.match(all, {
    code: 0,
    stderr: '',
    stdout: /edge-9, role worker[\s\S]*#!ipxe[\s\S]*#cloud-config\nhostname: edge-9\n/,
  });
  t.match(all.stdout, /gives 52:54:00:12:34:56 the role worker/);
  const only = await run('render', '5254.0012.3456', '--only', 'config', '--config', config);
  t.equal(only.stdout, '#cloud-config\nhostname: edge-9\n');
  const script = await run('render', MAC, '--only', 'script', '--config', config);
  t.match(script.stdout, /^#!ipxe\n/);
  t.notMatch(script.stdout, '#cloud-config');
  const json = JSON.parse((await run('render', MAC, '--json', '--config', config)).stdout) as object;
  t.match(json, { mac: MAC, role: 'worker', hostname: 'edge-9', reasons: [String], config: only.stdout });
  const refused = await run('render', '52:54:00:00:00:01', '--config', config);
  t.match(refused, { code: 1, stdout: '', stderr: /has no role: tinderbox assign[\s\S]*default: none/ });
});

t.test('render knows what the database holds where no daemon runs', async (t) => {
  const folder = await makeFolder();
  const machines = 'rules: [{ match: { serial: "CZ*" }, role: worker }]\ndefault: none\n';
  const config = await makeSite(folder, machines);
  const store = await openStore({
    file: join(folder, 'var/tinderbox.db'),
    durability: 'process',
    logger: createLoggers({ level: 'silent' }).store,
  });
  const seen = { firstSeen: 1, lastSeen: 2 };
  const other = '52:54:01:12:34:56' as Mac;
  const session = {
    openedAt: 1,
    updatedAt: 2,
    stage: 'script',
    stageTimes: {},
    hostname: 'node-123456',
  } as const;
  await store.appendHistory({
    machines: [
      { mac: MAC as Mac, serial: 'CZ3', ...seen },
      { mac: other, ...seen },
    ],
    sessions: [{ ...session, id: 1, mac: other }],
    events: [],
  });
  await store.close();
  const { stdout, stderr, code } = await run('render', MAC, '--json', '--config', config);
  t.equal(code, 0, stderr);
  t.match(
    JSON.parse(stdout),
    { role: 'worker', hostname: 'node-00123456' },
    'and the other has the shorter name',
  );
  await writeFile(join(folder, 'var/tinderbox.db'), 'no database');
  const blind = await run('render', MAC, '--config', config);
  t.match(blind.stderr, /^without what is known of the machine: /);
});

t.test('check prints JSON that a program can read, and its exit code says the same', async (t) => {
  const config = await makeSite(await makeFolder(), 'default: nobody\n');
  const { code, stdout, stderr } = await run('check', '--json', '--config', config);
  t.equal(code, 1);
  t.equal(stderr, '');
  const report = JSON.parse(stdout) as { ok: boolean; problems: { message: string; file: string }[] };
  t.equal(report.ok, false);
  t.match(
    report.problems.map(({ message }) => message).join('\n'),
    /nobody[\s\S]*nowhere0|nowhere0[\s\S]*nobody/,
  );
  t.ok(report.problems.every(({ file }) => file !== undefined));
});

t.test(
  'a failure prints each problem once, its remedy below, and a stack only for our own defects',
  async (t) => {
    const problem = {
      severity: 'error' as const,
      file: 'a.yaml',
      line: 2,
      message: 'wrong',
      remedy: 'Mend it.',
    };
    const quoted = new TinderboxError('invalid-config', 'a.yaml:2: wrong\n    Mend it.', {
      problems: [problem],
    });
    t.same(reportFailure(quoted, false), { text: 'tinderbox: a.yaml:2: wrong\n    Mend it.\n', code: 1 });
    const listed = new TinderboxError('invalid-config', 'no', { problems: [problem], remedy: 'Look.' });
    t.same(reportFailure(listed, false), {
      text: 'tinderbox: no\n  a.yaml:2: wrong\n    Mend it.\n    Look.\n',
      code: 1,
    });
    t.equal(reportFailure(new TinderboxError('usage', 'no'), false).code, 2);
    t.match(reportFailure(new TypeError('x is undefined'), false).text, /x is undefined[\s\S]*\n {4}at /);
    t.notMatch(reportFailure(new TinderboxError('busy', 'no'), false).text, /\n {4}at /);
    t.match(reportFailure(new TinderboxError('busy', 'no'), true).text, /\n {4}at /, '--verbose');
  },
);
