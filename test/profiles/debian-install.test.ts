import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { checkParameters } from '../../src/boot/check-parameters.ts';
import { loadCatalog } from '../../src/catalog/load-catalog.ts';
import type { Parameters, Role } from '../../src/machine/role.ts';
import { checkRoleTemplates } from '../../src/render/check-templates.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import { machineScript } from '../../src/render/render-script.ts';
import { PROFILES, roleContext } from './support/render-role.ts';

/** As the daemon has it, with its checks. */
const { catalog } = await loadCatalog(PROFILES, { generation: 1, checkRole: checkRoleTemplates });
const ROLE = catalog?.roles.get('debian-install') as Role;

function render(parameters: Parameters = {}) {
  const context = {
    ...roleContext(ROLE, { parameters }),
    configUrl: 'http://10.77.0.1/boot/abc/raw',
  };
  return {
    context,
    preseed: renderConfig(ROLE, context).body,
    installer: renderConfig(ROLE, context, 'installer').body,
  };
}

/** Answers as debconf has read them: question → value. */
function read(preseed: string): ReadonlyMap<string, string> {
  // Debian's own reader says what it takes; a line that is none is an error.
  const said = execFileSync('debconf-set-selections', ['--checkonly', '--verbose'], {
    input: preseed,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  t.equal(said.includes('error'), false);
  return new Map(
    preseed
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const [, question = '', , ...value] = line.split(' ');
        return [question, value.join(' ')];
      }),
  );
}

const ROWS: readonly [string, Parameters][] = [
  ['as it ships', {}],
  [
    'with everything',
    {
      disk: '/dev/disk/by-id/nvme-eui.0025',
      layout: 'multi',
      mirror: '10.77.0.1:3142',
      mirrorPath: '/mirror/debian',
      securityMirror: '',
      proxy: 'http://ada:p%23w@10.77.0.1:3128',
      tasks: ['standard', 'ssh-server'],
      packages: ['g++', 'vim'],
      timezone: 'America/Argentina/Buenos_Aires',
      user: 'ada',
      passwordHash: '$y$j9T$abcdefgh$ABCDEFGH./abc',
      sshAuthorizedKeys: ['command="echo \\"$(id) `id`\\" \'x\'" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ada@b'],
    },
  ],
];

for (const [name, parameters] of ROWS) {
  t.test(`${name}: debconf and busybox read what is served`, async (t) => {
    t.same(checkParameters(ROLE, parameters), []);
    const { preseed, installer, context } = render(parameters);
    const answers = read(preseed);
    t.equal(answers.get('netcfg/hostname'), context.machine.hostname);
    t.match(answers.get('preseed/early_command'), `${context.configUrl}/installer`);
    t.equal(answers.get('partman-auto/disk'), undefined, 'the disk is picked where it is seen');
    t.match(preseed, /^tasksel tasksel\/first multiselect /m);
    t.match(installer, `report_url='${context.reportUrl}'`);
    execFileSync('busybox', ['sh', '-n'], { input: installer });
    for (const key of (parameters['sshAuthorizedKeys'] ?? []) as readonly string[])
      t.match(
        installer,
        `<<'TINDERBOX'\n${key}\nTINDERBOX\n`,
        'a key as it is, with nothing that a shell obeys',
      );
  });
}

t.test('a password is a hash, and without one nobody has a password', async (t) => {
  const hash = '$6$rounds=5000$salt$hash./hash';
  t.equal(read(render({ passwordHash: hash }).preseed).get('passwd/user-password-crypted'), hash);
  t.notMatch(render({ passwordHash: hash }).installer, 'NOPASSWD');
  t.equal(read(render().preseed).get('passwd/user-password-crypted'), '!');
  t.match(render().installer, 'NOPASSWD');
});

