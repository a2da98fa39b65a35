import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { parse } from 'yaml';
import { convertDescription } from '../../src/render/convert-description.ts';
import type { Description } from '../../src/render/description-schema.ts';
import { layOutConfig } from '../../src/render/lay-out-config.ts';
import { readIgnition } from '../../src/render/read-ignition.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import { bootPlan, startTestServer, testRole } from '../http/start-test-server.ts';
import { renderText, shippedRole } from '../profiles/support/render-role.ts';
import { anyDescription, FULL_DESCRIPTION } from '../render/descriptions.ts';
import { FULL_IGNITION, mutatedIgnition } from './support/mutate-ignition.ts';
import { applyFiles, fetchConfig, IGNITION, validate } from './support/run-ignition.ts';

const isThere = existsSync(IGNITION) && spawnSync('cloud-init', ['--version']).status === 0;
const skip = isThere ? false : 'ignition or cloud-init is not installed';

t.test('what Ignition refuses is refused here, and what we serve it takes', { skip }, async (t) => {
  t.match(validate(JSON.stringify(FULL_IGNITION)), { accepts: true, says: '' });
  t.strictSame(readIgnition(JSON.stringify(FULL_IGNITION), 'x').problems, []);
  let refused = 0;
  let taken = 0;
  fc.assert(
    fc.property(mutatedIgnition, (config) => {
      const text = JSON.stringify(config);
      const theirs = validate(text);
      const ours = readIgnition(text, 'x');
      if (!theirs.accepts) refused++;
      if (ours.config === undefined) return;
      taken++;
      if (!theirs.accepts) throw new Error(`taken here, but: ${theirs.says}`);
      // It is served anew from what was read.
      const served = validate(JSON.stringify(ours.config));
      if (!served.accepts || /Unused key/.test(served.says)) throw new Error(served.says);
    }),
    { numRuns: 120 },
  );
  t.ok(refused > 15 && taken > 5, `${refused} refused, ${taken} taken of 120`);
});

t.test("what becomes of Butane's YAML is taken, too", { skip }, async (t) => {
  const { config, problems } = readIgnition(
    `variant: fcos
version: 1.4.0
storage:
  disks: [{ device: /dev/sda, wipe_table: true, partitions: [{ label: data, size_mib: 10, start_mib: 0 }] }]
  filesystems:
    - { device: /dev/disk/by-partlabel/data, format: ext4, path: /var/lib/my-x, with_mount_unit: true }
  files:
    - { path: /etc/a, mode: 0600, contents: { inline: "100 % of it? #1 é €" } }
  links: [{ path: /etc/l, target: /etc/a }]
passwd: { users: [{ name: core, ssh_authorized_keys: [ssh-ed25519 AAAA you] }] }
kernel_arguments: { should_exist: [quiet] }
`,
    'x',
  );
  t.strictSame(problems, []);
  t.strictSame(validate(JSON.stringify(config)), { accepts: true, says: '' });
});

t.test('every description that is converted is one that Ignition takes', { skip }, async (t) => {
  let taken = 0;
  fc.assert(
    fc.property(anyDescription, (description) => {
      const { body } = convertDescription(JSON.stringify(description), 'm', 'ignition');
      // Debian's Ignition ends at 3.3.0.
      if (body === '' || body.includes('"version":"3.4.0"')) return;
      taken++;
      const { accepts, says } = validate(body);
      if (!accepts || says !== '') throw new Error(says);
    }),
    { numRuns: 120 },
  );
  t.ok(taken > 3, `${taken} of 120`);
  t.strictSame(validate(convertDescription(FULL_DESCRIPTION, 'm', 'ignition').body), {
    accepts: true,
    says: '',
  });
});

t.test(
  "Ignition fetches a role's configuration from where the kernel's command line says",
  { skip },
  async (t) => {
    const text =
      'variant: flatcar\nversion: 1.0.0\nstorage: { files: [{ path: /etc/who, contents: { inline: "{{machine.mac}}" } }] }\n';
    const role = {
      ...testRole(),
      config: { format: 'ignition' as const, template: { file: 'm.hbs', text, line: 1 } },
    };
    const site = await startTestServer(t, {
      plan: () => bootPlan(role),
      renderer: {
        bootstrapScript: () => '',
        machineScript: ({ context }) => context.configUrl,
        waitScript: () => '',
        refusalScript: () => '',
        renderConfig,
      },
    });
    const configUrl = await (await fetch(`${site.url}/ipxe?mac=52:54:00:12:34:56`)).text();
    t.match(configUrl, /\/boot\/[^/]+\/ignition$/);
    const folder = t.testdir({});
    const { argv, cache } = fetchConfig(folder, configUrl);
    const [program = '', ...rest] = argv;
    const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    child.stdout.on('data', (chunk: Buffer) => void (log += chunk.toString()));
    const code = await new Promise((resolve) => child.on('close', resolve));
    t.equal(code, 0, log);
    t.match(log, /GET result: OK/);
    t.match(JSON.parse(readFileSync(cache, 'utf8')), {
      storage: { files: [{ path: '/etc/who', contents: { source: 'data:,52:54:00:12:34:56' } }] },
    });
    const answer = await fetch(configUrl, {
      headers: { accept: 'application/vnd.coreos.ignition+json;version=3.3.0, */*;q=0.1' },
    });
    t.match(answer.headers.get('content-type'), /^application\/vnd\.coreos\.ignition\+json/);
  },
);

