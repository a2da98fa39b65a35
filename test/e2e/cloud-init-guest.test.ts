import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { placeDebianLive } from '../support/debian-live-image.ts';
import { explain, startLab } from '../support/start-lab.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAC = '52:54:00:12:34:81';
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDCNHoFNWDVqCEVPT3u2YBA3t5XEPWxHHzlvmzuxOFAc ada@rack';
const BUILD_TIME = 45 * 60_000;
/** Four minutes of a processor, where nothing else runs. */
const BOOT_TIME = 20 * 60_000;

/** What the guest says of itself on its console; the role as it ships, and beside it what only looks. */
const QUESTIONS = `#!/bin/sh
exec >/dev/console 2>&1
say() { echo "guest: $*"; }
say "hostname $(hostname)"
say "ada $(id -nG ada)"
say "key $(cat /home/ada/.ssh/authorized_keys)"
say "sudoers $(stat -c '%a %U' /etc/sudoers.d/90-tinderbox)"
say "sudo $(runuser -u ada -- sudo -n id -un)"
say "motd $(cat /etc/motd)"
say "sysctl $(sysctl -n vm.max_map_count)"
say "link $(readlink /etc/looked-at)"
say "root $(findmnt -n -o FSTYPE /)"
say "errors $(tr -d ' \\n' </run/cloud-init/result.json)"
say "status $(cloud-init status)"
say "source $(cloud-init query v1.instance_id)"
say end
`;

const indent = (text: string, by: string) => text.replace(/^(?=.)/gm, by);

t.test(
  "a guest's own cloud-init makes of Debian in memory what the role debian-live says",
  { timeout: BUILD_TIME + BOOT_TIME },
  async (t) => {
    await using lab = await startLab({ mode: 'server', machinesYaml: 'default: none\n' });
    await placeDebianLive(join(lab.folder, 'assets/debian-live'), (line) => t.comment(line));
    const role = join(lab.folder, 'profiles/debian-live');
    await cp(join(ROOT, 'profiles/debian-live'), role, { recursive: true });
    const template = join(role, 'machine.yaml.hbs');
    const shipped = await readFile(template, 'utf8');
    await writeFile(
      template,
      `${shipped
        .replace(
          '\nfiles:\n',
          `\nfiles:\n  - path: /usr/local/sbin/questions\n    mode: '0700'\n    content: |\n${indent(QUESTIONS, '      ')}`,
        )
        .replace('\nunits:\n', `\nlinks: [{ path: /etc/looked-at, target: /etc/motd }]\nunits:\n`)}
  - name: questions.service
    enable: true
    content: |
      [Unit]
      After=tinderbox-report.service
      [Service]
      Type=oneshot
      ExecStart=/usr/local/sbin/questions
      [Install]
      WantedBy=multi-user.target
`,
    );
    await writeFile(
      join(lab.folder, 'profiles/machines.yaml'),
      `machines:
  ${MAC}:
    role: debian-live
    hostname: guest-1
    parameters:
      users: [{ name: ada, groups: [sudo], sshAuthorizedKeys: ['${KEY}'] }]
      sysctl: { vm.max_map_count: 262143 }
`,
    );
    const machine = await lab.powerOn('bios-ipxe', MAC, { memory: 1_536 });
    try {
      await machine.console.waitFor(/^guest: end/, { timeout: BOOT_TIME });
    } catch (error) {
      t.comment(await explain(lab, machine));
      throw error;
    }
    const said = new Map(
      machine.console.lines.flatMap((line) => {
        const [, name, value] = /guest: (\S+) ?(.*)/.exec(line) ?? [];
        return name === undefined ? [] : [[name, value]];
      }),
    );
    t.match(Object.fromEntries(said), {
      hostname: 'guest-1',
      ada: /\bsudo\b/,
      key: KEY,
      sudoers: '440 root',
      sudo: 'root',
      motd: /guest-1 was booted by Tinderbox in the role debian-live/,
      sysctl: '262143',
      link: '/etc/motd',
      root: 'overlay',
      errors: /"datasource":"DataSourceNoCloudNet\[.*"errors":\[\]/,
      status: 'status: done',
      source: /^i-525400123481-1$/,
    });
    const { session, events } = await lab.inspect(MAC);
    t.match(session, { role: 'debian-live', stage: 'booted', end: 'booted' });
    t.ok(session?.stageTimes.config !== undefined, 'user-data was fetched');
    t.equal(events.filter(({ kind }) => kind === 'http.config').length, 1, 'once');
  },
);
