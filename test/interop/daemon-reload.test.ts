import { chmod, chown, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { AuditRecord } from '../../src/admin/audit-api.ts';
import { addBridge, createNamespace } from '../../src/lab/namespace.ts';
import { askScript, curl } from './support/curl.ts';
import {
  CONFIG,
  createSite,
  type Daemon,
  ROLE,
  type Site,
  TEMPLATE,
  waitUntil,
} from './support/daemon-site.ts';

const namespace = await createNamespace('reload');
t.teardown(() => namespace[Symbol.asyncDispose]());
await addBridge(namespace, 'br0', '10.77.0.1/24');

const TINDERBOX = fileURLToPath(new URL('../../bin/tinderbox', import.meta.url));
const MAC = '52:54:00:12:34:56';
/** `nobody` of Debian: neither root nor the service's user. */
const USER = 65_534;
const AS_USER = [
  'sh',
  '-c',
  '"$@" 2>&1; echo "code $?"',
  'sh',
  'setpriv',
  `--reuid=${USER}`,
  `--regid=${USER}`,
  '--clear-groups',
  'env',
  '-u',
  'NODE_OPTIONS',
];
const WORKER = `machines:\n  ${MAC}: { role: worker } # kept\n`;
const CONTROLLER = `machines:\n  ${MAC}: { role: controller }\n`;
const CONTROLLER_FILES = {
  'profiles/controller/role.yaml': ROLE,
  'profiles/controller/cloud-config.yaml.hbs': TEMPLATE,
};

/** The role that the machine's configuration names, asked for as the machine does. */
async function servedRole(mac = MAC): Promise<string> {
  const { session } = await askScript(namespace, mac);
  const { status, body } = await curl(namespace, `${session}/cloud-config`);
  return status === 200 ? (/content: (.*)/.exec(body)?.[1] ?? body) : `${status}: ${body}`;
}

/** `tinderbox status` is the admin plane's view; the CLI's own socket is where it is asked. */
async function problemsOf(site: Site): Promise<string> {
  const url = 'http://tinderbox/api/v1/status';
  const { body } = await curl(namespace, url, '--unix-socket', join(site.folder, 'var/admin.sock'));
  const { catalog } = JSON.parse(body) as { catalog: { problems: { file?: string; message: string }[] } };
  return catalog.problems.map(({ file, message }) => `${file}: ${message}`).join('\n');
}

const errorsOf = (daemon: Daemon): string =>
  daemon
    .lines()
    .filter(({ part, level }) => part === 'catalog' && level >= 50)
    .map(({ msg }) => msg)
    .join('\n');

await t.test(
  'a broken edit never takes effect and is said aloud; mended, it holds for the next request',
  async (t) => {
    await using site = await createSite(namespace, { ...CONTROLLER_FILES, 'profiles/machines.yaml': WORKER });
    const daemon = await site.serve();
    t.equal(await servedRole(), `worker ${MAC}`);
    const template = 'profiles/controller/cloud-config.yaml.hbs';
    const broken: [string, Record<string, string | undefined>, RegExp][] = [
      ['no YAML', { 'profiles/machines.yaml': `${CONTROLLER}  - [` }, /machines\.yaml/],
      [
        'an unknown role',
        { 'profiles/machines.yaml': `machines:\n  ${MAC}: { role: contoller }\n` },
        /contoller/,
      ],
      [
        'a reservation outside',
        { 'profiles/machines.yaml': `machines:\n  ${MAC}: { role: controller, address: 10.78.0.9 }\n` },
        /10\.78\.0\.9/,
      ],
      [
        'an unknown variable',
        { 'profiles/machines.yaml': CONTROLLER, [template]: `${TEMPLATE}# {{machine.mak}}\n` },
        /machine\.mak/,
      ],
      [
        'a template that renders to what no machine understands',
        { 'profiles/machines.yaml': CONTROLLER, [template]: TEMPLATE.replace('hostname', 'hostnam') },
        /cloud-config\.yaml\.hbs \(rendered\):.* role controller: .*hostnam/,
      ],
      [
        'a machine whose parameters its role cannot do with',
        {
          'profiles/machines.yaml': `machines:\n  ${MAC}: { role: controller, parameters: { image: 'a b' } }\n`,
          'profiles/controller/role.yaml': ROLE.replace('vmlinuz', '{{parameters.image}}').concat(
            'parameters: { image: vmlinuz }\n',
          ),
        },
        /controller.*line 2.*\n?.*a b/,
      ],
      [
        'a host name with a domain',
        { 'profiles/machines.yaml': `machines:\n  ${MAC}: { role: controller, hostname: n1.example }\n` },
        /machines\.yaml:.*hostname.*without a domain/,
      ],
      [
        'a role that is gone',
        { 'profiles/machines.yaml': CONTROLLER, 'profiles/controller': undefined },
        /controller/,
      ],
      ['no machines.yaml', { 'profiles/machines.yaml': undefined }, /machines\.yaml/],
    ];
    for (const [name, files, problem] of broken) {
      const said = errorsOf(daemon).length;
      await site.write(files);
      t.equal(await servedRole(), `worker ${MAC}`, `${name}: the old role is served`);
      t.match(errorsOf(daemon).slice(said), problem, `${name}: the log says why`);
      t.match(errorsOf(daemon).slice(said), /the last good catalog stays/);
      t.match(await problemsOf(site), problem, `${name}: and so does the status`);

      await site.write({ ...CONTROLLER_FILES, 'profiles/machines.yaml': CONTROLLER });
      t.equal(await servedRole(), `controller ${MAC}`, `${name}: mended, it holds at once`);
      t.equal(await problemsOf(site), '');
      await site.write({ 'profiles/machines.yaml': WORKER });
      t.equal(await servedRole(), `worker ${MAC}`);
    }
  },
);

await t.test('templates, parameters and new roles take effect without a restart', async (t) => {
  await using site = await createSite(namespace);
  await site.serve();
  t.equal(await servedRole(), `worker ${MAC}`);
  await site.write({
    'profiles/worker/cloud-config.yaml.hbs': TEMPLATE.replace('{{role}}', '{{parameters.kind}}'),
  });
  await site.write({ 'profiles/worker/role.yaml': `${ROLE}parameters: { kind: edited }\n` });
  t.equal(await servedRole(), `edited ${MAC}`);
  await site.write({ ...CONTROLLER_FILES, 'profiles/machines.yaml': 'default: controller\n' });
  t.equal(await servedRole(), `controller ${MAC}`);
});

await t.test('SIGHUP reads everything again, and what is broken then stops nothing', async (t) => {
  await using site = await createSite(namespace);
  const daemon = await site.serve();
  await site.write({ 'profiles/machines.yaml': 'default: nobody\n' });
  daemon.signal('SIGHUP');
  await waitUntil('the reload is refused', () => errorsOf(daemon).includes('nobody'));
  await site.write({ ...CONTROLLER_FILES, 'profiles/machines.yaml': 'default: controller\n' });
  daemon.signal('SIGHUP');
  const inForce = () =>
    daemon.lines().some(({ msg }) => msg === 'the catalog was read again and is in force');
  await waitUntil('the reload is in force', inForce);
  t.equal(await servedRole(), `controller ${MAC}`);
});

await t.test('SIGHUP after an edit of tinderbox.yaml says that it takes a restart', async (t) => {
  await using site = await createSite(namespace);
  const daemon = await site.serve();
  await site.write({ 'tinderbox.yaml': `${CONFIG}admission: approve\n` });
  const said = () => daemon.lines().filter(({ msg }) => msg.includes('systemctl restart tinderbox'));
  daemon.signal('SIGHUP');
  await waitUntil('the change is noticed', () => said().length > 0);
  t.match(said(), [{ level: 40, msg: /changes of admission take effect at the next start/ }]);
});

await t.test(
  'assign beside a running daemon: the next boot has the role, comments stay, none is lost',
  async (t) => {
    await using site = await createSite(namespace, {
      ...CONTROLLER_FILES,
      'profiles/broken/role.yaml': ROLE,
      'profiles/broken/cloud-config.yaml.hbs': TEMPLATE.replace('hostname', 'hostnam'),
      'profiles/machines.yaml': `# the operator's\n${WORKER}default: none\n`,
    });
    await site.serve();
    t.equal(await servedRole(), `worker ${MAC}`);
    const assigned = await site.run('assign', MAC, 'controller', '--hostname', 'edge-9');
    t.match(assigned, { code: 0, stdout: /is now controller \(was worker\)/, stderr: '' });
    t.equal(await servedRole(), `controller ${MAC}`);
    const again = await site.run('assign', '52-54-00-12-34-56', 'controller', '--json');
    t.same(JSON.parse(again.stdout), { mac: MAC, before: 'controller', after: 'controller', changed: false });

    const others = Array.from({ length: 6 }, (_, index) => `52:54:00:00:00:0${index}`);
    const results = await Promise.all(others.map((mac) => site.run('assign', mac, 'worker')));
    t.same(
      results.map(({ code }) => code),
      others.map(() => 0),
    );
    const text = await readFile(join(site.folder, 'profiles/machines.yaml'), 'utf8');
    t.match(text, /^# the operator's\n/);
    t.match(text, /# kept/);
    for (const mac of others) t.match(text, mac);
    for (const mac of others) t.equal(await servedRole(mac), `worker ${mac}`);

    const refused: [string[], number, RegExp][] = [
      [['assign', MAC, 'nobody'], 1, /nobody.*(worker|controller)/s],
      [['assign', MAC, 'worker', '--address', '10.99.0.1'], 1, /10\.99\.0\.1/],
      [['assign', MAC, 'broken'], 1, /role broken.*hostnam/],
      [['assign', MAC, 'worker', '--hostname', '123'], 1, /role worker for .*hostname/],
      [['assign', MAC, 'worker', '--hostname', 'n1.example.com'], 2, /and no domain/],
      [['assign', MAC, 'worker', '--address', '10.99.0'], 2, /is not an IPv4 address/],
      [['assign', 'machine', 'worker'], 2, /is not a MAC/],
    ];
    for (const [args, code, message] of refused) {
      const result = await site.run(...args);
      t.equal(result.code, code, args.join(' '));
      t.match(result.stderr, message);
      t.notMatch(result.stderr, /^\s+at /m);
    }
    t.equal(await readFile(join(site.folder, 'profiles/machines.yaml'), 'utf8'), text, 'nothing was written');
  },
);

/** Newest first: action, who, outcome. */
async function auditOf(site: Site): Promise<readonly string[]> {
  const { stdout } = await site.run('audit', '--json');
  return (JSON.parse(stdout) as AuditRecord[]).map(
    ({ action, actor, outcome }) => `${action} by ${actor.name}: ${outcome}`,
  );
}

await t.test('whoever may use the socket may assign, and is named in the audit trail', async (t) => {
  await using site = await createSite(namespace, {
    'tinderbox.yaml': `${CONFIG}admin: { socket: run/admin.sock }\n`,
    'run/kept': '',
  });
  await site.serve();
  await chmod(site.folder, 0o755);
  const asUser = (...args: readonly string[]) =>
    namespace.run([...AS_USER, TINDERBOX, ...args, '--config', join(site.folder, 'tinderbox.yaml')], {
      timeout: 60_000,
    });
  for (const args of [
    ['assign', MAC, 'worker'],
    ['approve', MAC],
    ['forget', MAC],
  ]) {
    t.match(
      await asUser(...args),
      /you may not talk to the tinderbox at .*: it makes the changes while it runs\n {4}run this as root or as a member of the group .*\ncode 1/,
      args.join(' '),
    );
  }
  // As if the user were a member of the socket's group.
  await chown(join(site.folder, 'run/admin.sock'), 0, USER);
  t.match(await asUser('assign', MAC, 'worker'), /is now worker; .*\ncode 0/);
  t.match(await asUser('approve', MAC, '--hostname', 'n1'), /is approved: n1, role worker; [^]*code 0/);
  t.match(await asUser('forget', MAC), /has no entry in machines\.yaml any more[^]*code 0/);
  t.equal((await site.run('assign', MAC, 'worker')).code, 0);
  t.same(await auditOf(site), [
    'assign by root: done',
    'forget by nobody: done',
    'approve by nobody: done',
    'assign by nobody: done',
  ]);
});

await t.test(
  'profiles that the daemon may not write are edited by who may, and stay their own',
  async (t) => {
    // Without the right that root has over every file, as the service runs.
    const wrap = ['setpriv', '--bounding-set', '-dac_override', '--inh-caps', '-dac_override'];
    await using site = await createSite(namespace, {}, wrap);
    await site.serve();
    const profiles = join(site.folder, 'profiles');
    await chmod(site.folder, 0o755);
    for (const path of [profiles, join(profiles, 'machines.yaml')]) await chown(path, USER, USER);
    t.match(await site.run('assign', MAC, 'worker'), {
      code: 0,
      stdout: /is now worker/,
      stderr: /tinderbox itself could not write it, .*machines\.yaml cannot be written: EACCES/,
    });
    t.equal((await stat(join(profiles, 'machines.yaml'))).uid, USER);
    await waitUntil('the edit was noticed', async () => (await auditOf(site)).length > 1);
    t.same(await auditOf(site), ['catalog.changed by tinderbox: done', 'assign by root: failed']);
  },
);
