import t from 'tap';
import type { ConsoleView } from '../../src/admin/console-api.ts';
import type { MachineKind } from '../../src/lab/machine-kinds.ts';
import type { EventKind } from '../../src/machine/event.ts';
import { STAGES } from '../../src/machine/stage.ts';
import { explain, startLab } from '../support/start-lab.ts';

const MAC = '52:54:00:12:34:56';
const BOOT_TIME = 240_000;

interface Row {
  readonly kind: MachineKind;
  readonly mode: 'server' | 'proxy';
  /** The loader that the firmware fetches by TFTP; none where the ROM is iPXE itself. */
  readonly loader?: string;
  /** What must have happened on the way, besides. */
  readonly events: readonly EventKind[];
}

const rows: readonly Row[] = [
  { kind: 'bios-rom', mode: 'server', loader: 'undionly.kpxe', events: ['dhcp.discover', 'dhcp.request'] },
  { kind: 'bios-rom', mode: 'proxy', loader: 'undionly.kpxe', events: ['dhcp.discover', 'dhcp.request'] },
  { kind: 'bios-ipxe', mode: 'server', events: ['dhcp.discover', 'dhcp.request'] },
  { kind: 'bios-ipxe', mode: 'proxy', events: ['dhcp.discover', 'dhcp.request'] },
  { kind: 'uefi-x64', mode: 'server', loader: 'snponly.efi', events: ['dhcp.discover', 'dhcp.request'] },
  // EDK2 takes the file from port 4011, since the proxy's offer has no option 43.
  { kind: 'uefi-x64', mode: 'proxy', loader: 'snponly.efi', events: ['dhcp.discover', 'pxe.request'] },
];

for (const { kind, mode, loader, events } of rows) {
  t.test(
    `real firmware, ${kind} in ${mode} mode, boots with the configuration of its MAC`,
    { timeout: 300_000 },
    async (t) => {
      await using lab = await startLab({
        mode,
        machinesYaml: `machines:\n  ${MAC}: { role: demo, hostname: matrix-1 }\ndefault: demo-router\n`,
      });
      const machine = await lab.powerOn(kind, MAC);
      try {
        await machine.console.waitFor(/^tinderbox: reported booted/, { timeout: BOOT_TIME });
      } catch (error) {
        t.comment(await explain(lab, machine));
        throw error;
      }
      const screen = machine.console.lines.join('\n');
      t.match(screen, /hostname: "matrix-1"/, 'the guest has the hostname of its entry');
      t.match(screen, new RegExp(`mac=${MAC}`), 'and a configuration rendered for its MAC');
      t.match(screen, /role=demo\b/, 'in its role');
      t.match(screen, new RegExp(`tinderbox: matrix-1 up with ${MAC}`));
      t.match(
        screen,
        mode === 'proxy' ? /from 10\.77\.0\.2/ : /from 10\.77\.0\.1/,
        'its address is from the server that gives addresses',
      );

      const { machine: machineRecord, session, events: timeline } = await lab.inspect(MAC);
      t.match(session, { stage: 'booted', end: 'booted', role: 'demo', hostname: 'matrix-1' });
      const reached = Object.keys(session?.stageTimes ?? {});
      const expected = STAGES.filter(
        (stage) => stage !== 'ready' && (stage !== 'firmware' || loader !== undefined),
      );
      t.same(
        STAGES.filter((stage) => reached.includes(stage)),
        expected,
        'every stage was reached',
      );
      const times = expected.map((stage) => session?.stageTimes[stage] ?? 0);
      t.same(
        times,
        times.toSorted((a, b) => a - b),
        'in their order',
      );
      for (const wanted of [
        ...events,
        'http.boot-script',
        'http.script',
        'http.asset',
        'http.config',
        'http.report',
      ] as const) {
        t.ok(
          timeline.some((event) => event.kind === wanted && event.reasons.length > 0),
          `${wanted} is in the timeline, with a reason`,
        );
      }
      const lines = (JSON.parse(await lab.tinderbox('machines', MAC, '--console', '--json')) as ConsoleView)
        .lines;
      t.ok(
        lines.some(({ program, text }) => program === 'kernel' && /\bLinux version \d/.test(text)),
        'what its kernel printed came by syslog',
      );
      t.ok(
        lines.some(({ text }) => text.includes('cloud-config-url=')) &&
          lines.every(({ text }) => !/\/boot\/\d+-[A-Za-z0-9]/.test(text)),
        "without its session's token",
      );
      const told = timeline.filter(({ kind }) => kind === 'http.hardware');
      t.match(told[0], { asked: 'its hardware, as iPXE reads it', reasons: [/512 MiB memory/] });
      t.match(machineRecord.hardware, {
        source: 'linux',
        cpu: { model: /QEMU/, count: 1 },
        network: [{ name: 'eth0', mac: MAC, driver: 'virtio_net', link: true }],
        firmware: { kind: kind === 'uefi-x64' ? 'uefi' : 'bios' },
      });

      if (loader !== undefined) {
        const read = timeline.find((event) => event.kind === 'tftp.done' && event.outcome === 'answered');
        t.match(read?.asked, new RegExp(loader.replace('.', '\\.')), 'the loader was fetched by TFTP');
      }
      if (mode === 'proxy') {
        const acks = timeline.filter((event) => event.kind === 'dhcp.request' && event.answered !== '');
        t.same(acks, [], 'a proxy acknowledges no REQUEST on port 67');
      }
      t.equal(await lab.stopDaemon(), 0, 'SIGTERM ends the daemon with exit code 0');
    },
  );
}

t.test(
  'two machines with different roles boot at once, and a role assigned between two boots holds without a restart',
  { timeout: 600_000 },
  async (t) => {
    const other = '52:54:00:ab:cd:ef';
    await using lab = await startLab({
      mode: 'server',
      machines: 2,
      machinesYaml: `# who boots what\nmachines:\n  ${MAC}: { role: demo, address: 10.77.0.20 } # the first\ndefault: demo-router\n`,
    });
    const [first, second] = await Promise.all([
      lab.powerOn('bios-ipxe', MAC),
      lab.powerOn('uefi-x64', other),
    ]);
    for (const machine of [first, second]) {
      try {
        await machine.console.waitFor(/^tinderbox: reported booted/, { timeout: BOOT_TIME });
      } catch (error) {
        t.comment(await explain(lab, machine));
        throw error;
      }
    }
    t.match(first.console.lines.join('\n'), /role=demo\n/);
    t.match(first.console.lines.join('\n'), /eth0 has 10\.77\.0\.20 /, 'the reserved address');
    t.match(second.console.lines.join('\n'), /role=demo-router/);
    t.match(second.console.lines.join('\n'), /tinderbox: node-abcdef up/, 'a hostname made of its MAC');
    t.match((await lab.inspect(MAC)).session, { role: 'demo', end: 'booted' });
    t.match((await lab.inspect(other)).session, { role: 'demo-router', end: 'booted' });

    const before = (await lab.inspect(MAC)).session?.id;
    await lab.tinderbox('assign', MAC, 'demo-router');
    const from = first.console.lines.length;
    await first.reset();
    await first.console.waitFor(/^tinderbox: reported booted/, { timeout: BOOT_TIME, from });
    t.match(
      first.console.lines.slice(from).join('\n'),
      /role=demo-router/,
      'the new role, from the running daemon',
    );
    const after = (await lab.inspect(MAC)).session;
    t.match(after, { role: 'demo-router', end: 'booted' });
    t.not(after?.id, before, 'in a session of its own');
  },
);
