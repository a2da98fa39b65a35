import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import type { Parameters, Role } from '../src/machine/role.ts';
import { checkRoleTemplates } from '../src/render/check-templates.ts';
import type { TemplateContext } from '../src/render/context.ts';
import { renderConfig } from '../src/render/render-config.ts';
import { machineScript } from '../src/render/render-script.ts';
import { contextOf, readShippedRole } from './render/read-shipped-role.ts';

const FOLDERS = ['profiles', 'src/lab/profiles'].map((folder) => join(import.meta.dirname, '..', folder));
const ROLES: readonly Role[] = FOLDERS.flatMap((folder) =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'partials')
    .map(({ name }) => readShippedRole(folder, name)),
);
const WORKER = ROLES.find(({ name }) => name === 'worker') as Role;

interface CloudConfig {
  readonly hostname: string;
  readonly users?: readonly { readonly name: string; readonly ssh_authorized_keys?: readonly string[] }[];
  readonly write_files: readonly {
    readonly path: string;
    readonly content: string;
    readonly permissions?: string;
  }[];
  readonly coreos?: {
    readonly units: readonly {
      readonly name: string;
      readonly content?: string;
      readonly drop_ins?: readonly { readonly name: string; readonly content: string }[];
    }[];
  };
}

function render(
  role: Role,
  parameters: Parameters = {},
  machine: Partial<TemplateContext['machine']> = {},
  rest: Partial<TemplateContext> = {},
): CloudConfig {
  const context = contextOf(role);
  const changed = {
    ...context,
    ...rest,
    machine: { ...context.machine, ...machine },
    parameters: { ...role.parameters, ...parameters },
  };
  return parse(renderConfig(role, changed).body) as CloudConfig;
}

function fileOf(config: CloudConfig, path: string): string {
  const file = config.write_files.find((candidate) => candidate.path === path);
  if (file === undefined) throw new Error(`${path} is not written`);
  return file.content;
}

function unitOf(config: CloudConfig, name: string): string {
  return config.coreos?.units.find((unit) => unit.name === name)?.content ?? '';
}

const FIXED = { address: '10.77.0.21', prefix: 24, gateway: '10.77.0.1', dns: ['10.77.0.1', '10.77.0.2'] };

/** Machines and parameters that every role must come through. */
const MACHINES: readonly [
  string,
  Partial<TemplateContext['machine']>,
  Parameters,
  Partial<TemplateContext>?,
][] = [
  ['a plain machine', {}, {}],
  ['a machine with a fixed address', FIXED, {}],
  ['a fixed address without router or name server', { ...FIXED, gateway: '', dns: [] }, {}],
  ['a fixed address in a network that nobody knows', { ...FIXED, prefix: 0 }, {}],
  [
    'a machine that says nothing of itself',
    { uuid: '', serial: '', arch: '', manufacturer: '', product: '' },
    {},
  ],
  ['a MAC of digits below 60', { mac: '52:54:00:12:34:56' }, {}],
  ['hostile facts', { serial: '"\n- x: y', manufacturer: `'; reboot; '`, product: '{{x}} #' }, {}],
  ['no disk', {}, { disk: 'none' }],
  ['a chosen disk', {}, { disk: '/dev/disk/by-id/x' }],
  [
    'users and keys',
    {},
    {
      sshAuthorizedKeys: ['ssh-ed25519 AAAA a@b'],
      users: [{ name: 'ada', groups: ['sudo'], sshAuthorizedKeys: ['k: "v" #'] }, { name: 'bob' }],
    },
  ],
  [
    'mirror and proxy',
    {},
    {
      registryMirror: 'http://10.77.0.1:5000',
      proxy: "http://u:p%40'@proxy:3128",
      noProxy: '10.0.0.0/8,.local',
    },
  ],
  [
    'settings',
    {},
    { sysctl: { 'vm.max_map_count': 262144 }, kubernetesVersion: 'v1.35.1', greeting: 'a: "b"\n#c' },
  ],
  ['no cluster', {}, {}, { cluster: undefined as never }],
];

t.test('every role that ships is free of unknown variables', async (t) => {
  t.ok(ROLES.length >= 3);
  for (const role of ROLES) t.strictSame(checkRoleTemplates(role), [], role.name);
});

