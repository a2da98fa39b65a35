import t from 'tap';
import { runIpxeScript } from '../../src/lab/virtual-client-script.ts';
import type { MenuBoot } from '../../src/machine/role.ts';
import { machineScript } from '../../src/render/render-script.ts';
import { contextOf, roleOf } from './read-shipped-role.ts';

const MENU: MenuBoot = {
  kind: 'menu',
  title: 'What now?',
  timeout: 20,
  default: 'local',
  choices: [
    { role: 'worker', label: 'A worker', key: 'w', line: 5 },
    { role: 'local', label: 'Its own disk', line: 6 },
  ],
};

function menuOf(changes: Partial<MenuBoot> = {}): string {
  const role = { ...roleOf(''), name: 'menu', boot: { ...MENU, ...changes } };
  return machineScript({ role, context: contextOf(role), hostname: 'node-123456' });
}

t.test("the menu is what QEMU's iPXE of 2019 was seen to show", async (t) => {
  const lines = menuOf().split('\n');
  t.match(lines.slice(0, 9), [
    '#!ipxe',
    'echo',
    'echo Tinderbox: 52:54:00:12:34:56 is node-123456, role menu',
    'imgfree ||',
    'menu What now? || goto default',
    'item --key w worker A worker ||',
    'item local Its own disk ||',
    'item --gap -- Without a key in 20 s: Its own disk ||',
    'choose --timeout 20000 --default local choice && goto chosen ||',
  ]);
  t.match(lines.slice(10, 15), [
    ':default',
    'set choice local',
    '',
    ':chosen',
    'echo Tinderbox: the choice is ${choice}',
  ]);
  t.match(
    lines[15],
    /^chain --replace --autofree http:\/\/10.77.0.1\/ipxe\?mac=\$\{netX\/mac:hexhyp\}&choice=\$\{choice\}&/,
  );
});

t.test('a menu without a time waits for a person', async (t) => {
  const script = menuOf({ timeout: 'off' });
  t.match(script, /^choose --default local choice && /m);
  t.notMatch(script, /--gap|--timeout/);
});

t.test('no command of a menu can end its script, and no label is a command', async (t) => {
  const choices = [{ role: 'local', label: 'a || reboot ${x} && #', line: 1 }];
  const script = menuOf({ title: 'a || exit', choices });
  for (const line of script.split('\n')) {
    if (/^(menu|item|choose|chain|imgfree|sleep)/.test(line)) t.match(line, / \|\|( goto \w+)?$/);
  }
  t.match(script, /^menu a \| exit \|\| goto default$/m);
  t.match(script, /^item local a \| reboot \$\(x\} & No\. \|\|$/m);
});

t.test('the virtual client, whom nobody helps, comes to the default', async (t) => {
  const asked: string[] = [];
  const outcome = await runIpxeScript(
    {
      setting: () => '52:54:00:12:34:56',
      dhcp: () => Promise.resolve(true),
      fetchScript: (url) =>
        Promise.resolve(asked.push(url) > 0 ? '#!ipxe\nsanboot --no-describe --drive 0x80' : ''),
      fetchImage: () => Promise.resolve(true),
      echo: () => undefined,
      sleep: () => Promise.resolve(),
    },
    'http://10.77.0.1/ipxe',
    menuOf(),
  );
  t.equal(outcome.kind, 'disk');
  t.match(asked, [/&choice=local&/]);
});
