import { execFileSync } from 'node:child_process';
import t from 'tap';
import { parse } from 'yaml';
import { checkParameters } from '../../src/boot/check-parameters.ts';
import { loadCatalog } from '../../src/catalog/load-catalog.ts';
import type { Parameters, Role } from '../../src/machine/role.ts';
import { checkRoleTemplates } from '../../src/render/check-templates.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import { machineScript } from '../../src/render/render-script.ts';
import { PROFILES, roleContext } from './support/render-role.ts';

/** As the daemon has it, with its checks. */
const { catalog, problems } = await loadCatalog(PROFILES, { generation: 1, checkRole: checkRoleTemplates });
const roleNamed = (name: string): Role => catalog?.roles.get(name) as Role;

const KEY = 'command="echo \\"$(id)\\" \'x\'" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ada@b';
const USERS: Parameters = {
  sshAuthorizedKeys: [KEY],
  users: [{ name: 'ada', groups: ['sudo'], sshAuthorizedKeys: [KEY] }, { name: 'bob' }],
  sysctl: { 'vm.max_map_count': 262144 },
};

function render(name: string, parameters: Parameters = {}): string {
  const role = roleNamed(name);
  t.same(checkParameters(role, parameters), []);
  return renderConfig(role, roleContext(role, { parameters })).body;
}

function script(name: string, parameters: Parameters = {}): string {
  const role = roleNamed(name);
  return machineScript({ role, context: roleContext(role, { parameters }), hostname: 'h' });
}

t.test('the catalog that ships has no flaw', async (t) => {
  t.same(problems, []);
});

interface NocloudConfig {
  readonly hostname: string;
  readonly users: readonly Readonly<Record<string, unknown>>[];
  readonly write_files: readonly {
    readonly path: string;
    readonly content: string;
    readonly permissions: string;
  }[];
  readonly runcmd: readonly (readonly string[])[];
}

for (const [what, parameters] of [
  ['as it ships', {}],
  ['with users and keys', USERS],
] as const) {
  t.test(`debian-live ${what}: users, sudo, and a report that Python can read`, async (t) => {
    const config = parse(render('debian-live', parameters)) as NocloudConfig;
    t.equal(config.hostname, 'node-123456');
    t.equal(config.users[0]?.['name'], 'debian');
    if (parameters === USERS) {
      t.match(config.users[0], { ssh_authorized_keys: [KEY] });
      t.match(config.users[1], { name: 'ada', groups: ['sudo'], ssh_authorized_keys: [KEY] });
    }
    if (parameters !== USERS)
      t.notOk('ssh_authorized_keys' in (config.users[0] ?? {}), 'to cloud-init no list is empty');
    const file = (path: string) => config.write_files.find((one) => one.path === path);
    t.equal(file('/etc/sudoers.d/90-tinderbox')?.permissions, '0440');
    const report = file('/usr/local/sbin/tinderbox-report');
    t.match(report, { permissions: '0755', content: /url = "http:\/\/10\.77\.0\.1\/boot\/abc\/report"/ });
    execFileSync('python3', ['-c', 'import sys; compile(sys.stdin.read(), "report", "exec")'], {
      input: report?.content ?? '',
    });
    t.ok(
      config.runcmd.some((argv) => argv.join(' ') === 'systemctl --no-block start tinderbox-report.service'),
    );
    t.notOk('mounts' in config || 'fs_setup' in config || 'swap' in config, 'no disk is touched');
  });

  t.test(`fcos-live ${what}: Ignition in JSON, and a report that a shell can read`, async (t) => {
    const config = JSON.parse(render('fcos-live', parameters)) as {
      readonly ignition: { readonly version: string };
      readonly storage: { readonly files: readonly { path: string; contents: { source: string } }[] };
    };
    t.equal(config.ignition.version, '3.3.0');
    t.notOk('disks' in config.storage || 'filesystems' in config.storage, 'no disk is touched');
    const source = config.storage.files.find(({ path }) => path.endsWith('/tinderbox-report'))?.contents
      .source;
    const text = await (await fetch(source ?? '')).text();
    execFileSync('bash', ['-n'], { input: text });
    t.match(text, `url='http://10.77.0.1/boot/abc/report'`);
  });
}

