import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { QueueView } from '../../src/admin/queue-api.ts';
import type { MachineKind } from '../../src/lab/machine-kinds.ts';
import type { QemuMachine } from '../../src/lab/qemu-machine.ts';
import { explain, type Lab, startLab } from '../support/start-lab.ts';

const BOOT_TIME = 300_000;
/** More than the buffers on the way hold. */
const LARGE = 400 * 1024 * 1024;

const queueOf = async (lab: Lab): Promise<QueueView> =>
  JSON.parse(await lab.tinderbox('queue', '--json')) as QueueView;

/** Has the one place, and takes its time over it until `letGo`. */
async function holdPlace(lab: Lab): Promise<{ letGo(): Promise<void> }> {
  await writeFile(join(lab.folder, 'assets/large'), '');
  await truncate(join(lab.folder, 'assets/large'), LARGE);
  const flag = join(lab.folder, 'let-go');
  // A client that took nothing for a minute would be dropped.
  const slowly = `while [ ! -e "$2" ]; do head -c 200000 >/dev/null; sleep 0.5; done; cat >/dev/null`;
  lab.network.namespace.spawn([
    'sh',
    '-c',
    `curl -s "$1" | { ${slowly}; }`,
    'sh',
    'http://10.77.0.1/assets/large',
    flag,
  ]);
  while ((await queueOf(lab)).loading[0]?.downloads !== 1) await sleep(100);
  return { letGo: () => writeFile(flag, '') };
}

const MACHINES: readonly { readonly mac: string; readonly kind: MachineKind }[] = [
  { mac: '52:54:00:12:35:0a', kind: 'bios-ipxe' },
  { mac: '52:54:00:12:35:0b', kind: 'bios-ipxe' },
  { mac: '52:54:00:12:35:0c', kind: 'uefi-x64' },
];

t.test(
  'machines wait for their turn on their screens, one is moved up, and all boot one after the other',
  { timeout: 900_000 },
  async (t) => {
    await using lab = await startLab({
      mode: 'server',
      machines: MACHINES.length,
      machinesYaml: 'default: demo\n',
      config: 'http: { queue: { downloads: 1, largerThan: 1MiB } }\n',
    });
    const place = await holdPlace(lab);
    const machines = await Promise.all(MACHINES.map(({ mac, kind }) => lab.powerOn(kind, mac)));
    const sees = (index: number, text: RegExp) =>
      (machines[index] as QemuMachine).console.waitFor(text, { timeout: BOOT_TIME });
    let [first, second, last]: readonly number[] = [];
    try {
      await Promise.all(MACHINES.map((_machine, index) => sees(index, /Tinderbox: \d.. in the queue/)));
      const queue = await queueOf(lab);
      t.match(queue, {
        counts: { loading: 1, waiting: 3 },
        waiting: [{ position: 1 }, { position: 2 }, { position: 3 }],
      });
      // Whoever asked first: that is for the firmware to say.
      [first = 0, second = 0, last = 0] = queue.waiting.map((each) =>
        MACHINES.findIndex(({ mac }) => mac === each.mac),
      );
      const moved = MACHINES[last]?.mac ?? '';
      t.match(await lab.tinderbox('queue'), new RegExp(`1 of at most 1 load .*; 3 wait\n[^]*3rd +${moved} `));
      t.match(await lab.tinderbox('machines'), new RegExp(`${moved} .*, waiting 3rd `));
      t.match(await lab.tinderbox('queue', 'first', moved), / is the next\n$/);
      await sees(last, /Tinderbox: 1st in the queue/);
      await sees(first, /Tinderbox: 2nd in the queue/);
      await place.letGo();
      await Promise.all(MACHINES.map((_machine, index) => sees(index, /^tinderbox: reported booted/)));
    } catch (error) {
      for (const machine of machines) t.comment(await explain(lab, machine));
      throw error;
    }
    const details = await Promise.all(MACHINES.map(({ mac }) => lab.inspect(mac)));
    const scriptAt = details.map(({ session }) => session?.scriptAt ?? 0);
    t.strictSame(
      [0, 1, 2].toSorted((one, other) => (scriptAt[one] ?? 0) - (scriptAt[other] ?? 0)),
      [last, first, second],
      'the one that was moved up, then as they came',
    );
    for (const { session, events } of details) {
      t.match(session, { stage: 'booted', end: 'booted' });
      t.equal(events.filter(({ kind }) => kind === 'session.opened').length, 1, 'waiting is in the boot');
      t.equal(events.filter(({ kind }) => kind === 'session.stalled').length, 0, 'and no stall');
      const scripts = events.filter(({ kind }) => kind === 'http.script');
      t.match(scripts[0]?.answered, /^waits for its turn, \d.. of \d/);
      t.match(scripts.at(-1)?.reasons[0], /^it has its turn, after it waited /);
      t.ok(scripts.length < 8, `not each time that it asks: ${scripts.length}`);
    }
    t.match(
      details[last]?.events.find(({ asked }) => asked === 'tinderbox queue first'),
      { answered: 'it is the next' },
    );
    const initrdAt = details[first]?.events.find(({ stage }) => stage === 'initrd')?.at ?? 0;
    t.ok((scriptAt[second] ?? 0) >= initrdAt, 'each loaded alone');
    t.match(await queueOf(lab), { counts: { loading: 0, waiting: 0 } });
  },
);
