import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { MachineKind } from '../../src/lab/machine-kinds.ts';
import { explain, startLab } from '../support/start-lab.ts';

/** Emulated firmware takes half a minute to its first packet, and the host may be busy. */
const BOOT_TIME = 240_000;
/** What is not said keeps its default: a slow host must not stall who is only slow. */
const TIMES = 'stageTime: { firmware: 15, script: 15, initrd: 25 }\n';
/** OVMF goes on with HTTP boot where PXE led to nothing. */
const LOADERS = 'loaders: { uefi-x64: undionly.kpxe, uefi-x64-http: undionly.kpxe }\n';

interface Row {
  readonly what: string;
  readonly kind: MachineKind;
  readonly mac: string;
  readonly role: string;
  readonly name: string;
  readonly stage: string;
  readonly shows: RegExp;
}

const rows: readonly Row[] = [
  {
    what: 'UEFI firmware loads a program of a BIOS, and does not start it',
    kind: 'uefi-x64',
    mac: '52:54:00:00:0e:01',
    role: 'demo',
    name: 'loader-of-wrong-architecture',
    stage: 'firmware',
    shows: /undionly\.kpxe is a program for bios; this firmware is UEFI x64/,
  },
  {
    what: 'iPXE is refused a kernel that is not there',
    kind: 'bios-ipxe',
    mac: '52:54:00:00:0e:02',
    role: 'gone',
    name: 'kernel-missing',
    stage: 'script',
    shows: /GET \/assets\/live\/gone.* 404/,
  },
  {
    what: 'a kernel comes up without a system and without a network',
    kind: 'bios-ipxe',
    mac: '52:54:00:00:0e:03',
    role: 'mute',
    name: 'system-not-heard',
    stage: 'initrd',
    shows: /neither DHCP nor its configuration was asked for/,
  },
];

const roleOf = (kernel: string, initrd: string): string => `description: A machine that does not come up
boot:
  kernel: /assets/live/${kernel}
  initrd: [/assets/live/${initrd}]
  cmdline: [console=ttyS0, 'tinderbox.config={{configUrl}}', 'tinderbox.report={{reportUrl}}']
config: { format: cloud-config, template: cloud-config.yaml.hbs }
`;

t.test('what stops real firmware and a real kernel is named', { timeout: 600_000 }, async (t) => {
  await using lab = await startLab({
    mode: 'server',
    machines: rows.length,
    machinesYaml: 'default: demo\n',
    config: TIMES + LOADERS,
  });
  await writeFile(join(lab.folder, 'assets/live/mute.img'), 'no archive');
  for (const [role, kernel, initrd] of [
    ['gone', 'gone', 'initrd.img'],
    ['mute', 'vmlinuz', 'mute.img'],
  ] as const) {
    await mkdir(join(lab.folder, 'profiles', role));
    await writeFile(
      join(lab.folder, 'profiles', role, 'cloud-config.yaml.hbs'),
      '#cloud-config\nhostname: {{machine.hostname}}\n',
    );
    await writeFile(join(lab.folder, 'profiles', role, 'role.yaml'), roleOf(kernel, initrd));
  }
  for (const { mac, role } of rows) if (role !== 'demo') await lab.tinderbox('assign', mac, role);

  const diagnose = async ({ what, kind, mac, name, stage, shows }: Row): Promise<void> => {
    const machine = await lab.powerOn(kind, mac);
    const end = performance.now() + BOOT_TIME;
    let found = await lab.inspect(mac).catch(() => undefined);
    while (found?.session?.stalled?.diagnosis.name !== name && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      found = await lab.inspect(mac).catch(() => undefined);
    }
    const { stalled } = found?.session ?? {};
    t.match(stalled, { stage, diagnosis: { name } }, what);
    t.match(stalled?.diagnosis.evidence.join('\n'), shows, what);
    if (stalled?.diagnosis.name !== name) t.comment(await explain(lab, machine));
    t.match(await lab.tinderbox('machines', mac), `[${name}]\n`, 'and shown');
    await machine.quit();
  };
  // Two at a time: each takes a processor.
  const waiting = [...rows];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await diagnose(next);
  };
  await Promise.all([work(), work()]);
  t.match(await lab.daemonLog(), /stalled at script: its kernel is not there/, 'the log has it');
  t.equal(await lab.stopDaemon(), 0);
});
