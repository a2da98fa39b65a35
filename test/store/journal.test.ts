import { PassThrough } from 'node:stream';
import t from 'tap';
import { TinderboxError } from '../../src/errors.ts';
import { createLoggers } from '../../src/logger.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { createJournal, type SessionTurn } from '../../src/store/journal.ts';
import { JOURNAL_LIMITS, type JournalLimits } from '../../src/store/journal-limits.ts';
import type { HistoryBatch, Observation, StoredMachine, StoredState } from '../../src/store/port.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const alice = macOf(1);

function macOf(number: number): Mac {
  const hex = number.toString(16).padStart(8, '0');
  return `52:54:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6)}` as Mac;
}

function seen(mac: Mac | undefined, more: Partial<Observation> = {}): Observation {
  return {
    at: 1_000_000,
    kind: 'dhcp.request',
    outcome: 'ignored',
    asked: 'an address',
    answered: '',
    reasons: ['it does not boot from the network'],
    ...(mac === undefined ? {} : { mac }),
    ...more,
  };
}

function discover(mac: Mac, more: Partial<Observation> = {}): Observation {
  return seen(mac, {
    kind: 'dhcp.discover',
    outcome: 'answered',
    client: 'rom',
    stage: 'offered',
    facts: { mac, arch: 'x86_64' },
    ...more,
  });
}

function script(mac: Mac, more: Partial<Observation> = {}): Observation {
  return seen(mac, { kind: 'http.script', outcome: 'answered', client: 'script', stage: 'script', ...more });
}

function setUp(
  options: {
    limits?: Partial<JournalLimits>;
    state?: Partial<StoredState>;
    observed?: (observation: Observation) => void;
    advanced?: (turn: SessionTurn) => void;
    isListed?: (mac: Mac) => boolean;
    clock?: () => number;
    uptime?: () => number;
  } = {},
) {
  const batches: HistoryBatch[] = [];
  const lines: string[] = [];
  const disk = { error: undefined as Error | undefined, knows: true };
  const forgotten: { mac: Mac; after: number }[] = [];
  const output = new PassThrough();
  output.on('data', (chunk) => lines.push(String(chunk)));
  const journal = createJournal({
    store: {
      appendHistory: async (batch) => {
        if (disk.error !== undefined) throw disk.error;
        batches.push(batch);
      },
      async forgetMachine(mac) {
        if (disk.error !== undefined) throw disk.error;
        forgotten.push({ mac, after: batches.length });
        return disk.knows;
      },
    },
    state: { leases: [], machines: [], openSessions: [], nextSessionId: 1, ...options.state },
    clock: options.clock ?? (() => 5),
    ...(options.uptime === undefined ? {} : { uptime: options.uptime }),
    idleTime: HOUR,
    ...(options.observed === undefined ? {} : { observed: options.observed }),
    ...(options.advanced === undefined ? {} : { advanced: options.advanced }),
    ...(options.isListed === undefined ? {} : { isListed: options.isListed }),
    // Only flush() writes, unless a test asks for more.
    limits: { batchTime: 3_600_000, retryTime: 3_600_000, ...options.limits },
    logger: createLoggers({ destination: output }).store,
  });
  return {
    journal,
    batches,
    disk,
    lines,
    forgotten,
    events: () => batches.flatMap((batch) => batch.events),
    sessions: () =>
      new Map(
        batches
          .flatMap((batch) => batch.sessions)
          .map((session): [number, BootSession] => [session.id, session]),
      ),
    machines: () =>
      new Map(
        batches
          .flatMap((batch) => batch.machines)
          .map((machine): [Mac, StoredMachine] => [machine.mac, machine]),
      ),
  };
}

void t.test('a boot is laid to one session, with its opening, its stages and its end', async (t) => {
  const { journal, events, sessions, machines } = setUp({ state: { nextSessionId: 41 } });
  const heard: BootEvent[] = [];
  const stop = journal.subscribe((event) => heard.push(event));
  t.equal(journal.record(discover(alice, { via: 'eth0' }))?.id, 41);
  journal.record(discover(alice));
  journal.record(seen(alice, { kind: 'tftp.read', outcome: 'answered', stage: 'firmware' }));
  const assigned = { role: 'worker', hostname: 'node-1', address: 77 as Ipv4 };
  journal.record(script(alice, { assigned, facts: { mac: alice, serial: 'S1' } }));
  t.match(journal.sessionOf(alice), { id: 41, stage: 'script', role: 'worker' });
  t.equal(journal.macAt(77 as Ipv4), alice);
  t.equal(journal.hostnameHolder('node-1'), alice);
  t.equal(journal.record(seen(alice, { kind: 'http.report', stage: 'booted' }))?.end, 'booted');
  t.equal(journal.sessionById(41), journal.sessionOf(alice));
  await journal.flush();
  t.same(
    events().map(({ kind, stage, sessionId }) => [kind, stage, sessionId]),
    [
      ['session.opened', undefined, 41],
      ['dhcp.discover', 'offered', 41],
      ['dhcp.discover', undefined, 41],
      ['tftp.read', 'firmware', 41],
      ['http.script', 'script', 41],
      ['http.report', 'booted', 41],
      ['session.ended', undefined, 41],
    ],
  );
  t.same(heard, events());
  t.match(events()[0]?.reasons, [/ROM/]);
  t.match(sessions().get(41), { mac: alice, end: 'booted', hostname: 'node-1' });
  t.same(machines().get(alice), {
    mac: alice,
    arch: 'x86_64',
    serial: 'S1',
    hostname: 'node-1',
    via: 'eth0',
    firstSeen: 1_000_000,
    lastSeen: 1_000_000,
  });
  t.same(journal.machine(alice), machines().get(alice));
  stop();
  journal.record(discover(alice));
  t.equal(heard.length, 7, 'no longer subscribed');
  await journal.close();
});

void t.test(
  'a reset supersedes: both sessions are written, and the former is still known by its number',
  async (t) => {
    const { journal, sessions, events } = setUp({ limits: { supersededSessions: 2 } });
    for (let boot = 0; boot < 4; boot++) {
      journal.record(discover(alice));
      journal.record(script(alice));
    }
    t.equal(journal.sessionOf(alice)?.id, 4);
    t.equal(journal.sessionById(3)?.end, 'superseded');
    t.equal(journal.sessionById(2)?.end, 'superseded');
    t.equal(journal.sessionById(1), undefined, 'bounded');
    await journal.flush();
    t.same(
      [...sessions().values()].toSorted((a, b) => a.id - b.id).map(({ id, end }) => [id, end]),
      [
        [1, 'superseded'],
        [2, 'superseded'],
        [3, 'superseded'],
        [4, undefined],
      ],
    );
    t.same(
      events()
        .filter(({ kind }) => kind === 'session.ended')
        .map(({ sessionId }) => sessionId),
      [1, 2, 3],
    );
    await journal.close();
  },
);

