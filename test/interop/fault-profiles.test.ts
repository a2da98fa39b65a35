import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { runProgram } from '../../src/lab/run-program.ts';
import { createSite, ROLE, TEMPLATE, waitUntil } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';

const FIRST_MAC = 0x525400000100;
const MACHINES = process.env['TINDERBOX_FULL'] === '1' ? 200 : 25;

/** Renamed into place, so that nobody finds the moment between truncating and writing, however busy this machine is. */
function put(file: string, text: string): void {
  const aside = join(dirname(file), '.aside');
  writeFileSync(aside, text);
  renameSync(aside, file);
}

await using lab = await createLab();
const client = await lab.addClient('10.77.0.3/24');
const boot = (count = 1, stagger = 0) =>
  bootMachines(client, {
    interface: 'eth0',
    count,
    firstMac: FIRST_MAC,
    arch: 'uefi-x64',
    until: 'report',
    pace: 0.1,
    stagger,
    timeout: 90_000,
  });

await t.test(
  'whatever becomes of the profiles, the last good catalog stays, and what is good again is in force',
  async (t) => {
    // Without the rights that root has over every file, as the service runs.
    const wrap = [
      'setpriv',
      '--bounding-set',
      '-dac_override,-dac_read_search',
      '--inh-caps',
      '-dac_override,-dac_read_search',
    ];
    await using site = await createSite(lab.network.namespace, {}, wrap);
    const daemon = await site.serve();
    const profiles = join(site.folder, 'profiles');
    const away = join(site.folder, 'away');
    const other = join(site.folder, 'other');
    const problems = () =>
      daemon.lines().filter(({ part, level }) => part === 'catalog' && level >= 50).length;
    cpSync(profiles, other, { recursive: true });
    writeFileSync(join(other, 'machines.yaml'), 'default: none\n');
    const faults: Readonly<
      Record<string, readonly [fault: () => void | Promise<unknown>, mend: () => void | Promise<unknown>]>
    > = {
      deleted: [() => renameSync(profiles, away), () => renameSync(away, profiles)],
      unreadable: [
        () => runProgram(['chmod', '000', profiles]),
        () => runProgram(['chmod', '755', profiles]),
      ],
      'a role that is unreadable': [
        () => runProgram(['chmod', '000', join(profiles, 'worker/role.yaml')]),
        () => runProgram(['chmod', '644', join(profiles, 'worker/role.yaml')]),
      ],
      'an empty folder': [
        () => {
          renameSync(profiles, away);
          mkdirSync(profiles);
        },
        () => {
          rmSync(profiles, { recursive: true });
          renameSync(away, profiles);
        },
      ],
      'a link to nowhere': [
        () => {
          renameSync(profiles, away);
          symlinkSync('/nonexistent/profiles', profiles);
        },
        () => {
          rmSync(profiles);
          renameSync(away, profiles);
        },
      ],
    };
    for (const [name, [fault, mend]] of Object.entries(faults)) {
      const before = problems();
      await fault();
      await waitUntil(`${name}: it is said`, () => problems() > before);
      const [machine] = await boot();
      t.ok(machine?.ok, `${name}: a machine boots`, { step: machine?.steps.at(-1) });
      t.match(machine?.config, 'content: worker', `${name}: as what it was`);
      const good = daemon.lines().length;
      await mend();
      await waitUntil(`${name}: it is good again`, () =>
        daemon
          .lines()
          .slice(good)
          .some(({ msg }) => /sound again/.test(msg)),
      );
    }
    // Replaced by a link to another, good one: that is an edit like any other.
    renameSync(profiles, away);
    symlinkSync(other, profiles);
    await waitUntil('the other is in force', () => daemon.log().includes('is in force'));
    rmSync(profiles);
    renameSync(away, profiles);
    await waitUntil('and the first again', () => daemon.log().split('is in force').length > 2);
    t.ok((await boot())[0]?.ok);
    daemon.signal('SIGTERM');
    t.equal((await daemon.ended).code, 0);
    t.comment(`profiles deleted, unreadable, emptied, linked: lost 0, away 0 ms`);
  },
);

await t.test(`${MACHINES} machines boot while every file is written in halves again and again`, async (t) => {
  await using site = await createSite(lab.network.namespace, {
    'profiles/machines.yaml': 'default: worker\n',
  });
  const daemon = await site.serve();
  const over = new AbortController();
  const booting = boot(MACHINES, 150).finally(() => over.abort());
  const files: readonly [string, string][] = [
    [
      'machines.yaml',
      `machines:\n  52:54:00:00:01:00: { role: worker } # ${'x'.repeat(60)}\ndefault: worker\n`,
    ],
    ['worker/role.yaml', ROLE],
    ['worker/cloud-config.yaml.hbs', TEMPLATE],
  ];
  let edits = 0;
  while (!over.signal.aborted) {
    const [name, text] = files[edits++ % files.length] ?? ['', ''];
    const file = join(site.folder, 'profiles', name);
    // A half that cannot be taken for a whole, for as long as an editor that hangs leaves it.
    put(file, `${text.slice(0, text.length / 2)}\n  - [`);
    await delay(60);
    put(file, text);
    await delay(60);
  }
  const outcomes = await booting;
  const bad = outcomes.filter(({ ok, config }) => !ok || config?.includes('content: worker') !== true);
  t.equal(outcomes.length, MACHINES);
  t.same(
    bad.map(({ mac, steps }) => [mac, steps.at(-1)]),
    [],
    'each boots, with a whole configuration',
  );
  t.ok(edits > 10, `${edits} edits`);
  daemon.signal('SIGTERM');
  t.equal((await daemon.ended).code, 0);
  t.comment(`${edits} files written in halves while ${MACHINES} machines booted: lost 0, away 0 ms`);
});
