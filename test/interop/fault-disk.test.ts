import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { runProgram } from '../../src/lab/run-program.ts';
import { createSite, waitUntil } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';
import { lookIntoDatabase } from './support/look-into-database.ts';

const LEASED = 0x525400000001;
const RESERVED = 0x525400000002;
const NEW = 0x525400000003;
const FILES = {
  'profiles/machines.yaml':
    'machines:\n  52:54:00:00:00:02: { role: worker, address: 10.77.0.20 }\ndefault: worker\n',
};

await using lab = await createLab();
const client = await lab.addClient('10.77.0.3/24');
const boot = async (firstMac: number, timeout = 60_000) => {
  const order = {
    interface: 'eth0',
    count: 1,
    firstMac,
    arch: 'uefi-x64',
    until: 'report',
    pace: 0.1,
  } as const;
  return (await bootMachines(client, { ...order, timeout }))[0];
};

/** A disk of its own for the state, and a file that takes what is left of it. */
async function mountState(state: string) {
  mkdirSync(state, { mode: 0o700 });
  await runProgram(['mount', '-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'none', state]);
  const filler = join(state, 'filler');
  return {
    fill() {
      const { bavail, bsize } = statfsSync(state);
      writeFileSync(filler, Buffer.alloc(bavail * bsize));
    },
    empty: () => rmSync(filler),
    readOnly: (yes: boolean) => runProgram(['mount', '-o', `remount,${yes ? 'ro' : 'rw'}`, state]),
    [Symbol.asyncDispose]: async () => void (await runProgram(['umount', '--lazy', state])),
  };
}

await t.test(
  'a state whose disk is full: machines that are known boot, and no lease is promised that is not written',
  async (t) => {
    await using site = await createSite(lab.network.namespace, FILES);
    const state = join(site.folder, 'var');
    await using disk = await mountState(state);
    const daemon = await site.serve();
    const before = await boot(LEASED);
    t.ok(before?.ok, 'it gets a lease while there is room');
    await site.run('machines', '--json');

    disk.fill();
    const known = await boot(LEASED);
    t.ok(known?.ok, 'a machine whose lease is on disk boots', { step: known?.steps.at(-1) });
    t.equal(known?.addresses.os, before?.addresses.rom);
    const reserved = await boot(RESERVED);
    t.ok(reserved?.ok, 'and one whose address is reserved for it', { step: reserved?.steps.at(-1) });
    t.equal(reserved?.addresses.os, '10.77.0.20');
    const started = performance.now();
    const refused = await boot(NEW);
    t.match(refused?.steps.at(-1), { step: 'rom-request', ok: false }, 'a new one is promised nothing');
    t.equal(refused?.addresses.rom, '');
    t.match(daemon.log(), /a lease could not be written/);
    t.match(
      daemon.log(),
      /the disk is full: .*tinderbox\.db cannot grow|writing .* failed/,
      'and why is said',
    );
    t.ok(daemon.lines().filter(({ level }) => level >= 50).length < 60, 'not at each packet');

    disk.empty();
    const now = await boot(NEW);
    t.ok(now?.ok, 'it boots once there is room, without anybody starting anything');
    const away = Math.round(performance.now() - started);
    // What was not written meanwhile was kept.
    await waitUntil('the timelines are whole', async () => {
      const { stdout } = await site.run('machines', '52:54:00:00:00:02');
      return stdout.includes('booted');
    });
    daemon.signal('SIGTERM');
    t.equal((await daemon.ended).code, 0);
    lookIntoDatabase(state, ({ integrity, leases }) => {
      t.equal(integrity, 'ok');
      t.ok(
        leases.some(({ address }) => address === now?.addresses.os),
        'its lease is on disk',
      );
    });
    t.comment(
      `disk full: lost 0; away for known machines 0 ms, for a new one as long as it was full (here ${away} ms)`,
    );
  },
);

await t.test(
  'a state that cannot be written at the start is said with what to do, and harmed in no way',
  async (t) => {
    await using site = await createSite(lab.network.namespace, FILES);
    const state = join(site.folder, 'var');
    await using disk = await mountState(state);
    const first = await site.serve();
    const before = await boot(LEASED);
    t.ok(before?.ok);
    first.signal('SIGKILL');
    await first.ended;

    disk.fill();
    const killed = await site.serve();
    const during = await boot(LEASED);
    t.ok(during?.ok, 'after a kill it starts on a full disk, and a machine that is known boots', {
      step: during?.steps.at(-1),
      log: killed.log().slice(-1000),
    });
    disk.empty();
    killed.signal('SIGTERM');
    t.equal((await killed.ended).code, 0);
    disk.fill();
    // The files that SQLite took away as it stopped need room to come back.
    const full = await site.run('serve');
    t.equal(full.code, 1);
    t.match(full.stderr, /Free space on the file system/);
    disk.empty();
    await disk.readOnly(true);
    const readOnly = await site.run('serve');
    t.equal(readOnly.code, 1);
    t.match(readOnly.stderr, /read-only|cannot be written|may not/i);
    await disk.readOnly(false);

    const again = await site.serve();
    const after = await boot(LEASED);
    t.ok(after?.ok, 'with room it starts and serves');
    t.equal(after?.addresses.rom, before?.addresses.rom, 'and nothing is lost');
    again.signal('SIGTERM');
    t.equal((await again.ended).code, 0);
    t.comment(
      'disk full or read-only at the start: lost 0; away until there is room and the service is started again',
    );
  },
);
