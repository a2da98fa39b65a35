import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import { checkParameters } from '../../src/boot/check-parameters.ts';
import { loadCatalog } from '../../src/catalog/load-catalog.ts';
import type { Parameters, Role } from '../../src/machine/role.ts';
import { checkRoleTemplates } from '../../src/render/check-templates.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import { PROFILES, roleContext } from './support/render-role.ts';

/** As the daemon has it, with its checks. */
const { catalog } = await loadCatalog(PROFILES, { generation: 1, checkRole: checkRoleTemplates });
const ROLE = catalog?.roles.get('ubuntu-autoinstall') as Role;

/**
 * What autoinstall takes at the top, and what may stand below: its documented keys (Ubuntu installation guides, autoinstall
 * reference), since no package of Debian's has its schema.
 */
const KEYS: Readonly<Record<string, readonly string[] | null>> = {
  version: null,
  locale: null,
  keyboard: ['layout', 'variant', 'toggle'],
  timezone: null,
  proxy: null,
  apt: ['mirror-selection', 'fallback', 'geoip'],
  packages: null,
  ssh: ['install-server', 'authorized-keys', 'allow-pw'],
  'user-data': ['hostname', 'users'],
  'early-commands': null,
  storage: ['layout'],
  'error-commands': null,
  'late-commands': null,
  shutdown: null,
};

interface Autoinstall {
  readonly 'early-commands': readonly string[];
  readonly 'error-commands': readonly string[];
  readonly 'late-commands': readonly string[];
  readonly 'user-data': { readonly users: readonly Readonly<Record<string, unknown>>[] };
  readonly storage: { readonly layout: { readonly match: { readonly path: string } } };
}

function autoinstall(parameters: Parameters = {}): Autoinstall {
  t.same(checkParameters(ROLE, parameters), []);
  const { body } = renderConfig(ROLE, roleContext(ROLE, { parameters }));
  return (parse(body) as { autoinstall: Autoinstall }).autoinstall;
}

const EVERYTHING: Parameters = {
  mirror: 'http://10.77.0.1/ubuntu',
  proxy: 'http://ada:p%23w@10.77.0.1:3128',
  layout: 'lvm',
  packages: ['g++'],
  timezone: 'America/Argentina/Buenos_Aires',
  user: 'ada',
  passwordHash: '$y$j9T$abcdefgh$ABCDEFGH./abc',
  sshAuthorizedKeys: ['command="echo \\"$(id)\\" \'x\'" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ada@b'],
};

for (const [what, parameters] of [
  ['as it ships', {}],
  ['with everything', EVERYTHING],
] as const) {
  t.test(`${what}: keys that autoinstall has, and commands that a shell reads`, async (t) => {
    const config = autoinstall(parameters);
    for (const [key, value] of Object.entries(config)) {
      t.ok(key in KEYS, key);
      const below = KEYS[key] ?? null;
      if (below !== null)
        for (const inner of Object.keys(value as object)) t.ok(below.includes(inner), inner);
    }
    const commands = [...config['early-commands'], ...config['error-commands'], ...config['late-commands']];
    t.equal(commands.length, 3);
    for (const command of commands) execFileSync('sh', ['-n'], { input: command });
    const report = /<<'END'\n([\s\S]*?)\nEND\n/.exec(config['error-commands'][0] ?? '')?.[1] ?? '';
    t.match(report, '"http://10.77.0.1/boot/abc/report"');
    execFileSync('python3', ['-c', 'import sys; compile(sys.stdin.read(), "report", "exec")'], {
      input: report,
    });
    const [user = {}] = config['user-data'].users;
    if (parameters === EVERYTHING) {
      t.match(user, {
        name: 'ada',
        hashed_passwd: EVERYTHING['passwordHash'],
        ssh_authorized_keys: EVERYTHING['sshAuthorizedKeys'],
      });
      t.notOk('sudo' in user, 'who has a password is asked for it');
    } else t.match(user, { name: 'ubuntu', sudo: /NOPASSWD/ });
  });
}

const rows: readonly {
  readonly what: string;
  readonly disk: string;
  /** What lsblk prints of disks: NAME, TYPE, RM, RO, TRAN. */
  readonly disks: readonly string[];
  readonly label?: string;
  readonly chosen?: string;
  readonly says?: RegExp;
}[] = [
  {
    what: 'the only fixed disk',
    disk: 'only',
    disks: [
      'null disk 0 0 sata',
      'sr0 rom 1 0 sata',
      'sdb disk 0 0 usb',
      'sdc disk 1 0 sata',
      'sdd disk 0 1 sata',
    ],
    chosen: '/dev/null',
  },
  {
    what: 'none of several',
    disk: 'only',
    disks: ['null disk 0 0 sata', 'zero disk 0 0 nvme'],
    says: /not one fixed disk but: \/dev\/null \/dev\/zero/,
  },
  { what: 'none of none', disk: 'only', disks: ['sr0 rom 1 0 sata'], says: /but: none/ },
  {
    what: 'one by its name',
    disk: '/dev/zero',
    disks: ['null disk 0 0 sata', 'zero disk 0 0 nvme'],
    chosen: '/dev/zero',
  },
  { what: 'none that is not there', disk: '/dev/none', disks: [], says: /there is no disk \/dev\/none/ },
  {
    what: 'none that is to be kept',
    disk: '/dev/null',
    disks: ['null disk 0 0 sata'],
    label: 'root TINDERBOX-KEEP',
    says: /\/dev\/null is left alone/,
  },
];

for (const { what, disk, disks, label = '', chosen, says } of rows) {
  t.test(`it picks ${what}`, async (t) => {
    const folder = t.testdir({
      'autoinstall.yaml': JSON.stringify(autoinstall({ disk })),
      lsblk: `#!/bin/sh\ncase "$*" in *LABEL*) echo '${label}' ;; *) cat <<'END'\n${disks.join('\n')}\nEND\n;; esac\n`,
    });
    chmodSync(`${folder}/lsblk`, 0o755);
    const command = (autoinstall({ disk })['early-commands'][0] ?? '')
      .replaceAll('/autoinstall.yaml', `${folder}/autoinstall.yaml`)
      .replaceAll('/run/tinderbox-reason', `${folder}/reason`);
    const { status, stderr } = spawnSync('sh', ['-c', command], {
      env: { PATH: `${folder}:${process.env['PATH']}` },
      encoding: 'utf8',
    });
    t.equal(status, chosen === undefined ? 1 : 0, stderr);
    const { storage } = JSON.parse(readFileSync(`${folder}/autoinstall.yaml`, 'utf8')) as Autoinstall;
    t.equal(storage.layout.match.path, chosen ?? '/dev/tinderbox-chosen', 'no disk has the latter name');
    if (says !== undefined) t.match(readFileSync(`${folder}/reason`, 'utf8'), says);
  });
}
