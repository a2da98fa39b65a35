import { execFileSync } from 'node:child_process';
import t from 'tap';
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