t.test(
  'what would become another line, or another word of a shell, is refused where it is written',
  async (t) => {
    const rows: readonly Parameters[] = [
      { mirror: 'a b' },
      { mirrorPath: '/x\nd-i preseed/late_command string reboot' },
      { user: 'a; reboot' },
      { passwordHash: 'secret' },
      { timezone: 'Etc/UTC\\' },
      { packages: ['a,b'] },
      { disk: "/dev/sda'; reboot '" },
      { disk: 'sda' },
      { sshAuthorizedKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5\nTINDERBOX'] },
    ];
    for (const parameters of rows)
      t.equal(checkParameters(ROLE, parameters).length, 1, JSON.stringify(parameters));
  },
);

t.test('the script of the machine starts the installer unattended', async (t) => {
  const { context } = render();
  const script = machineScript({ role: ROLE, context, hostname: 'h' });
  t.match(script, / auto=true priority=critical url=http:\S+\/raw interface=auto /);
  t.match(script, / --- console=ttyS0 /, 'the installed system has the same console');
});

interface FakeDisk {
  readonly removable?: string;
  readonly ro?: string;
  readonly sectors?: number;
  /** What blkid says of its first partition. */
  readonly blkid?: string;
}

/** Has the script pick a disk of a machine with these, and says what it told the installer, and Tinderbox. */
async function pickDisk(t: Test, wanted: string, disks: Readonly<Record<string, FakeDisk>>) {
  const root = await mkdtemp(join(tmpdir(), 'tinderbox-disks-'));
  t.teardown(() => rm(root, { recursive: true }));
  for (const [name, { removable = '0', ro = '0', sectors = 8_388_608, blkid = '' }] of Object.entries(
    disks,
  )) {
    const sys = join(root, 'sys/block', name);
    await mkdir(join(sys, 'device'), { recursive: true });
    await mkdir(join(sys, `${name}1`));
    await writeFile(join(sys, 'removable'), `${removable}\n`);
    await writeFile(join(sys, 'ro'), `${ro}\n`);
    await writeFile(join(sys, 'size'), `${sectors}\n`);
    for (const uevent of [sys, join(sys, `${name}1`)]) await writeFile(join(uevent, 'uevent'), '');
    await writeFile(join(root, `${name}1.blkid`), blkid);
  }
  await mkdir(join(root, 'bin'));
  const stubs = {
    blkid: `cat "${root}/$(basename "$1").blkid" 2>/dev/null || true`,
    'debconf-set': `echo "$@" >>${root}/answers`,
    wget: `echo "$@" >>${root}/reports`,
    udevadm: 'true',
    logger: 'true',
    // Where it would stand still for good.
    sleep: 'kill $PPID',
  };
  for (const [name, line] of Object.entries(stubs))
    await writeFile(join(root, 'bin', name), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  await writeFile(join(root, 'syslog'), 'main-menu: started\n');
  const script = render({ disk: wanted })
    .installer.replaceAll('/sys/block', `${root}/sys/block`)
    .replaceAll('/dev/console', '/dev/null')
    .replaceAll('/var/log/syslog', `${root}/syslog`)
    .replaceAll('/tmp/tinderbox-failed', `${root}/failed`);
  spawnSync('sh', ['-s', 'disk'], {
    input: script,
    env: { PATH: `${root}/bin:${process.env['PATH']}` },
  });
  const read = (name: string) => readFile(join(root, name), 'utf8').catch(() => '');
  return { answers: await read('answers'), reports: await read('reports') };
}

t.test(
  'the disk is picked only where there is nothing to guess, and one with a label to keep never',
  async (t) => {
    const keep = '/dev/sda1: LABEL="TINDERBOX-KEEP" TYPE="ext4"';
    const rows: [string, string, Readonly<Record<string, FakeDisk>>, string | RegExp][] = [
      ['the only one', 'only', { sda: {}, sr0: {}, loop0: {} }, 'sda'],
      ['one of several', 'only', { sda: {}, sdb: {} }, /several\+disks/],
      ['the first of several', 'first', { sdb: {}, sda: {} }, 'sda'],
      ['none', 'only', { sr0: {} }, /no\+disk\+to\+install/],
      ['beside one that is kept', 'only', { sda: { blkid: keep }, sdb: {} }, 'sdb'],
      [
        'by the label of its partition',
        'only',
        { sda: { blkid: '/dev/sda1: PARTLABEL="TINDERBOX-KEEP"' } },
        /no\+disk/,
      ],
      [
        'a label that only looks alike',
        'only',
        { sda: { blkid: '/dev/sda1: LABEL="TINDERBOX-KEEPER"' } },
        'sda',
      ],
      ['removable', 'only', { sda: { removable: '1' } }, /no\+disk/],
      ['read-only', 'only', { sda: { ro: '1' } }, /no\+disk/],
      ['too small', 'only', { sda: { sectors: 2_048 } }, /no\+disk/],
      ['by a name that is not there', '/dev/no-such-disk', { sda: {} }, /there\+is\+no\+/],
    ];
    for (const [name, wanted, disks, outcome] of rows) {
      const { answers, reports } = await pickDisk(t, wanted, disks);
      if (typeof outcome === 'string') {
        t.equal(answers, `partman-auto/disk /dev/${outcome}\ngrub-installer/bootdev /dev/${outcome}\n`, name);
        t.equal(reports, '', name);
      } else {
        t.equal(answers, '', name);
        t.match(reports, /--post-data stage=failed&log=main-menu:\+started/, name);
        t.match(reports, outcome, name);
      }
    }
  },
);
