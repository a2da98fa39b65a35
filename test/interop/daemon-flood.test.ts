import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import { JOURNAL_LIMITS } from '../../src/store/journal-limits.ts';
import { curl } from './support/curl.ts';
import { createSite, type Daemon } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';

const SEND_DISCOVERS = fileURLToPath(new URL('support/send-discovers.ts', import.meta.url));
const SEND_SCRIPTS = fileURLToPath(new URL('support/send-scripts.ts', import.meta.url));
const FLOOD = 20_000;
const SCRIPTS = 6_000;
/** More than the provisioning plane takes in all. */
const SILENT = 1_200;
const MAC = '52:54:00:12:34:56';

/** The most lines that one text has in one second of the log. */
function busiestSecond(daemon: Daemon): { readonly text: string; readonly lines: number } {
  const counts = new Map<string, number>();
  for (const { time, part, msg } of daemon.lines()) {
    // Numbers and names differ where the cause does not.
    const key = `${Math.floor(time / 1000)} ${part} ${msg.replace(/[0-9a-f:.]{2,}/g, '#')}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const [text = '', lines = 0] = [...counts].toSorted(([, a], [, b]) => b - a)[0] ?? [];
  return { text, lines };
}

for (const mode of ['server', 'proxy'] as const) {
  await t.test(
    `a flood of machines that nobody knows leaves those served that are known (${mode})`,
    async (t) => {
      await using lab = await createLab({ plainDhcp: mode === 'proxy' });
      const range = mode === 'server' ? ', range: 10.77.0.100-10.77.0.199' : '';
      await using site = await createSite(lab.network.namespace, {
        'tinderbox.yaml': `network: { interface: br0 }\ndhcp: { mode: ${mode}, probe: off${range} }\n`,
        'profiles/machines.yaml': `machines:\n  ${MAC}: { role: worker, address: 10.77.0.20 }\ndefault: worker\n`,
      });
      const daemon = await site.serve();
      const client = await lab.addClient('10.77.0.3/24');
      const flooder = await lab.addClient('10.77.0.4/24');
      const boot = async () => {
        const [outcome] = await bootMachines(client, {
          interface: 'eth0',
          count: 1,
          firstMac: 0x525400123456,
          arch: 'uefi-x64',
          until: 'report',
          timeout: 60_000,
        });
        return outcome;
      };
      t.ok((await boot())?.ok, 'it boots before');
      const startLines = daemon.lines().length;
      const flood = flooder.spawn([process.execPath, SEND_DISCOVERS, String(FLOOD), '4000'], {
        stdio: 'ignore',
      });
      const flooded = once(flood, 'exit');
      const during = await boot();
      t.ok(during?.ok, 'and while it lasts', { step: during?.steps.at(-1) });
      await flooded;
      t.ok((await boot())?.ok, 'and after it');

      const scripts = flooder.spawn([process.execPath, SEND_SCRIPTS, String(SCRIPTS), String(SILENT)], {
        stdio: 'ignore',
      });
      const scripted = once(scripts, 'exit');
      t.ok((await boot())?.ok, 'and while the same is tried over HTTP');
      await scripted;
      t.ok((await boot())?.ok, 'and after that');

      const socket = join(site.folder, 'var/admin.sock');
      const { body } = await curl(
        lab.network.namespace,
        'http://tinderbox/api/v1/status',
        '--unix-socket',
        socket,
      );
      const { counters } = JSON.parse(body) as { counters: Record<string, number> };
      t.ok(Math.max(...Object.values(counters)) > FLOOD / 2, 'what is not recorded is counted');
      t.ok(Object.keys(counters).length < 200, 'and not by MAC');
      t.ok(
        daemon.lines().length - startLines < 200,
        `the log has ${daemon.lines().length - startLines} new lines`,
      );
      const { text, lines } = busiestSecond(daemon);
      // The clock's second and the throttle's need not begin together.
      const flooding = text.includes(' dhcp ') || text.includes(' store ');
      t.ok(!flooding || lines <= 2, `${lines} times in one second: ${text}`);

      daemon.signal('SIGTERM');
      t.equal((await daemon.ended).code, 0);
      const database = new Sqlite(join(site.folder, 'var/tinderbox.db'), { readonly: true });
      const count = (table: string) =>
        database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number };
      // Of those that DISCOVER, and of those that ask for a script.
      const most = 2 * (JOURNAL_LIMITS.newMachinesAtOnce + JOURNAL_LIMITS.newMachinesPerMinute * 3);
      t.ok(count('machines').n <= most, `${count('machines').n} machines`);
      t.ok(count('events').n < 4 * most + 1000, `${count('events').n} events`);
      database.close();
      const { size } = await stat(join(site.folder, 'var/tinderbox.db'));
      t.ok(size < 20_000_000, `${size} bytes`);
      const timeline = await site.run('machines', MAC);
      t.match(timeline.stdout, /booted/);
    },
  );
}
