import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { explain, type Lab, startLab } from '../support/start-lab.ts';

const BOOT_TIME = 240_000;

async function addMenu(lab: Lab, timeout: number): Promise<void> {
  await mkdir(join(lab.folder, 'profiles/menu'), { recursive: true });
  await writeFile(
    join(lab.folder, 'profiles/menu/role.yaml'),
    `boot:
  menu:
    title: What shall this machine be?
    timeout: ${timeout}
    default: demo-router
    choices:
      - { role: demo-router, label: The router, key: r }
      - { role: demo, label: The live system, key: l }
`,
  );
  await writeFile(join(lab.folder, 'profiles/machines.yaml'), 'default: menu\n');
}

const rows = [
  {
    what: 'the key of a choice boots that role',
    mac: '52:54:00:12:34:61',
    timeout: 600,
    key: 'l',
    role: 'demo',
  },
  {
    what: 'nobody at the console boots the default',
    mac: '52:54:00:12:34:62',
    timeout: 5,
    role: 'demo-router',
  },
] as const;

for (const row of rows) {
  t.test(`real firmware shows a menu: ${row.what}`, { timeout: 500_000 }, async (t) => {
    await using lab = await startLab({ mode: 'server', machinesYaml: 'default: demo\n' });
    await addMenu(lab, row.timeout);
    const machine = await lab.powerOn('bios-ipxe', row.mac);
    try {
      await machine.console.waitFor(/What shall this machine be\?/, { timeout: BOOT_TIME, unfinished: true });
      await machine.console.waitFor(/The live system/, { timeout: BOOT_TIME, unfinished: true });
      if ('key' in row) await machine.press(row.key);
      await machine.console.waitFor(new RegExp(`is node-.*, role ${row.role}`), { timeout: BOOT_TIME });
      await machine.console.waitFor(/^tinderbox: reported booted/, { timeout: BOOT_TIME });
    } catch (error) {
      t.comment(await explain(lab, machine));
      throw error;
    }
    const { session, events } = await lab.inspect(row.mac);
    t.match(session, { role: row.role, stage: 'booted', end: 'booted' });
    const opened = events.filter(({ kind }) => kind === 'session.opened');
    t.equal(opened.length, 1, 'the menu and what was chosen are one session');
    const scripts = events.filter(({ kind }) => kind === 'http.script');
    t.match(
      scripts.map(({ answered }) => answered),
      [/the script of role menu/, new RegExp(`the script of role ${row.role} `)],
    );
    t.match(scripts.at(-1)?.reasons.join('; '), /the menu offers .*chosen at the console/);
  });
}