t.test('the kernel arguments are those that each system reads', async (t) => {
  t.match(script('debian-live'), / fetch=http:\/\/10\.77\.0\.1\/assets\/debian-live\/filesystem\.squashfs /);
  t.match(
    script('debian-live'),
    / ds=nocloud;dsmode=net;s=http:\S+ /,
    'iPXE takes the semicolons as they are',
  );
  t.match(
    script('ubuntu-autoinstall'),
    / url=\S+\/ubuntu\/live-server\.iso cloud-config-url=\/dev\/null autoinstall ds=/,
  );
  t.match(
    script('fcos-live'),
    / coreos\.live\.rootfs_url=\S+\/fcos\/rootfs\.img .*ignition\.platform\.id=metal /,
  );
  t.match(script('talos'), / talos\.platform=metal talos\.config=http:\S+ /);
  t.match(
    script('memtest', { console: 'ttyS1,115200' }),
    /\/assets\/memtest\/memtest86\+x64\.bin .*console=ttyS1,115200/,
  );
});

const TALOS: Parameters = {
  installer: 'ghcr.io/siderolabs/installer:v1.12.4',
  endpoint: 'https://10.77.0.10:6443',
  machineToken: 'abcdef.0123456789abcdef',
  machineCertificate: 'TFMwdExTMUNSVWRKVGc9PQ==',
  clusterId: 'aWQ=',
  clusterSecret: 'c2VjcmV0',
  clusterToken: 'ghijkl.0123456789abcdef',
  clusterCertificate: 'TFMwdExTMUNSVWRKVGc9PQ==',
};

t.test('talos says what a worker must say, and which parameter is missing', async (t) => {
  t.match(parse(render('talos', TALOS)), {
    version: 'v1alpha1',
    machine: {
      type: 'worker',
      token: TALOS['machineToken'],
      ca: { crt: TALOS['machineCertificate'] },
      network: { hostname: 'node-123456' },
      install: { disk: '/dev/sda', image: TALOS['installer'], wipe: false },
    },
    cluster: {
      id: 'aWQ=',
      secret: 'c2VjcmV0',
      controlPlane: { endpoint: 'https://10.77.0.10:6443' },
      token: TALOS['clusterToken'],
      ca: { crt: TALOS['clusterCertificate'] },
    },
  });
  for (const name of Object.keys(TALOS))
    t.throws(() => render('talos', { ...TALOS, [name]: '' }), { message: new RegExp(name) });
});

t.test(
  'a menu offers roles that ship, and takes one that needs no image where nobody is there',
  async (t) => {
    const { boot } = roleNamed('menu');
    if (boot.kind !== 'menu') throw new Error('no menu');
    for (const { role } of boot.choices) t.ok(catalog?.roles.has(role), role);
    t.equal(boot.default, 'local');
  },
);

t.test(
  'what would become another line, or another word of a shell, is refused where it is written',
  async (t) => {
    const rows: readonly [string, Parameters][] = [
      ['debian-live', { image: '../x' }],
      ['debian-live', { console: 'ttyS0 init=/bin/sh' }],
      ['debian-live', { users: [{ name: 'a\nb' }] }],
      ['debian-live', { sysctl: { 'a b': 1 } }],
      ['fcos-live', { sysctl: { 'kernel.panic': '1\nx=y' } }],
      ['ubuntu-autoinstall', { disk: "/dev/sda'; reboot '" }],
      ['ubuntu-autoinstall', { user: 'root' }],
      ['ubuntu-autoinstall', { passwordHash: 'secret' }],
      ['ubuntu-autoinstall', { mirror: 'ftp://x' }],
      ['ubuntu-autoinstall', { sshAuthorizedKeys: ['x\ny'] }],
      ['talos', { disk: 'sda' }],
      ['talos', { endpoint: '10.77.0.10' }],
      ['talos', { clusterToken: 'a\nb' }],
      ['memtest', { binary: '../vmlinuz' }],
      ['memtest', { console: 'ttyS0 x' }],
    ];
    for (const [name, parameters] of rows) {
      t.equal(
        checkParameters(roleNamed(name), parameters).length,
        1,
        `${name} ${JSON.stringify(parameters)}`,
      );
    }
  },
);
