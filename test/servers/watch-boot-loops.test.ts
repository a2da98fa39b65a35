import t from 'tap';
import { LOOP_LIMIT, LOOP_WINDOW } from '../../src/boot/detect-boot-loop.ts';
import type { NetworkClient } from '../../src/boot/identify-client.ts';
import { createLoggers } from '../../src/logger.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { watchBootLoops } from '../../src/servers/watch-boot-loops.ts';
import { createJournal } from '../../src/store/journal.ts';
import type { Observation } from '../../src/store/port.ts';

const mac = '52:54:00:00:00:09' as Mac;
const rom = { mac, kind: 'rom' } as NetworkClient;
/** A firmware that gives up on what it got starts over about so often. In ms. */
const CYCLE = 40_000;

/** The watch behind the real journal with its real bounds, as the daemon joins them. */
function setUp() {
  const watch = watchBootLoops();
  const clock = { now: 1_000_000 };
  const journal = createJournal({
    store: { appendHistory: async () => undefined, forgetMachine: async () => false },
    state: { leases: [], machines: [], openSessions: [], nextSessionId: 1 },
    clock: () => clock.now,
    idleTime: 3_600_000,
    observed: (observation) => watch.notice(observation),
    logger: createLoggers({ level: 'silent' }).store,
  });
  const record = (more: Partial<Observation>) =>
    journal.record({
      at: clock.now,
      kind: 'dhcp.discover',
      outcome: 'answered',
      asked: '',
      answered: '',
      reasons: [],
      mac,
      ...more,
    });
  return { watch, clock, journal, record };
}

t.test('a machine that never gets beyond its loader is stopped again and again, however long', async (t) => {
  const { watch, clock, journal, record } = setUp();
  const taken: number[] = [];
  for (let cycle = 0; cycle < 200; cycle++) {
    const { looping } = watch.look(rom, clock.now);
    record({ client: 'rom', stage: looping ? 'discovered' : 'offered' });
    if (!looping) {
      taken.push(clock.now);
      record({ kind: 'dhcp.request', client: 'rom' });
      clock.now += 1_000;
      record({ kind: 'tftp.read' });
      record({ kind: 'tftp.done', stage: 'firmware' });
    }
    clock.now += CYCLE;
  }
  const events = journal.counters().get('events.dropped.session') ?? 0;
  t.ok(events > 0, 'the timeline ended long before');
  const rounds = Math.ceil((200 * CYCLE) / (LOOP_WINDOW + LOOP_LIMIT * CYCLE)) + 1;
  t.ok(taken.length <= rounds * LOOP_LIMIT, `${taken.length} downloads`);
  t.ok(taken.length > 2 * LOOP_LIMIT, 'and it is given another chance after each window');
  for (const [index, at] of taken.entries()) {
    const before = taken[index - LOOP_LIMIT];
    if (before !== undefined) t.ok(at - before > LOOP_WINDOW, `never more than ${LOOP_LIMIT} in a row`);
  }
  await journal.close();
});

t.test('whole loaders count, however they are fetched; parts, refusals and other files do not', async (t) => {
  const rows: [string, Partial<Observation>, boolean][] = [
    ['TFTP', { kind: 'tftp.done' }, true],
    ['UEFI HTTP boot', { kind: 'http.asset', asked: 'GET /assets/ipxe/snponly.efi' }, true],
    ['a transfer that broke off', { kind: 'tftp.done', outcome: 'noted' }, false],
    ['a refused loader', { kind: 'http.asset', asked: 'GET /assets/ipxe/x', outcome: 'refused' }, false],
    ['a kernel', { kind: 'http.asset', asked: 'GET /assets/vmlinuz' }, false],
    ['a shim', { kind: 'tftp.done', asked: 'RRQ shimx64.efi' }, true],
    ["GRUB's script", { kind: 'tftp.done', asked: 'RRQ /grub/grub.cfg' }, false],
    ["GRUB's kernel", { kind: 'tftp.done', asked: 'RRQ /assets/vmlinuz' }, false],
  ];
  for (const [name, observation, counts] of rows) {
    const { watch, clock, journal, record } = setUp();
    for (let cycle = 0; cycle < LOOP_LIMIT; cycle++) {
      clock.now += CYCLE;
      record(observation);
      clock.now += CYCLE;
      watch.look(rom, clock.now);
    }
    t.equal(watch.look(rom, clock.now).looping, counts, name);
    watch.look({ mac, kind: 'ipxe' } as NetworkClient, clock.now);
    t.equal(watch.look(rom, clock.now).looping, false, `${name}: iPXE clears it`);
    await journal.close();
  }
});

t.test('a machine that boots by GRUB again and again is in no loop', async (t) => {
  const { watch, clock, journal, record } = setUp();
  for (let boot = 0; boot < 2 * LOOP_LIMIT; boot++) {
    t.equal(watch.look(rom, clock.now).looping, false, `boot ${boot}`);
    record({ kind: 'tftp.done', asked: 'RRQ shimx64.efi' });
    record({ kind: 'tftp.done', asked: 'RRQ grubx64.efi' });
    record({ kind: 'http.script', asked: 'RRQ /grub.cfg?mac=1', client: 'script' });
    clock.now += CYCLE;
  }
  await journal.close();
});