t.test('every role that ships renders for every kind of machine, and parses back', async (t) => {
  for (const role of ROLES) {
    for (const [what, machine, parameters, rest] of MACHINES) {
      const config = render(role, parameters, machine, rest);
      t.equal(config.hostname, 'node-123456', `${role.name}: ${what}`);
      t.match(machineScript({ role, context: contextOf(role), hostname: 'h' }), /^#!ipxe\n/);
    }
  }
});

t.test('every script in a configuration is one that bash parses', async (t) => {
  for (const role of ROLES) {
    for (const [what, machine, parameters, rest] of MACHINES) {
      for (const { path, content, permissions } of render(role, parameters, machine, rest).write_files) {
        if (!content.startsWith('#!')) continue;
        t.equal(permissions, '0755', path);
        const { status, stderr } = spawnSync('bash', ['-n'], { input: content, encoding: 'utf8' });
        t.equal(status, 0, `${role.name} ${path} for ${what}: ${stderr}`);
      }
    }
  }
});

t.test('the worker boots Flatcar as the design says, from the folder that `image` names', async (t) => {
  const script = machineScript({ role: WORKER, context: contextOf(WORKER), hostname: 'h' });
  t.match(
    script,
    '\nkernel http://10.77.0.1/assets/flatcar/flatcar_production_pxe.vmlinuz initrd=initrd0 flatcar.first_boot=1 cloud-config-url=http://10.77.0.1/boot/abc/cloud-config console=ttyS0 || goto failed\n',
  );
  t.match(
    script,
    '\ninitrd --name initrd0 http://10.77.0.1/assets/flatcar/flatcar_production_pxe_image.cpio.gz || goto failed\n',
  );
  t.equal(WORKER.parameters['kubernetesVersion'], 'v1.36.0');
  const context = contextOf(WORKER);
  const arm = machineScript({
    role: WORKER,
    context: { ...context, parameters: { ...context.parameters, image: 'flatcar-arm64' } },
    hostname: 'h',
  });
  t.match(arm, '/assets/flatcar-arm64/flatcar_production_pxe.vmlinuz');
});

t.test('every parameter of a role is explained where it is declared', async (t) => {
  for (const role of ROLES) {
    const lines = readFileSync(role.file, 'utf8').split('\n');
    for (const name of Object.keys(role.parameters)) {
      const index = lines.findIndex((line) => line.startsWith(`  ${name}:`));
      const before = lines[index - 1] ?? '';
      // Two that are explained together stand together.
      t.ok(before.startsWith('  #') || lines[index - 2]?.startsWith('  #'), `${role.file}: ${name}`);
    }
  }
});

t.test("the machine's own network unit holds its address, by its MAC, where it has one", async (t) => {
  t.equal(
    unitOf(render(WORKER, {}, FIXED), '10-tinderbox.network'),
    '[Match]\nMACAddress=52:54:00:12:34:56\nType=ether\n\n[Network]\nAddress=10.77.0.21/24\nGateway=10.77.0.1\nDNS=10.77.0.1\nDNS=10.77.0.2\n',
  );
  t.equal(unitOf(render(WORKER), '10-tinderbox.network'), '');
  t.equal(unitOf(render(WORKER, {}, { ...FIXED, prefix: 0 }), '10-tinderbox.network'), '');
});

t.test('parameters reach the files of the worker', async (t) => {
  const config = render(WORKER, {
    sshAuthorizedKeys: ['key a'],
    users: [{ name: 'ada', sshAuthorizedKeys: ['key b'] }],
    registryMirror: 'http://m:5000',
    proxy: 'http://p:1',
    sysctl: { 'vm.swappiness': 0 },
    kubernetesVersion: 'v9.9.9',
  });
  t.strictSame(config.users, [
    { name: 'core', ssh_authorized_keys: ['key a'] },
    { name: 'ada', ssh_authorized_keys: ['key b'] },
  ]);
  t.match(fileOf(config, '/etc/containerd/certs.d/_default/hosts.toml'), '[host."http://m:5000"]');
  t.match(fileOf(config, '/etc/tinderbox/proxy.env'), "HTTPS_PROXY='http://p:1'");
  t.match(fileOf(config, '/etc/sysctl.d/90-tinderbox.conf'), '\nvm.swappiness = 0\n');
  t.match(
    fileOf(config, '/opt/tinderbox/fetch-programs'),
    "from='http://10.77.0.1/assets'/'kubernetes'/'v9.9.9'",
  );
  t.match(fileOf(config, '/opt/tinderbox/report'), "url='http://10.77.0.1/boot/abc/report'");
  const kubelet = parse(fileOf(config, '/etc/kubernetes/kubelet.yaml')) as {
    clusterDNS: string[];
    authentication: unknown;
  };
  t.strictSame(kubelet.clusterDNS, ['10.3.0.10']);
  t.strictSame(kubelet.authentication, { anonymous: { enabled: false }, webhook: { enabled: false } });
  const plain = parse(
    fileOf(render(WORKER, {}, {}, { cluster: undefined as never }), '/etc/kubernetes/kubelet.yaml'),
  ) as object;
  t.notOk('clusterDNS' in plain);
});

t.test('without a disk no unit of the worker speaks of one', async (t) => {
  const config = render(WORKER, { disk: 'none' });
  const names = config.coreos?.units.map(({ name }) => name) ?? [];
  t.notOk(names.includes('tinderbox-disk.service'));
  t.match(
    unitOf(config, 'var-lib-containerd.mount'),
    '[Mount]\nWhat=tmpfs\nWhere=/var/lib/containerd\nType=tmpfs\n',
  );
  t.notOk(config.write_files.some(({ path }) => path === '/opt/tinderbox/prepare-disk'));
});

t.test('machines.yaml as it ships gives every machine the worker role', async (t) => {
  const machines: unknown = parse(readFileSync(join(FOLDERS[0] ?? '', 'machines.yaml'), 'utf8'));
  t.strictSame(machines, { machines: {}, rules: [], default: 'worker' });
});

/** A disk as lsblk and sysfs show it. */
interface Disk {
  readonly name: string;
  readonly tran?: string;
  readonly removable?: boolean;
  readonly readOnly?: boolean;
  readonly sectors?: number;
  readonly label?: string;
  /** Lines of `lsblk -lno TYPE,MOUNTPOINT`. */
  readonly use?: string;
  readonly labels?: string;
  readonly parts?: readonly string[];
}

/** Runs the worker's prepare-disk with programs that only note what they are asked to do. */
function prepareDisk(
  folder: string,
  disks: readonly Disk[],
  disk: string,
): { readonly status: number | null; readonly output: string; readonly done: string } {
  const place = mkdtempSync(join(folder, 'd-'));
  const bin = join(place, 'bin');
  mkdirSync(bin);
  const answers = new Map<string, string>([
    ['-dnpo NAME,TYPE', disks.map(({ name }) => `/dev/${name} disk`).join('\n')],
  ]);
  for (const { name, ...shown } of disks) {
    mkdirSync(join(place, 'block', name), { recursive: true });
    writeFileSync(join(place, 'block', name, 'removable'), shown.removable === true ? '1\n' : '0\n');
    writeFileSync(join(place, 'block', name, 'ro'), shown.readOnly === true ? '1\n' : '0\n');
    writeFileSync(join(place, 'block', name, 'size'), `${shown.sectors ?? 1e8}\n`);
    answers.set(`-dno TYPE /dev/${name}`, 'disk');
    answers.set(`-dno TRAN /dev/${name}`, shown.tran ?? 'sata');
    answers.set(`-dno LABEL /dev/${name}`, shown.label ?? '');
    answers.set(`-no LABEL,PARTLABEL /dev/${name}`, shown.labels ?? shown.label ?? '');
    answers.set(`-lno TYPE,MOUNTPOINT /dev/${name}`, shown.use ?? 'disk ');
    answers.set(
      `-lnpo NAME,TYPE /dev/${name}`,
      [`/dev/${name} disk`, ...(shown.parts ?? []).map((part) => `/dev/${part} part`)].join('\n'),
    );
  }
  const cases = [...answers].map(([args, answer]) => `'${args}') printf '%s\\n' '${answer}' ;;`);
  const program = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  program('lsblk', `case "$*" in\n${cases.join('\n')}\n-dno\\ SIZE*) echo ;;\n*) exit 32 ;;\nesac`);
  for (const name of ['wipefs', 'mkfs.ext4', 'blockdev', 'udevadm', 'ln', 'mount'])
    program(name, `echo "${name} $*" >>'${place}/done'`);
  program('readlink', 'echo "$2"');
  writeFileSync(join(place, 'done'), '');

  const script = fileOf(render(WORKER, { disk }), '/opt/tinderbox/prepare-disk')
    .replaceAll('/sys/block', join(place, 'block'))
    .replaceAll('/run/tinderbox', join(place, 'run'))
    .replaceAll('/var/lib/containerd', join(place, 'images'));
  const { status, stdout, stderr } = spawnSync('bash', [], {
    input: script,
    encoding: 'utf8',
    env: { PATH: `${bin}:/usr/bin:/bin` },
  });
  return { status, output: stdout + stderr, done: readFileSync(join(place, 'done'), 'utf8') };
}

t.test('the worker wipes a disk that it may, and no other', async (t) => {
  execFileSync('bash', ['--version']);
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-disk-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const table: readonly [string, readonly Disk[], string, number, string | undefined, RegExp?][] = [
    ['the first by name', [{ name: 'sdb' }, { name: 'sda' }], 'auto', 0, 'sda'],
    ['numbers count as numbers', [{ name: 'nvme10n1' }, { name: 'nvme2n1' }], 'auto', 0, 'nvme2n1'],
    [
      'its own from an earlier boot first',
      [{ name: 'sda' }, { name: 'sdb', label: 'TINDERBOX-DATA' }],
      'auto',
      0,
      'sdb',
    ],
    ['no disk at all', [], 'auto', 0, undefined, /images stay in memory, at most 50% of it/],
    ['never USB', [{ name: 'sda', tran: 'usb' }], 'auto', 0, undefined, /sda is left alone: it is on USB/],
    ['never removable media', [{ name: 'sda', removable: true }], 'auto', 0, undefined, /it is removable/],
    ['never a read-only disk', [{ name: 'sda', readOnly: true }], 'auto', 0, undefined, /it is read-only/],
    ['never a tiny one', [{ name: 'sda', sectors: 2048 }], 'auto', 0, undefined, /smaller than 4 GiB/],
    [
      'never what is kept',
      [{ name: 'sda', labels: '\nTINDERBOX-KEEP' }],
      'auto',
      0,
      undefined,
      /labelled TINDERBOX-KEEP/,
    ],
    ['never a mounted one', [{ name: 'sda', use: 'disk \npart /oem' }], 'auto', 0, undefined, /it is in use/],
    ['never swap', [{ name: 'sda', use: 'disk [SWAP]' }], 'auto', 0, undefined, /it is in use/],
    ['never RAID', [{ name: 'sda', use: 'disk \npart \nraid1 ' }], 'auto', 0, undefined, /it is in use/],
    [
      'the next where the first must not be',
      [{ name: 'sda', labels: 'TINDERBOX-KEEP' }, { name: 'sdb' }],
      'auto',
      0,
      'sdb',
    ],
    [
      'never loop, zram, floppy, boot partitions of eMMC',
      [{ name: 'loop0' }, { name: 'zram0' }, { name: 'fd0' }, { name: 'mmcblk0boot0' }],
      'auto',
      0,
      undefined,
    ],
    ['the one that is named', [{ name: 'sda' }, { name: 'sdb' }], '/dev/sdb', 0, 'sdb'],
    [
      'named, yet kept',
      [{ name: 'sda', labels: 'TINDERBOX-KEEP' }],
      '/dev/sda',
      1,
      undefined,
      /cannot be used: it is labelled/,
    ],
    [
      'named, yet removable',
      [{ name: 'sda', removable: true }],
      '/dev/sda',
      1,
      undefined,
      /cannot be used: it is removable/,
    ],
    [
      'named, yet not there',
      [{ name: 'sda' }],
      '/dev/sdz',
      1,
      undefined,
      /cannot be used: it is no whole disk/,
    ],
  ];
  for (const [what, disks, wanted, status, wiped, output] of table) {
    const result = prepareDisk(folder, disks, wanted);
    t.equal(result.status, status, `${what}: ${result.output}`);
    const touched = [
      ...new Set(
        [...result.done.matchAll(/^(?:wipefs|mkfs\.ext4|blockdev) .*?\/dev\/(\S+)$/gm)].map(
          ([, name]) => name,
        ),
      ),
    ];
    t.strictSame(touched, wiped === undefined ? [] : [wiped], what);
    if (output !== undefined) t.match(result.output, output, what);
  }
  const { done } = prepareDisk(folder, [{ name: 'sda', parts: ['sda1', 'sda2'] }], 'auto');
  t.match(
    done,
    /wipefs .*sda1\nwipefs .*sda2\nwipefs .*\/dev\/sda\nblockdev .*\nudevadm settle\nmkfs\.ext4 .* -L TINDERBOX-DATA .*\/dev\/sda\nln /,
  );
});
