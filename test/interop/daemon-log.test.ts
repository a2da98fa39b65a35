import t from 'tap';
import type { LogView } from '../../src/admin/api.ts';
import { createSite, type LogLine, waitUntil } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';

const TRACED = '52:54:00:00:00:01';

t.test(
  'a machine is traced in a running daemon, from its ROM to its report, and others are not',
  async (t) => {
    await using lab = await createLab();
    await using site = await createSite(lab.network.namespace);
    const daemon = await site.serve();
    const client = await lab.addClient('10.77.0.3/24');
    t.match(await site.run('log', '--level', 'error'), {
      code: 0,
      stdout: /^dhcp +error +for another 60 min$/m,
    });
    const traced = await site.run('log', '--trace', TRACED, '--for', '10m');
    t.match(traced, { code: 0, stdout: /^trace +52:54:00:00:00:01 +for another 10 min$/m });

    const boot = async (firstMac: number) => {
      const machine = { interface: 'eth0', count: 1, firstMac, arch: 'uefi-x64', until: 'report' } as const;
      const [outcome] = await bootMachines(client, machine);
      t.ok(outcome?.ok, `${firstMac} boots`);
    };
    await boot(0x525400000001);
    await boot(0x525400000002);
    const lines = (): readonly LogLine[] => daemon.lines().filter(({ part }) => part === 'trace');
    await waitUntil('the report is in the log', () =>
      lines().some(({ msg }) => /report -> answered/.test(msg)),
    );
    const said = lines().map(({ msg }) => msg);
    for (const step of [
      /^DISCOVER .* -> answered: OFFER, 10\.77\.0\.\d+, boot snponly\.efi \(.*UEFI x64/,
      /^REQUEST .* -> answered: ACK/,
      /^GET \/ipxe\?mac=.* -> answered: the script of role worker/,
      /^GET \/boot\/\d+-…\/cloud-config -> answered/,
      /^POST \/boot\/\d+-…\/report -> answered: ok/,
    ]) {
      t.ok(
        said.some((line) => step.test(line)),
        String(step),
      );
    }
    t.notMatch(said.join('\n'), /52:54:00:00:00:02|\/boot\/\d+-[\w-]{32}/);

    const debug = await site.run('log', '--level', 'debug', '--part', 'dhcp', '--json');
    t.match(
      (JSON.parse(debug.stdout) as LogView).parts.find(({ part }) => part === 'dhcp'),
      { level: 'debug' },
    );
    await boot(0x525400000003);
    await waitUntil('DHCP is in the log', () =>
      daemon.lines().some(({ part, msg }) => part === 'dhcp' && msg.startsWith('DISCOVER')),
    );
    t.match(await site.run('log', '--reset'), { code: 0, stdout: /^level +info\n$/ });
    daemon.signal('SIGTERM');
    t.equal((await daemon.ended).code, 0);
    t.match(await site.run('log'), { code: 1, stderr: /not running/ });
  },
);