/** What all three dialects can say. */
const PORTABLE = `
hostname: node-1
users:
  - { name: core, shell: /bin/bash, passwordHash: $6$salt$hash, sshAuthorizedKeys: [ssh-ed25519 AAAA you], groups: [users] }
files:
  - path: /etc/motd
    content: |
      100 % welcome? # yes: "é" \\ 'x'

      \ttab
  - { path: /etc/deep/er/key, mode: "0600", owner: core, contentBase64: AAECAw== }
  - { path: /etc/bell, mode: "0755", content: "a\\ab" }
  - { path: /etc/empty, content: "" }
  - { path: /etc/number, content: "0644" }
directories:
  - { path: "/srv/my data", mode: "0750" }
links:
  - { path: /etc/l, target: /etc/motd }
units:
  - name: hello.service
    enable: true
    content: |
      [Unit]
      Description=%n says "hi"
      [Service]
      ExecStart=/bin/true
      [Install]
      WantedBy=multi-user.target
  - { name: sshd.service, mask: true }
  - name: docker.service
    dropIns: [{ name: 10-a.conf, content: "[Service]\\nEnvironment=A=b\\n" }]
kernelModules: [overlay]
sysctl: { net.ipv4.ip_forward: 1 }
`;
const FILES: readonly string[] = [
  '/etc/motd',
  '/etc/deep/er/key',
  '/etc/bell',
  '/etc/empty',
  '/etc/number',
  '/etc/modules-load.d/tinderbox.conf',
  '/etc/sysctl.d/90-tinderbox.conf',
  '/etc/systemd/system/hello.service',
  '/etc/systemd/system/docker.service.d/10-a.conf',
];

/** What a root folder has of it. */
const look = (root: string) => ({
  files: FILES.map((path) => {
    const { mode } = statSync(join(root, path));
    return [path, (mode & 0o7777).toString(8), readFileSync(join(root, path)).toString('base64')];
  }),
  folder: (statSync(join(root, '/srv/my data')).mode & 0o7777).toString(8),
  link: readlinkSync(join(root, '/etc/l')),
});