void t.test('a session that opens and ends at once does not take the place of the one before', async (t) => {
  const { journal, events } = setUp();
  journal.record(script(alice, { end: 'handed-over' }));
  journal.record(script(alice, { end: 'handed-over' }));
  t.match(journal.sessionById(1), { end: 'handed-over' });
  t.match(journal.sessionOf(alice), { id: 2, end: 'handed-over' });
  await journal.flush();
  t.same(
    events().map(({ kind, sessionId }) => `${kind} ${sessionId}`),
    [
      'session.opened 1',
      'http.script 1',
      'session.ended 1',
      'session.opened 2',
      'http.script 2',
      'session.ended 2',
    ],
  );
  await journal.close();
});

void t.test('what was stored is known before the first packet', async (t) => {
  const session: BootSession = {
    id: 6,
    mac: alice,
    openedAt: 1,
    updatedAt: 2,
    stage: 'config',
    stageTimes: { config: 2 },
  };
  const { journal } = setUp({
    state: {
      machines: [
        { mac: alice, firstSeen: 1, lastSeen: 9, hostname: 'node-1', serial: 'S1' },
        { mac: macOf(2), firstSeen: 1, lastSeen: 5, hostname: 'node-1' },
      ],
      openSessions: [session],
      leases: [{ address: 5 as Ipv4, mac: alice, state: 'bound', expiresAt: 9, via: 'eth0' }],
      nextSessionId: 7,
    },
  });
  t.same(journal.sessionOf(alice), session);
  t.same(journal.sessionById(6), session);
  t.equal(journal.macAt(5 as Ipv4), alice);
  t.equal(journal.machine(alice)?.serial, 'S1');
  t.equal(journal.hostnameHolder('node-1'), alice, 'the one seen last');
  t.equal(journal.record(seen(alice, { kind: 'http.report', stage: 'booted' }))?.end, 'booted');
  t.equal(journal.record(discover(alice))?.id, 7);
  await journal.close();
});

void t.test("a session's events end at the limit, except those that take it on", async (t) => {
  const { journal, events } = setUp({ limits: { eventsPerSession: 20, eventsBeforeScript: 10 } });
  for (let packet = 0; packet < 50; packet++) journal.record(discover(alice));
  await journal.flush();
  t.equal(events().filter(({ kind }) => kind === 'dhcp.discover').length, 10);
  journal.record(script(alice));
  for (let packet = 0; packet < 50; packet++) journal.record(seen(alice, { kind: 'http.asset' }));
  journal.record(seen(alice, { kind: 'http.config', stage: 'config' }));
  journal.record(seen(alice, { kind: 'http.report', stage: 'booted' }));
  await journal.flush();
  t.equal(events().filter(({ kind }) => kind === 'http.asset').length, 9);
  t.equal(events().filter(({ stage }) => stage !== undefined).length, 4);
  t.equal(events().at(-1)?.kind, 'session.ended');
  t.equal(journal.counters().get('events.dropped.session'), 40 + 41);
  t.equal(journal.counters().get('events.unrecorded.http.asset.ignored'), 41);
  await journal.close();
});

void t.test('a machine without a session has so many events an hour', async (t) => {
  const { journal, events } = setUp({ limits: { eventsPerHour: 5 } });
  for (let hour = 0; hour < 3; hour++) {
    for (let packet = 0; packet < 20; packet++)
      journal.record(seen(alice, { at: 1_000 + hour * 60 * MINUTE + packet }));
  }
  await journal.flush();
  t.equal(events().length, 15);
  t.equal(journal.counters().get('events.dropped.machine'), 45);
  t.equal(journal.sessionOf(alice), undefined);
  await journal.close();
});

void t.test('packets after the end belong to the session for a while, then to the machine', async (t) => {
  const { journal, events } = setUp();
  journal.record(script(alice));
  journal.record(seen(alice, { kind: 'http.report', stage: 'booted' }));
  journal.record(seen(alice, { at: 1_000_000 + MINUTE }));
  journal.record(seen(alice, { at: 1_000_000 + 11 * MINUTE }));
  await journal.flush();
  t.same(
    events()
      .slice(-2)
      .map(({ sessionId }) => sessionId),
    [1, undefined],
  );
  await journal.close();
});

void t.test('strangers are recorded at so many a minute, and counted beyond', async (t) => {
  const { journal, events, machines } = setUp();
  for (let stranger = 0; stranger < 1_000; stranger++)
    t.equal(journal.record(seen(macOf(stranger))), undefined);
  await journal.flush();
  t.equal(machines().size, 60);
  t.equal(events().length, 60);
  t.equal(journal.counters().get('events.dropped.stranger'), 940);
  t.equal(journal.machine(macOf(999)), undefined);
  journal.record(seen(macOf(2_000), { at: 1_000_000 + MINUTE }));
  t.ok(journal.machine(macOf(2_000)), 'a minute later there is room again');
  await journal.close();
});

void t.test('what cannot be laid to a machine is recorded within bounds', async (t) => {
  const { journal, events } = setUp({ limits: { strangerEventsPerMinute: 7 } });
  for (let packet = 0; packet < 100; packet++)
    t.equal(journal.record(seen(undefined, { kind: 'tftp.read' })), undefined);
  await journal.flush();
  t.equal(events().length, 7);
  t.notOk('mac' in (events()[0] ?? {}));
  await journal.close();
});

void t.test('a flood of random MACs stays bounded, and known machines boot on through it', async (t) => {
  const { journal, batches, events, machines, sessions } = setUp({
    limits: { batchTime: 0 },
    state: { machines: [{ mac: macOf(0xffffff00), firstSeen: 1, lastSeen: 1, hostname: 'known' }] },
  });
  const known = macOf(0xffffff00);
  const newcomer = macOf(0xffffff01);
  journal.record(discover(known));
  const flood = 200_000;
  for (let packet = 0; packet < flood; packet++) {
    journal.record(discover(macOf(packet), { at: 1_000_000 + packet }));
    if (packet === flood / 2) {
      t.equal(journal.record(seen(known, { kind: 'tftp.read', stage: 'firmware' }))?.id, 1);
      // Beyond every bound for new machines, yet it boots, and is recorded from its script on.
      journal.record(discover(newcomer, { at: 1_000_000 + packet }));
      const session = journal.record(
        script(newcomer, { at: 1_000_000 + packet, assigned: { role: 'worker', hostname: 'new' } }),
      );
      t.match(session, { stage: 'script', role: 'worker' });
    }
    if (packet % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal(journal.record(script(known))?.id, 1);
  t.equal(journal.machine(known)?.hostname, 'known');
  t.equal(journal.machine(newcomer)?.hostname, 'new');
  t.ok(journal.counters().size < 20);
  t.equal(journal.counters().get('machines.forgotten'), flood + 2 - JOURNAL_LIMITS.machines);
  await journal.flush();
  const recordable =
    JOURNAL_LIMITS.newMachinesAtOnce + JOURNAL_LIMITS.newMachinesPerMinute * (flood / MINUTE);
  t.ok(machines().size <= recordable + 3, `${machines().size} machines written`);
  t.ok(machines().size >= JOURNAL_LIMITS.newMachinesAtOnce);
  t.ok(events().length <= 2 * recordable + 20, `${events().length} events written`);
  t.ok(batches.every((batch) => batch.events.length <= JOURNAL_LIMITS.batchEvents));
  t.match(
    [...sessions().values()].find(({ mac }) => mac === newcomer),
    { stage: 'script' },
  );
  await journal.close();
});

void t.test('a flood of scripts stays bounded, in the database and against machines of before', async (t) => {
  const limits = { newMachinesAtOnce: 5, newMachinesPerMinute: 1, machines: 50 };
  const { journal, machines, sessions } = setUp({ limits });
  const known = macOf(0xffffff00);
  const before = journal.record(script(known))?.id ?? 0;
  for (let packet = 0; packet < 500; packet++) {
    const session = journal.record(
      script(macOf(packet), { assigned: { role: 'worker', hostname: `node-${packet}` } }),
    );
    t.equal(journal.sessionById(session?.id ?? 0)?.stage, 'script', 'it is served all the same');
  }
  t.equal(journal.record(seen(known, { kind: 'http.config', stage: 'config' }))?.id, before);
  await journal.flush();
  t.equal(machines().size, 5);
  t.equal(sessions().size, 5);
  t.equal(journal.counters().get('events.dropped.newcomer'), 496);
  const late = macOf(499);
  journal.record(seen(late, { kind: 'http.config', stage: 'config', at: 1_000_000 + MINUTE }));
  await journal.flush();
  t.match(
    [...sessions().values()].find(({ mac }) => mac === late),
    { stage: 'config' },
    'and recorded when there is room again',
  );
  await journal.close();
});

void t.test(
  'who is to be given secrets is recorded first, and waits while there are too many new ones',
  async (t) => {
    const { journal, machines, sessions } = setUp({
      limits: { newMachinesAtOnce: 3, newMachinesPerMinute: 0 },
    });
    for (let packet = 0; packet < 3; packet++) journal.record(script(macOf(packet)));
    for (let packet = 3; packet < 9; packet++) {
      journal.record(script(macOf(packet)));
      t.equal(journal.keepRecord(macOf(packet)), 'full');
    }
    t.match(journal.keepRecord(macOf(0)), { mac: macOf(0), listed: undefined }, 'who is, need not wait');
    t.equal(journal.keepRecord(macOf(99)), undefined);
    await journal.flush();
    t.equal(machines().size, 3);
    await journal.close();

    const unscripted = setUp({ limits: { newMachinesAtOnce: 1, newMachinesPerMinute: 0 } });
    unscripted.journal.record(discover(alice));
    unscripted.journal.record(discover(macOf(2)));
    t.match(
      unscripted.journal.keepRecord(macOf(2)),
      { mac: macOf(2) },
      'there is room for one with a script',
    );
    await unscripted.journal.flush();
    t.equal(unscripted.sessions().size, 2, 'its session too');
    t.equal(sessions().size, 3);
    await unscripted.journal.close();
  },
);

void t.test('a machine of machines.yaml is recorded in any flood, and keeps its hostname', async (t) => {
  const limits = { newMachinesAtOnce: 100, newMachinesPerMinute: 0, machines: 20 };
  const isListed = (mac: Mac) => mac === alice || mac === macOf(0xffffff00);
  const { journal, machines } = setUp({ limits, isListed });
  const assigned = { role: 'worker', hostname: 'node-1' };
  journal.record(script(alice, { assigned }));
  for (let packet = 10; packet < 500; packet++)
    journal.record(script(macOf(packet), { assigned: { ...assigned, hostname: `n-${packet}` } }));
  t.equal(journal.hostnameHolder('node-1'), alice);
  const late = macOf(0xffffff00);
  journal.record(script(late, { assigned: { ...assigned, hostname: 'late' } }));
  t.match(journal.keepRecord(late), { listed: true });
  await journal.flush();
  t.match(machines().get(alice), { listed: true, hostname: 'node-1' });
  t.match(machines().get(late), { listed: true }, 'though nobody else is recorded any more');
  t.match(machines().get(macOf(10)), { listed: undefined });
  await journal.close();
});

void t.test('an address belongs to the machine that booted from it first, until that is over', async (t) => {
  let now = 1_000_000;
  const open = { openedAt: 0, updatedAt: now, stage: 'config', stageTimes: {} } as const;
  const restored = macOf(7);
  const { journal } = setUp({
    clock: () => now,
    state: {
      machines: [{ mac: restored, firstSeen: 1, lastSeen: 1 }],
      openSessions: [{ ...open, id: 3, mac: restored, address: 70 as Ipv4 }],
      nextSessionId: 4,
    },
  });
  const bob = macOf(2);
  const boot = (mac: Mac, address: number, more: Partial<Observation> = {}) => {
    journal.record(discover(mac, { at: now }));
    const assigned = {
      role: 'worker',
      hostname: `n-${mac}`,
      address: address as Ipv4,
      lastStage: 'ready',
    } as const;
    journal.record(script(mac, { at: now, assigned, ...more }));
  };
  t.equal(journal.addressUser(70 as Ipv4), restored, 'known from before a restart');
  boot(alice, 20);
  boot(bob, 20);
  t.equal(journal.addressUser(20 as Ipv4), alice, 'who takes it later does not take it away');
  boot(alice, 21);
  t.equal(journal.addressUser(20 as Ipv4), undefined, 'its newest boot was from another one');
  boot(bob, 20);
  t.equal(journal.addressUser(20 as Ipv4), bob);
  now += HOUR;
  t.equal(journal.addressUser(20 as Ipv4), undefined, 'nothing was heard of it for too long');
  boot(alice, 20, { stage: 'config' });
  journal.record(seen(alice, { at: now, kind: 'node.ready', stage: 'ready' }));
  now += 100 * HOUR;
  t.equal(journal.addressUser(20 as Ipv4), alice, 'its Node is Ready');
  await journal.forget(alice);
  t.equal(journal.addressUser(20 as Ipv4), undefined);
  await journal.close();
});

void t.test('a session that was left open long ago is superseded, also one of the database', async (t) => {
  const open = { id: 3, mac: alice, openedAt: 0, updatedAt: 1000, stage: 'kernel', stageTimes: {} } as const;
  const { journal } = setUp({
    state: {
      machines: [{ mac: alice, firstSeen: 1, lastSeen: 1 }],
      openSessions: [open],
      nextSessionId: 4,
    },
  });
  t.equal(journal.record(discover(alice, { client: 'ipxe', at: 1000 + HOUR }))?.id, 3);
  t.equal(journal.record(discover(alice, { client: 'ipxe', at: 2001 + 2 * HOUR }))?.id, 4);
  t.equal(journal.sessionById(3)?.end, 'superseded');
  await journal.close();
});

void t.test(
  'whoever watches sessions sees each step of each, also of those that are not recorded',
  async (t) => {
    const turns: SessionTurn[] = [];
    const { journal } = setUp({
      limits: { newMachinesAtOnce: 0, newMachinesPerMinute: 0 },
      advanced(turn) {
        turns.push(turn);
        throw new Error('the observer is broken');
      },
    });
    journal.record(seen(alice));
    t.same(turns, [], 'what opens no session is no step');
    journal.record(discover(alice));
    journal.record(script(alice, { at: 1_001_000 }));
    journal.record(discover(alice, { at: 1_002_000 }));
    t.match(turns, [
      { opened: true, session: { id: 1, stage: 'offered' } },
      { opened: false, before: { id: 1, stage: 'offered' }, session: { id: 1, stage: 'script' } },
      { opened: true, before: { id: 1 }, session: { id: 2 }, ended: { id: 1, end: 'superseded' } },
    ]);
    t.equal(journal.counters().get('journal.errors'), 3, 'and cannot stop the journal');
    await journal.close();
  },
);

void t.test('an observer hears also what bounds forbid to record, and harms nobody', async (t) => {
  const observed: Observation[] = [];
  const { journal, lines } = setUp({
    limits: { eventsBeforeScript: 1, strangersPerMinute: 0 },
    observed(observation) {
      observed.push(observation);
      throw new Error('the observer is broken');
    },
  });
  for (let packet = 0; packet < 10; packet++) journal.record(discover(alice));
  journal.record(seen(macOf(2)));
  journal.record(seen(undefined));
  t.equal(observed.length, 12);
  t.equal(journal.sessionOf(alice)?.id, 1, 'recorded all the same');
  t.equal(lines.length, 1);
  await journal.close();
});

void t.test('memory is bounded: strangers are forgotten first, then those without a script', async (t) => {
  const { journal } = setUp({
    limits: { machines: 4, strangersPerMinute: 100, addresses: 3, counterNames: 8 },
  });
  journal.record(script(macOf(1)));
  journal.record(discover(macOf(2)));
  journal.record(seen(macOf(3)));
  journal.record(seen(macOf(4)));
  journal.record(seen(macOf(3)));
  function alive(): number[] {
    return [1, 2, 3, 4, 5, 6, 7, 8].filter((number) => journal.machine(macOf(number)) !== undefined);
  }
  journal.record(discover(macOf(5)));
  t.same(alive(), [1, 2, 3, 5], 'the stranger not seen for the longest');
  journal.record(discover(macOf(6)));
  t.same(alive(), [1, 2, 5, 6]);
  journal.record(discover(macOf(2)));
  journal.record(discover(macOf(7)));
  t.same(alive(), [1, 2, 6, 7]);
  t.equal(journal.sessionById(3), undefined, 'its session went with the fifth');
  for (let address = 1; address <= 5; address++) journal.learnAddress(address as Ipv4, alice);
  t.same(
    [1, 2, 3, 4, 5].map((address) => journal.macAt(address as Ipv4) !== undefined),
    [false, false, true, true, true],
  );
  for (let name = 0; name < 100; name++) journal.count(`packets.${name}`);
  t.ok(journal.counters().size <= 9);
  t.ok((journal.counters().get('other') ?? 0) > 90);
  await journal.close();
});

void t.test('texts, reasons and facts are cut', async (t) => {
  const { journal, events } = setUp();
  const long = 'x'.repeat(100_000);
  journal.record(
    discover(alice, {
      asked: long,
      answered: `${'y'.repeat(510)}😀😀`,
      reasons: Array<string>(100).fill(long),
      facts: { mac: alice, serial: long },
    }),
  );
  await journal.flush();
  const event = events()[1];
  t.equal(event?.asked.length, 512);
  t.equal(event?.answered.length, 512);
  t.ok(event?.answered.isWellFormed());
  t.equal(event?.reasons.length, 8);
  t.ok(event?.reasons.every((reason) => reason.length === 512));
  t.equal(journal.machine(alice)?.serial?.length, 128);
  await journal.close();
});

void t.test('facts add up', async (t) => {
  const { journal } = setUp();
  journal.record(discover(alice, { facts: { mac: alice, arch: 'x86_64', uuid: 'u1' } }));
  journal.record(discover(alice, { facts: { mac: alice, serial: 's' } }));
  journal.record(discover(alice, { facts: { mac: alice, uuid: 'u2' } }));
  t.match(journal.machine(alice), { arch: 'x86_64', uuid: 'u2', serial: 's' });
  await journal.close();
});

void t.test('a hostname goes with its machine', async (t) => {
  const { journal } = setUp();
  journal.record(script(macOf(1), { assigned: { role: 'a', hostname: 'one' } }));
  journal.record(script(macOf(2), { assigned: { role: 'a', hostname: 'two' } }));
  t.equal(journal.hostnameHolder('one'), macOf(1));
  journal.record(script(macOf(1), { assigned: { role: 'a', hostname: 'two' } }));
  t.equal(journal.hostnameHolder('one'), undefined);
  t.equal(journal.hostnameHolder('two'), macOf(1));
  journal.record(script(macOf(2), { assigned: { role: 'a', hostname: 'three' } }));
  t.equal(journal.hostnameHolder('two'), macOf(1), 'it is no longer the other one that had it');
  await journal.close();
});

void t.test('a listener that throws harms nobody', async (t) => {
  const { journal, events, lines } = setUp();
  const heard: BootEvent[] = [];
  journal.subscribe(() => {
    throw new Error('broken page');
  });
  journal.subscribe((event) => heard.push(event));
  t.equal(journal.record(discover(alice))?.id, 1);
  journal.record(discover(alice));
  await journal.flush();
  t.equal(events().length, 3);
  t.equal(heard.length, 3);
  t.equal(lines.length, 1, 'said once a second');
  t.match(lines[0], 'broken page');
  await journal.close();
});

void t.test('an observation that makes no sense is no reason to throw', async (t) => {
  const { journal } = setUp();
  journal.record(discover(alice));
  t.doesNotThrow(() => journal.record({ ...discover(alice), reasons: undefined as unknown as string[] }));
  t.equal(journal.counters().get('journal.errors'), 1);
  await journal.close();
});

void t.test(
  'a database that cannot write is tried again, its history kept within bounds and in order',
  async (t) => {
    const { journal, disk, events, sessions, lines } = setUp({
      limits: { waitingEvents: 100, eventsPerSession: 1_000, batchEvents: 1_000 },
    });
    disk.error = new TinderboxError('unavailable', 'the disk is full', { remedy: 'Free space.' });
    journal.record(script(alice));
    for (let packet = 0; packet < 49; packet++) journal.record(seen(alice, { asked: `packet ${packet}` }));
    await t.rejects(journal.flush(), { code: 'unavailable' });
    await t.rejects(journal.flush(), { code: 'unavailable' });
    t.equal(lines.length, 1, 'said once a second');
    t.match(lines[0], /the disk is full/);
    for (let packet = 49; packet < 200; packet++) journal.record(seen(alice, { asked: `packet ${packet}` }));
    await t.rejects(journal.flush(), { code: 'unavailable' });
    disk.error = undefined;
    await journal.flush();
    t.same(
      events().map(({ asked }) => asked),
      Array.from({ length: 100 }, (_, index) => `packet ${index + 100}`),
    );
    t.equal(journal.counters().get('events.dropped.store'), 102);
    t.match(sessions().get(1), { stage: 'script' }, 'the session itself is not lost');
    await journal.close();
  },
);

void t.test('a batch that the store does not understand does not stand in the way', async (t) => {
  const { journal, disk, events } = setUp();
  disk.error = new Error('FOREIGN KEY constraint failed');
  journal.record(discover(alice));
  await t.rejects(journal.flush());
  disk.error = undefined;
  journal.record(discover(alice, { asked: 'again' }));
  await journal.flush();
  t.same(
    events().map(({ asked }) => asked),
    ['again'],
  );
  await journal.close();
});

void t.test('history is written without being asked, and tried again by itself', async (t) => {
  const { journal, disk, events } = setUp({ limits: { batchTime: 1, retryTime: 1 } });
  disk.error = new TinderboxError('unavailable', 'the disk is full');
  const written = new Promise<void>((resolve) => {
    const poll = setInterval(() => {
      if (journal.counters().get('failed') === undefined) {
        journal.count('failed');
        disk.error = undefined;
      }
      if (events().length === 0) return;
      clearInterval(poll);
      resolve();
    }, 5);
  });
  journal.record(discover(alice));
  await written;
  t.equal(events().length, 2);
  await journal.close();
});

void t.test('closing says what is lost', async (t) => {
  const { journal, disk, lines } = setUp();
  disk.error = new TinderboxError('unavailable', 'the disk is full');
  journal.record(discover(alice));
  await journal.close();
  t.match(lines.join(''), /lost/);
});

const worker = { role: 'worker', hostname: 'node-1', lastStage: 'ready' } as const;

function ofNode(
  mac: Mac,
  kind: 'node.ready' | 'node.not-ready' | 'node.deleted',
  at = 1_000_000,
): Observation {
  const ready = kind === 'node.ready' ? ({ stage: 'ready', bootId: 'boot-a' } as const) : {};
  return seen(mac, {
    at,
    kind,
    outcome: 'noted',
    asked: 'Node node-1',
    reasons: ['the kubelet says so'],
    ...ready,
  });
}

void t.test('a Node takes its session to ready, back and to ready again, and each is told', async (t) => {
  const { journal, events, sessions } = setUp();
  journal.record(script(alice, { assigned: worker }));
  journal.record(seen(alice, { kind: 'http.report', stage: 'booted' }));
  t.equal(journal.record(ofNode(alice, 'node.ready'))?.end, 'ready');
  const back = journal.record(ofNode(alice, 'node.not-ready', 1_000_000 + 2 * HOUR));
  t.match(back, { id: 1, stage: 'booted', end: undefined });
  t.equal(journal.record(ofNode(alice, 'node.ready', 1_000_000 + 3 * HOUR))?.end, 'ready');
  await journal.flush();
  t.same(
    events()
      .slice(3)
      .map(({ kind, stage, sessionId }) => [kind, stage, sessionId]),
    [
      ['node.ready', 'ready', 1],
      ['session.ended', undefined, 1],
      ['node.not-ready', 'booted', 1],
      ['node.ready', 'ready', 1],
      ['session.ended', undefined, 1],
    ],
  );
  t.match(sessions().get(1), { end: 'ready', bootId: 'boot-a' });
  await journal.close();
});

void t.test('a Node that flaps has so many events an hour, whatever its session had before', async (t) => {
  const { journal, events } = setUp({ limits: { eventsPerSession: 2, eventsPerHour: 4 } });
  journal.record(script(alice, { assigned: worker }));
  for (let asset = 0; asset < 10; asset++) journal.record(seen(alice, { kind: 'http.asset' }));
  for (let hour = 0; hour < 2; hour++) {
    for (let flap = 0; flap < 50; flap++) {
      journal.record(ofNode(alice, 'node.ready', 1_000_000 + hour * HOUR));
      journal.record(ofNode(alice, 'node.not-ready', 1_000_000 + hour * HOUR));
    }
  }
  await journal.flush();
  t.equal(events().filter(({ kind }) => kind === 'node.ready').length, 4);
  t.equal(events().filter(({ kind }) => kind === 'node.not-ready').length, 4);
  t.match(journal.sessionOf(alice), { stage: 'booted', end: undefined }, 'the session itself follows');
  await journal.close();
});

void t.test('the machines that wait for a Node, or are one, can be listed', async (t) => {
  const { journal } = setUp();
  const macs = () => Array.from(journal.joiningMachines(), ({ session }) => session.mac);
  journal.record(script(macOf(1), { assigned: worker }));
  journal.record(script(macOf(2), { assigned: { role: 'etcd', hostname: 'etcd-1' } }));
  journal.record(discover(macOf(3)));
  journal.record(script(macOf(4), { assigned: worker }));
  journal.record(script(macOf(5), { assigned: worker, end: 'handed-over' }));
  t.same(macs(), [macOf(1), macOf(4)]);
  journal.record(ofNode(macOf(1), 'node.ready'));
  t.same(macs().toSorted(), [macOf(1), macOf(4)], 'also when it is ready');
  journal.record(discover(macOf(1), { at: 1_000_000 + HOUR }));
  t.same(macs(), [macOf(4)], 'a fresh session does not know yet what it becomes');
  await journal.close();
});

void t.test('a session that ended ready before a restart still goes back', async (t) => {
  const ended: BootSession = {
    id: 6,
    mac: alice,
    openedAt: 1,
    updatedAt: 9,
    stage: 'ready',
    stageTimes: { ready: 9 },
    lastStage: 'ready',
    bootId: 'boot-a',
    end: 'ready',
    endedAt: 9,
  };
  const machines = [{ mac: alice, firstSeen: 1, lastSeen: 9, hostname: 'node-1' }];
  const { journal } = setUp({ state: { machines, openSessions: [ended], nextSessionId: 7 } });
  t.same(
    Array.from(journal.joiningMachines(), ({ session }) => session),
    [ended],
  );
  t.match(journal.record(ofNode(alice, 'node.not-ready')), { id: 6, stage: 'booted', end: undefined });
  t.equal(journal.record(discover(alice))?.id, 7, 'and another boot opens another one');
  await journal.close();
});

void t.test('a machine that is forgotten is gone, and new when it comes again', async (t) => {
  const { journal, forgotten, events, machines, sessions } = setUp({
    state: {
      leases: [{ address: 9 as Ipv4, mac: alice, state: 'bound', expiresAt: 1, via: 'eth0' }],
    },
  });
  const bob = macOf(2);
  journal.record(script(alice, { assigned: { ...worker, address: 7 as Ipv4 } }));
  journal.record(seen(alice, { kind: 'http.config', stage: 'config' }));
  journal.record(discover(alice, { at: 1_000_001 }));
  journal.record(script(bob, { assigned: { role: 'worker', hostname: 'node-2', address: 8 as Ipv4 } }));
  t.equal(await journal.forget(alice), true);
  t.same(forgotten, [{ mac: alice, after: 0 }]);
  t.equal(journal.machine(alice), undefined);
  t.equal(journal.sessionOf(alice), undefined);
  t.same([journal.sessionById(1), journal.sessionById(2)], [undefined, undefined], 'the superseded one too');
  t.equal(journal.hostnameHolder('node-1'), undefined);
  t.same(
    [7, 8, 9].map((address) => journal.macAt(address as Ipv4)),
    [undefined, bob, undefined],
  );
  t.ok(journal.sessionOf(bob), 'the others stay');
  await journal.flush();
  t.same(new Set(events().map(({ mac }) => mac)), new Set([bob]), 'what waited to be written is not written');
  t.same([[...machines().keys()], [...sessions().keys()]], [[bob], [3]]);

  const again = journal.record(discover(alice, { at: 2_000_000 }));
  t.match(again, { id: 4, stage: 'offered', formerBootId: undefined });
  t.equal(journal.machine(alice)?.firstSeen, 2_000_000);
  await journal.flush();
  t.ok(sessions().has(4));
  await journal.close();
});

void t.test('whether a machine was ever seen is told of memory and of the store', async (t) => {
  const { journal, disk } = setUp();
  t.equal(await journal.forget(alice), true, 'memory had no room for it, the store knows it');
  disk.knows = false;
  t.equal(await journal.forget(alice), false);
  journal.record(discover(alice));
  t.equal(await journal.forget(alice), true, 'in memory only');
  journal.record(discover(alice));
  disk.error = new TinderboxError('unavailable', 'the disk is full');
  await t.rejects(journal.forget(alice), { code: 'unavailable' });
  t.equal(journal.machine(alice), undefined);
  disk.error = undefined;
  t.equal(await journal.forget(alice), false, 'it may be tried again');
  await journal.close();
});

void t.test('a batch that fails while its machine is forgotten does not bring it back', async (t) => {
  const written: HistoryBatch[] = [];
  let refuse: ((error: Error) => void) | undefined;
  const journal = createJournal({
    store: {
      appendHistory: (batch) =>
        refuse === undefined
          ? new Promise((_resolve, reject) => {
              refuse = reject;
            })
          : Promise.resolve(void written.push(batch)),
      forgetMachine: async () => true,
    },
    state: { leases: [], machines: [], openSessions: [], nextSessionId: 1 },
    clock: () => 5,
    idleTime: HOUR,
    limits: { batchTime: 3_600_000, retryTime: 3_600_000 },
    logger: createLoggers({ level: 'silent' }).store,
  });
  journal.record(discover(alice));
  journal.record(discover(macOf(2)));
  const flushed = journal.flush();
  await journal.forget(alice);
  refuse?.(new TinderboxError('unavailable', 'the disk is full'));
  await t.rejects(flushed, { code: 'unavailable' });
  await journal.flush();
  t.same(new Set(written.flatMap(({ events }) => events.map(({ mac }) => mac))), new Set([macOf(2)]));
  t.same(
    written.flatMap(({ machines }) => machines.map(({ mac }) => mac)),
    [macOf(2)],
  );
  t.same(
    written.flatMap(({ sessions }) => sessions.map(({ mac }) => mac)),
    [macOf(2)],
  );
  journal.record(discover(alice, { at: 2_000_000 }));
  await journal.flush();
  t.equal(written.at(-1)?.machines[0]?.mac, alice, 'nothing stands in the way of its return');
  await journal.close();
});

function tokenFor(mac: Mac, more: Partial<Observation> = {}): Observation {
  return seen(mac, {
    kind: 'http.csr',
    outcome: 'noted',
    asked: 'a signing token',
    assigned: { role: 'worker', hostname: 'node-1', lastStage: 'ready' },
    signingUntil: 1_000_000 + 24 * HOUR,
    ...more,
  });
}

void t.test(
  'a signing token stands beside the boots of its machine: none ends it or goes on with it',
  async (t) => {
    const { journal, sessions, events } = setUp();
    const token = journal.record(tokenFor(alice));
    t.match(token, { id: 1, role: 'worker', signingUntil: 1_000_000 + 24 * HOUR });
    t.equal(journal.sessionOf(alice), undefined, 'it is no boot');
    const boot = journal.record(script(alice, { assigned: { role: 'worker', hostname: 'node-1' } }));
    t.match(boot, { id: 2, signingUntil: undefined });
    t.equal(journal.record(discover(alice))?.id, 3, 'a reset');
    t.equal(journal.sessionById(1)?.end, undefined);
    t.equal(journal.sessionById(2)?.end, 'superseded');
    const asked = journal.record(seen(alice, { kind: 'http.csr', outcome: 'answered', sessionId: 1 }));
    t.equal(asked?.id, 1);
    t.equal(journal.sessionOf(alice)?.id, 3);
    journal.record(seen(alice, { kind: 'http.report', stage: 'booted', sessionId: 1 }));
    t.equal(journal.sessionById(1)?.stage, 'booted');
    t.equal(journal.sessionOf(alice)?.stage, 'offered');
    t.equal(journal.record(tokenFor(alice))?.id, 4);
    t.equal(journal.sessionById(1)?.end, 'superseded', 'a newer token replaces it');
    t.equal(journal.sessionOf(alice)?.id, 3, 'and no boot');
    await journal.flush();
    t.same(
      events()
        .filter(({ kind }) => kind === 'http.csr')
        .map(({ sessionId }) => sessionId),
      [1, 1, 4],
    );
    t.equal(sessions().get(1)?.end, 'superseded');
    t.equal(sessions().get(4)?.end, undefined);
    await journal.forget(alice);
    t.equal(journal.sessionById(4), undefined);
    await journal.close();
  },
);

void t.test('a machine that boots from its image becomes ready in the session of its token', async (t) => {
  const { journal } = setUp();
  journal.record(tokenFor(alice));
  t.same(
    Array.from(journal.joiningMachines(), ({ session }) => session.id),
    [1],
  );
  t.equal(journal.record(seen(alice, { kind: 'node.ready', stage: 'ready' }))?.end, 'ready');
  journal.record(discover(alice));
  t.equal(
    journal.record(seen(alice, { kind: 'node.ready', stage: 'ready' }))?.id,
    2,
    'it boots from the network',
  );
  await journal.close();
});

void t.test('tokens are known again at a start until they expire, the newest of each machine', async (t) => {
  const session = (id: number, more: Partial<BootSession> = {}): BootSession => ({
    id,
    mac: alice,
    openedAt: 1,
    updatedAt: 2,
    stage: 'script',
    stageTimes: {},
    ...more,
  });
  const bob = macOf(2);
  const { journal } = setUp({
    limits: { machines: 10 },
    state: {
      machines: [alice, bob].map((mac) => ({ mac, firstSeen: 1, lastSeen: 9 })),
      openSessions: [
        session(1, { signingUntil: 100 }),
        session(2, { signingUntil: 100, end: 'ready' }),
        session(3),
        session(4, { mac: bob, signingUntil: 4 }),
      ],
      nextSessionId: 5,
    },
  });
  t.same(
    [1, 2, 3, 4].map((id) => journal.sessionById(id)?.id),
    [undefined, 2, 3, undefined],
  );
  t.equal(journal.sessionOf(alice)?.id, 3);
  t.equal(journal.sessionOf(bob), undefined);
  for (let other = 100; other < 150; other++) journal.record(script(macOf(other)));
  t.equal(journal.machine(bob), undefined, 'pushed out');
  t.ok(journal.sessionById(2), 'a machine with a token is not');
  journal.record(tokenFor(alice));
  t.equal(journal.sessionById(2)?.end, 'superseded');
  await journal.close();
});

void t.test(
  'a flood of scripts does not push out a machine with a token, nor keep one from being made',
  async (t) => {
    const { journal, sessions } = setUp({
      limits: { machines: 10, newMachinesAtOnce: 50, signingTokens: 2 },
    });
    journal.record(tokenFor(alice));
    for (let other = 100; other < 200; other++) {
      journal.record(script(macOf(other), { assigned: { role: 'worker', hostname: `node-${other}` } }));
    }
    t.equal(journal.sessionById(1)?.mac, alice);
    t.equal(journal.machine(alice)?.hostname, 'node-1');
    const second = journal.record(
      tokenFor(macOf(2), { at: 1_000_000 + HOUR, assigned: { role: 'r', hostname: 'b' } }),
    );
    t.ok(second);
    t.equal(journal.record(tokenFor(macOf(3))), undefined, 'so many at most');
    t.equal(journal.counters().get('events.dropped.token'), 1);
    t.ok(journal.record(tokenFor(alice)), 'a newer one of the same machine takes no room');
    t.ok(journal.record(tokenFor(macOf(3), { at: 1_000_000 + 24 * HOUR })), 'what has expired makes room');
    await journal.flush();
    t.equal(sessions().get(second?.id ?? 0)?.mac, macOf(2));
    await journal.close();
  },
);

void t.test(
  'who got a secret, and alarms, are told although other events have used up the bounds',
  async (t) => {
    const { journal, events, machines } = setUp({
      limits: { eventsPerSession: 10, evidencePerSession: 3, newMachinesAtOnce: 0, newMachinesPerMinute: 0 },
    });
    const given = seen(alice, { kind: 'http.csr', outcome: 'answered', evidence: 'giving' });
    const alarm = seen(alice, { kind: 'security.alarm', outcome: 'noted', evidence: 'alarm' });
    journal.record(script(alice));
    await journal.flush();
    t.equal(machines().size, 0, 'one of too many newcomers');
    journal.record(given);
    for (let packet = 0; packet < 50; packet++) journal.record(seen(alice, { kind: 'http.asset' }));
    for (let more = 0; more < 3; more++) journal.record(alarm);
    journal.record(given);
    journal.record(alarm);
    await journal.flush();
    t.equal(machines().size, 1, 'it is no newcomer any more');
    t.same(
      events()
        .filter(({ kind }) => kind !== 'http.asset')
        .map(({ kind, sessionId }) => [kind, sessionId]),
      [
        ['http.csr', 1],
        ['security.alarm', 1],
        ['security.alarm', 1],
        ['security.alarm', 1],
        ['http.csr', 1],
      ],
      'and that has bounds of its own',
    );
    t.equal(journal.counters().get('events.unrecorded.security.alarm.noted'), 1);
    journal.record(seen(alice, { kind: 'http.report', stage: 'booted' }));
    journal.record({ ...given, at: 1_000_000 + HOUR });
    await journal.flush();
    t.match(events().at(-1), { kind: 'http.csr', sessionId: 1 }, 'also long after the end of its session');
    await journal.close();
  },
);

void t.test('an answer in a session that is over takes the new one nowhere', async (t) => {
  const { journal, events } = setUp();
  journal.record(script(alice));
  journal.record(discover(alice, { at: 1_000_001 }));
  const late = { kind: 'http.config', outcome: 'answered', stage: 'config', sessionId: 1 } as const;
  const session = journal.record(seen(alice, { ...late, at: 2_000_000 }));
  t.match(session, { id: 2, stage: 'offered', updatedAt: 1_000_001 });
  await journal.flush();
  t.match(events().at(-1), { kind: 'http.config', stage: undefined, reasons: [/session 1, which is over/] });
  t.equal(journal.record(seen(alice, { ...late, sessionId: 2 }))?.stage, 'config');
  await journal.close();
});

for (const step of [365 * 24 * HOUR, -24 * HOUR]) {
  void t.test(
    `when the clock is set by ${step / HOUR} h, boots that run go on as young as they were`,
    async (t) => {
      const time = { now: 1_700_000_000_000, up: 0 };
      const { journal, sessions, machines } = setUp({ clock: () => time.now, uptime: () => time.up });
      const bob = macOf(2);
      for (const mac of [alice, bob]) journal.record(discover(mac, { at: time.now }));
      const opened = journal.record(script(alice, { at: time.now }));
      journal.record(script(bob, { at: time.now, end: 'handed-over' }));
      const over = journal.sessionOf(bob);
      time.now += step;
      const moved = journal.sessionById(opened?.id ?? 0);
      t.match(
        moved,
        { scriptAt: time.now, updatedAt: time.now, openedAt: time.now - step },
        'its URLs stay valid',
      );
      await journal.written(alice);
      t.match(sessions().get(opened?.id ?? 0), { scriptAt: time.now }, 'and who waits for it waits for that');
      await journal.flush();
      t.match(machines().get(alice), { lastSeen: time.now }, 'too old to be kept is not its machine either');
      const after = journal.record(seen(alice, { kind: 'http.config', stage: 'config', at: time.now }));
      t.equal(after?.id, opened?.id, 'it is the same boot');
      t.same(journal.sessionOf(bob), over, 'what is over is history');
      await journal.flush();
      t.match(sessions().get(opened?.id ?? 0), { scriptAt: time.now }, 'also after a restart');
      time.now += 2 * HOUR;
      time.up += 2 * HOUR;
      const next = journal.record(discover(alice, { at: time.now }));
      t.not(next?.id, opened?.id, 'and two hours of silence are two hours');
    },
  );
}

void t.test('what is answered to machines is written first, in batches that they share', async (t) => {
  const { journal, sessions, batches } = setUp();
  const macs = Array.from({ length: 50 }, (_, index) => macOf(index + 1));
  const all = macs.map(async (mac) => {
    const session = journal.record(script(mac));
    await journal.written();
    return sessions().has(session?.id ?? 0);
  });
  t.same(new Set(await Promise.all(all)), new Set([true]));
  t.ok(batches.length <= 2, `${batches.length} batches`);
  await journal.written();
  t.ok(batches.length <= 2, 'nothing waits, nothing is written');
});

void t.test(
  'who waits for one machine waits only for what a daemon that comes back must know of it',
  async (t) => {
    const { journal, sessions, batches } = setUp();
    const bob = macOf(2);
    let now = 5_000;
    const first = journal.record(script(alice, { at: now }));
    await journal.written(alice);
    t.ok(sessions().has(first?.id ?? 0));
    t.equal(batches.length, 1);

    now += 1_000;
    journal.record(script(alice, { at: now }));
    await journal.written(alice);
    t.equal(batches.length, 1, 'it asks again, and nothing is new of it');

    journal.record(script(bob, { at: now }));
    await journal.written(alice);
    t.equal(batches.length, 1, 'what is new of another one is not waited for');
    await journal.written(bob);
    t.equal(batches.length, 2);

    now += 60_000;
    journal.record(script(alice, { at: now }));
    await journal.written(alice);
    t.equal(batches.length, 3, 'by its former script its URLs would be older');

    journal.record({ ...script(alice, { at: now }), facts: { mac: alice, serial: 'another' } });
    await journal.written(alice);
    t.equal(batches.length, 4, 'by its facts it is given its role');

    for (const later of [9_000, 18_000]) {
      journal.record({ ...script(alice, { at: now + later }), facts: { mac: alice, serial: 'another' } });
      await journal.written(alice);
    }
    t.equal(batches.length, 5, 'nor by many steps of which each is small');
  },
);

void t.test('a store that refuses or is slow keeps no machine from its answer', async (t) => {
  const { journal, disk, batches } = setUp();
  disk.error = new TinderboxError('unavailable', 'the disk is full');
  journal.record(script(alice));
  await journal.written();
  await journal.written();
  disk.error = undefined;
  await journal.flush();
  t.equal(batches.length, 1, 'it is written once there is room');

  const stuck = createJournal({
    store: { appendHistory: () => new Promise(() => undefined), forgetMachine: async () => true },
    state: { leases: [], machines: [], openSessions: [], nextSessionId: 1 },
    clock: () => 5,
    idleTime: HOUR,
    logger: createLoggers({ level: 'error' }).store,
  });
  // The patience keeps no process alive: the daemon's sockets do.
  const alive = setInterval(() => undefined, 1000);
  stuck.record(script(alice));
  const first = stuck.written();
  await new Promise((resolve) => setTimeout(resolve, 200));
  stuck.record(script(macOf(2)));
  let isLateOver = false;
  const late = stuck.written(macOf(2)).then(() => (isLateOver = true));
  await first;
  t.notOk(isLateOver, 'who asks later waits as long as everybody');
  await late;
  clearInterval(alive);
});

void t.test('what a store threw away is waited for again', async (t) => {
  const { journal, disk, batches } = setUp();
  disk.error = new TinderboxError('internal', 'it does not understand');
  journal.record(script(alice));
  await journal.written(alice);
  disk.error = undefined;
  journal.record(script(macOf(2)));
  await journal.flush();
  t.equal(batches.length, 1);
  journal.record(script(alice));
  await journal.written(alice);
  t.equal(batches.length, 2, 'the batch of another one does not count for it');
});