t.test('one description is the same machine in all three dialects', { skip }, async (t) => {
  const convert = (format: 'ignition' | 'cloud-config' | 'nocloud') => {
    const { body, problems } = convertDescription(PORTABLE, 'm', format);
    t.strictSame(problems, [], format);
    return body;
  };
  const tmpfiles = (root: string) => {
    const { status, stderr } = spawnSync(
      'systemd-tmpfiles',
      ['--create', `--root=${root}`, 'tinderbox.conf'],
      { encoding: 'utf8' },
    );
    t.equal(status, 0, stderr);
  };

  const folder = t.testdir({ first: {}, second: {}, third: {} });
  const ignition = applyFiles(join(folder, 'first'), convert('ignition'));
  const first = look(ignition.root);
  const described = parse(PORTABLE) as Description;
  t.equal(readFileSync(join(ignition.root, '/etc/motd'), 'utf8'), described.files?.[0]?.content);
  t.equal(readFileSync(join(ignition.root, '/etc/hostname'), 'utf8'), 'node-1\n');
  const passwd = readFileSync(join(ignition.root, '/etc/passwd'), 'utf8');
  t.match(passwd, /^core:x:1000:1000::\/home\/core:\/bin\/bash$/m);
  t.match(readFileSync(join(ignition.root, '/etc/shadow'), 'utf8'), /^core:\$6\$salt\$hash:/m);
  t.match(readFileSync(join(ignition.root, '/etc/group'), 'utf8'), /^users:x:100:core$/m);
  t.equal(statSync(join(ignition.root, '/etc/deep/er/key')).uid, 1000);
  t.equal(readlinkSync(join(ignition.root, '/etc/systemd/system/sshd.service')), '/dev/null');
  // What systemd does with its presets at a first boot.
  const preset = spawnSync('systemctl', [`--root=${ignition.root}`, 'preset', 'hello.service'], {
    encoding: 'utf8',
  });
  t.equal(preset.status, 0, preset.stderr);
  t.ok(
    lstatSync(
      join(ignition.root, '/etc/systemd/system/multi-user.target.wants/hello.service'),
    ).isSymbolicLink(),
  );

  const cloudConfig = layOutConfig(convert('cloud-config'), 'web');
  const second = join(folder, 'second');
  for (const { path, content, mode } of cloudConfig.files) {
    mkdirSync(join(second, path, '..'), { recursive: true });
    writeFileSync(join(second, path), content);
    chmodSync(join(second, path), mode);
  }
  tmpfiles(second);
  t.strictSame(look(second), first);
  t.equal(cloudConfig.files.find(({ path }) => path === '/etc/deep/er/key')?.owner, 'core:root');
  const steps = cloudConfig.steps.map(({ verb, unit }) => `${verb} ${unit}`);
  for (const step of [
    'enable hello.service',
    'start hello.service',
    'mask sshd.service',
    'try-restart docker.service',
  ])
    t.ok(steps.includes(step), `${step} of ${steps.join(', ')}`);

  const third = join(folder, 'third');
  const userData = join(third, 'user-data');
  writeFileSync(userData, convert('nocloud'));
  const schema = spawnSync('cloud-init', ['schema', '--config-file', userData], { encoding: 'utf8' });
  t.equal(schema.status, 0, schema.stdout + schema.stderr);
  const applied = spawnSync(
    '/usr/bin/python3',
    [join(import.meta.dirname, 'support/apply-cloud-init.py'), userData, join(third, 'root')],
    { encoding: 'utf8' },
  );
  t.equal(applied.status, 0, applied.stderr);
  tmpfiles(join(third, 'root'));
  t.strictSame(look(join(third, 'root')), first);
  const { runcmd, users, hostname } = parse(readFileSync(userData, 'utf8'), { version: '1.1' }) as {
    readonly runcmd: readonly (readonly string[])[];
    readonly users: readonly object[];
    readonly hostname: string;
  };
  t.equal(hostname, 'node-1');
  t.match(users, [{ name: 'core', hashed_passwd: '$6$salt$hash', lock_passwd: false, groups: ['users'] }]);
  const commands = runcmd.map((words) => words.join(' '));
  for (const command of [
    'systemctl enable hello.service',
    'systemctl --no-block start hello.service',
    'systemctl mask sshd.service',
    'systemctl --no-block try-restart docker.service',
  ])
    t.ok(commands.includes(command), command);
});

t.test('every description that is converted is one whose user-data cloud-init knows', { skip }, async (t) => {
  // Everything that nocloud can say.
  const text = PORTABLE.replace(
    'sysctl:',
    'groups: [{ name: ops }]\nfilesystems: [{ device: /dev/sdb, format: ext4, label: x, wipe: true, mount: /var/lib/x, mountOptions: [noatime] }, { device: /dev/sdc, format: swap, wipe: true }]\nsysctl:',
  )
    .replace(
      'name: core,',
      'name: core, uid: 1200, comment: Operator, home: /home/core, primaryGroup: users,',
    )
    .replace('/etc/empty, content: ""', '/etc/empty, append: true, content: "x"');
  const { body, problems } = convertDescription(text, 'm', 'nocloud');
  t.strictSame(problems, []);
  const file = join(t.testdir({ 'user-data': body }), 'user-data');
  const schema = spawnSync('cloud-init', ['schema', '--config-file', file], { encoding: 'utf8' });
  t.equal(schema.status, 0, schema.stdout + schema.stderr);
});

t.test('what the roles that ship render as Ignition it takes, and lays out', { skip }, async (t) => {
  const role = shippedRole('fcos-live');
  const parameters = {
    sshAuthorizedKeys: ['ssh-ed25519 AAAA you'],
    users: [{ name: 'ada', groups: ['users'], sshAuthorizedKeys: ['ssh-ed25519 AAAA ada'] }],
    sysctl: { 'vm.max_map_count': 262_144 },
  };
  t.strictSame(validate(renderText(role)), { accepts: true, says: '' });
  const body = renderText(role, { parameters });
  t.strictSame(validate(body), { accepts: true, says: '' });
  const { root, log } = applyFiles(t.testdir({}), body);
  t.equal(readFileSync(join(root, 'etc/hostname'), 'utf8'), 'node-123456', log);
  t.equal(readFileSync(join(root, 'etc/sysctl.d/90-tinderbox.conf'), 'utf8'), 'vm.max_map_count = 262144\n');
  t.equal(statSync(join(root, 'usr/local/bin/tinderbox-report')).mode & 0o777, 0o755);
  t.match(readFileSync(join(root, 'etc/passwd'), 'utf8'), /^ada:/m);
});
