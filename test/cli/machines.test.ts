import t from 'tap';
import type { MachineView, SessionView } from '../../src/admin/api.ts';
import type { AdminClient } from '../../src/admin/client.ts';
import { formatAge } from '../../src/boot/format-age.ts';
import { formatEvent } from '../../src/cli/format-timeline.ts';
import { runMachines } from '../../src/cli/machines.ts';
import { TinderboxError } from '../../src/errors.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import type { Mac } from '../../src/machine/mac.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const T0 = Date.UTC(2026, 0, 2, 3, 4, 5);

const machine: MachineView = {
  mac: MAC,
  firstSeen: T0,
  lastSeen: T0 + 42_000,
  manufacturer: 'QEMU',
  product: 'Standard PC',
};
const session: SessionView = {
  id: 7,
  mac: MAC,
  openedAt: T0,
  updatedAt: T0 + 42_000,
  stage: 'config',
  stageTimes: { discovered: T0 },
  role: 'worker',
  hostname: 'node-1',
  address: '10.77.0.101',
};
const event = (at: number, rest: Partial<BootEvent> = {}): BootEvent => ({
  at: T0 + at,
  mac: MAC,
  sessionId: 7,
  kind: 'http.asset',
  outcome: 'answered',
  asked: 'GET /assets/vmlinuz',
  answered: '200, 6 bytes in 1 ms',
  reasons: ['from memory'],
  ...rest,
});

interface Fake {
  readonly sessions?: readonly SessionView[];
  readonly events?: readonly BootEvent[];
  readonly live?: readonly BootEvent[];
  readonly machines?: readonly { machine: MachineView; session?: SessionView }[];
  readonly unseen?: boolean;
}

async function run(args: Partial<Parameters<typeof runMachines>[0]>, fake: Fake = {}): Promise<string> {
  let printed = '';
  const client: AdminClient = {
    listMachines: async ({ limit, offset } = { limit: 1_000, offset: 0 }) => ({
      machines: (fake.machines ?? []).slice(offset, offset + limit),
    }),
    machine: async (mac) => {
      if (fake.unseen === true) throw new TinderboxError('not-found', `${mac} was never seen`);
      return { machine, sessions: fake.sessions ?? [session] };
    },
    events: async (_mac, id) => ({
      events: (fake.events ?? []).filter((one) => id === undefined || one.sessionId === id),
    }),
    follow: async () =>
      (async function* () {
        yield* fake.live ?? [];
      })(),
    capture: () => Promise.reject(new Error('not asked for')),
    console: () => Promise.reject(new Error('not asked for')),
    metrics: () => Promise.reject(new Error('not asked for')),
    doctor: () => Promise.reject(new Error('not asked for')),
    explain: () => Promise.reject(new Error('not asked for')),
    status: () => Promise.reject(new Error('not asked for')),
    assign: () => Promise.reject(new Error('not asked for')),
    approve: () => Promise.reject(new Error('not asked for')),
    forget: () => Promise.reject(new Error('not asked for')),
    admissions: () => Promise.reject(new Error('not asked for')),
    makeSigningToken: () => Promise.reject(new Error('not asked for')),
    power: () => Promise.reject(new Error('not asked for')),
    queue: () => Promise.reject(new Error('not asked for')),
    moveUp: () => Promise.reject(new Error('not asked for')),
    roles: () => Promise.reject(new Error('not asked for')),
    role: () => Promise.reject(new Error('not asked for')),
    preview: () => Promise.reject(new Error('not asked for')),
    reload: () => Promise.reject(new Error('not asked for')),
    log: () => Promise.reject(new Error('not asked for')),
    changeLog: () => Promise.reject(new Error('not asked for')),
    token: () => Promise.reject(new Error('not asked for')),
    renewToken: () => Promise.reject(new Error('not asked for')),
    audit: () => Promise.reject(new Error('not asked for')),
    copyDatabase: () => Promise.reject(new Error('not asked for')),
  };
  const out = (text: string) => void (printed += text);
  await runMachines({ json: false, ...args }, { client, out, now: T0 + 60_000 });
  return printed;
}

t.test('the table shows who every machine is and how far it came', async (t) => {
  const machines = [
    { machine, session },
    {
      machine: { ...machine, mac: '52:54:00:00:00:02' as Mac, hostname: 'seen', address: '10.77.0.9' },
      session: { ...session, stage: 'booted', end: 'booted' } as SessionView,
    },
    { machine: { ...machine, mac: '52:54:00:00:00:03' as Mac, lastSeen: T0 - 7_200_000 } },
  ];
  t.equal(
    await run({}, { machines }),
    [
      'MAC                HOSTNAME  ROLE    STAGE   SEEN     ADDRESS',
      '52:54:00:12:34:56  node-1    worker  config  18s ago  10.77.0.101',
      '52:54:00:00:00:02  node-1    worker  booted  18s ago  10.77.0.101',
      '52:54:00:00:00:03  -         -       -       2h ago   -',
      '',
    ].join('\n'),
  );
  t.same(JSON.parse(await run({ json: true }, { machines })), machines);
  t.match(await run({}), /^No machine was seen yet\. Power one on/);
});

t.test('a rack of any size is listed whole, each machine once', async (t) => {
  const machines = Array.from({ length: 2_500 }, (_, index) => {
    const mac = `52:54:00:00:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`;
    return { machine: { ...machine, mac: mac as Mac } };
  });
  // One that asked while the pages were read comes again.
  const moved = [...machines.slice(0, 1_000), ...machines.slice(999)];
  t.equal((await run({}, { machines: moved })).split('\n').length, 2_502);
  t.same(JSON.parse(await run({ json: true }, { machines: moved })), machines);
  const exact = machines.slice(0, 2_000);
  t.same(JSON.parse(await run({ json: true }, { machines: exact })), exact);
});

async function tableLineOf(rest: Partial<SessionView>): Promise<string | undefined> {
  const machines = [{ machine, session: { ...session, ...rest } }];
  return (await run({}, { machines })).split('\n')[1];
}

t.test('a stage says how its session ended, or that it stalled', async (t) => {
  t.match(await tableLineOf({ failedAt: T0 }), 'config (failed)');
  t.match(await tableLineOf({ waitingSince: T0, updatedAt: T0 - 300_000 }), ' waits for approval (1m) ');
  t.notMatch(await tableLineOf({ waitingSince: T0, end: 'superseded' }), 'waits');
  const diagnosis = { name: 'no-report', title: 'it does not say', evidence: ['a', 'b'], remedy: 'look' };
  const stalled = { at: T0, stage: 'config', diagnosis } as const;
  t.match(await tableLineOf({ stalled }), 'config, stalled: it does not say ');
  t.match(await tableLineOf({ stalled, failedAt: T0 }), 'config, stalled: it does not say ');
  t.match(await tableLineOf({ alarmedAt: T0, end: 'booted', stage: 'booted' }), ' booted, ALARM ');
  t.notMatch(await tableLineOf({}), 'ALARM');
  t.match(await tableLineOf({ updatedAt: T0 - 300_000, end: 'ready', stage: 'ready' }), / ready {2}/);
});

t.test('why a boot stalled stands above its timeline, while it lasts', async (t) => {
  const diagnosis = {
    name: 'no-report',
    title: 'it does not say\u001b[2J',
    evidence: ['the first\u0007', 'the second'],
    remedy: 'look at it',
  };
  const stalled = { at: T0 + 60_000, stage: 'config', diagnosis } as const;
  const mac = machine.mac;
  const open = { ...session, openedAt: T0, stalled };
  const text = await run({ mac }, { sessions: [open], events: [event(0)] });
  t.match(text, /config \(stalled\) after/);
  const block =
    'STALLED at config (+60.000s): it does not say[2J [no-report]\n  seen: the first\n        the second\n  do:   look at it\n\n';
  t.ok(text.includes(`\n\n${block}`), 'without what a terminal would act on', { text });
  const over = await run({ mac }, { sessions: [{ ...open, end: 'superseded' }], events: [event(0)] });
  t.notMatch(over, /STALLED|stalled/, 'of a boot that is over it is history');
  const json = JSON.parse(await run({ mac, json: true }, { sessions: [open], events: [] }));
  t.same(json.session.stalled, stalled);
});

t.test('a timeline says when, what was asked, what was answered and why', async (t) => {
  const events = [
    event(0, {
      kind: 'dhcp.discover',
      stage: 'offered',
      asked: 'DISCOVER, UEFI x64',
      answered: 'OFFER 10.77.0.101',
      reasons: ['it network-boots', 'the pool has a free address'],
    }),
    event(1_500, {
      kind: 'tftp.read',
      outcome: 'refused',
      asked: 'RRQ nothing.efi',
      answered: 'error 1',
      reasons: [],
    }),
    event(2_000, { outcome: 'ignored', asked: 'INFORM', answered: '', reasons: ['not ours'] }),
    event(3_000, {
      kind: 'http.config',
      outcome: 'failed',
      asked: 'GET /boot/7-…',
      answered: '500',
      reasons: ['unknown variable'],
    }),
    event(660_000, { kind: 'session.opened', outcome: 'noted', asked: '', answered: '', reasons: ['late'] }),
  ];
  t.equal(
    await run({ mac: '52-54-00-12-34-56' }, { events }),
    `52:54:00:12:34:56  node-1  role worker  10.77.0.101  QEMU Standard PC
Session 7, opened 2026-01-02 03:04:05 UTC: config after 42.0 s

   +0.000s  offered     DISCOVER, UEFI x64
                        OFFER 10.77.0.101
                        why: it network-boots
                             the pool has a free address
   +1.500s              RRQ nothing.efi
                        REFUSED: error 1
   +2.000s              INFORM
                        IGNORED: no answer was sent
                        why: not ours
   +3.000s              GET /boot/7-…
                        FAILED: 500
                        why: unknown variable
   +11m00s              session.opened
                        why: late
`,
  );
});

t.test('an alarm stands out of a timeline, and its session says when it was raised', async (t) => {
  const alarm = event(3_000, {
    kind: 'security.alarm',
    outcome: 'noted',
    asked: 'GET /boot/7-…',
    answered: 'its secrets were asked for again',
    reasons: ['asked from 10.77.0.66'],
  });
  const sessions = [{ ...session, alarmedAt: T0 + 3_000 }];
  const text = await run({ mac: MAC }, { sessions, events: [event(0), alarm] });
  t.match(text, /^Session 7, .*: config after 42\.0 s; ALARM at \+3\.000s$/m);
  t.match(text, /^ {24}ALARM: its secrets were asked for again$/m);
  t.notMatch(text, 'noted');
  t.equal(JSON.parse(await run({ mac: MAC, json: true }, { sessions })).session.alarmedAt, T0 + 3_000);
});

t.test('a machine without a session, or without events, has a timeline that says so', async (t) => {
  const text = await run({ mac: MAC }, { sessions: [] });
  t.match(text, 'It has not booted from the network yet.');
  t.match(text, 'nothing is recorded of it');
});

t.test('one of several sessions can be chosen, as text or JSON', async (t) => {
  const sessions = [session, { ...session, id: 3, role: 'rescue' }];
  const events = [event(0), event(1, { sessionId: 3, asked: 'GET /old' })];
  t.match(await run({ mac: MAC }, { sessions, events }), /Session 7[\s\S]*vmlinuz/);
  const old = await run({ mac: MAC, session: 3 }, { sessions, events });
  t.match(old, /role rescue[\s\S]*Session 3[\s\S]*GET \/old/);
  t.notMatch(old, 'vmlinuz');
  t.match(JSON.parse(await run({ mac: MAC, session: 3, json: true }, { sessions, events })), {
    machine: { mac: MAC },
    session: { id: 3 },
    events: [{ asked: 'GET /old' }],
  });
  await t.rejects(run({ mac: MAC, session: 5 }, { sessions }), {
    code: 'not-found',
    remedy: 'the newest are 7, 3',
  });
});

t.test(
  'the signing token of a machine is shown with its newest boot, wherever it stands in the list',
  async (t) => {
    const token: SessionView = {
      ...session,
      id: 9,
      openedAt: T0 + 500,
      signingUntil: T0 + 86_400_000,
      stage: 'script',
    };
    const events = [
      event(0),
      event(600, {
        sessionId: 9,
        kind: 'http.csr',
        asked: 'POST /boot/9-…/csr?name=node',
        answered: 'the certificate node',
      }),
      event(700, {
        sessionId: 9,
        kind: 'security.alarm',
        outcome: 'noted',
        answered: 'a second key',
        reasons: [],
      }),
    ];
    for (const sessions of [
      [token, session],
      [session, token],
    ]) {
      const text = await run({ mac: MAC }, { sessions, events });
      t.match(
        text,
        /Session 7, .*\n\n.*GET \/assets\/vmlinuz[^]*\nSigning token \(session 9\), made .*: good until 2026-01-03/,
      );
      t.match(text, /\+0.100s {14}POST \/boot\/9-…\/csr\?name=node\n *the certificate node/);
      t.match(text, /ALARM: a second key/);
      t.match(JSON.parse(await run({ mac: MAC, json: true }, { sessions, events })), {
        session: { id: 7 },
        token: { session: { id: 9 }, events: [{ sessionId: 9 }, { sessionId: 9 }] },
      });
    }
    const alone = await run({ mac: MAC }, { sessions: [token], events });
    t.match(alone, /\nSigning token \(session 9\)/);
    t.equal(alone.match(/Signing token/g)?.length, 1);
    const replaced = { ...token, end: 'superseded' as const };
    t.match(
      await run({ mac: MAC, session: 9 }, { sessions: [session, replaced], events }),
      /void, since a newer one/,
    );
  },
);

t.test('a session that is too old for the list is shown by its events', async (t) => {
  const events = [event(0), event(-60_000, { sessionId: 2, asked: 'DISCOVER' })];
  const text = await run({ mac: MAC, session: 2 }, { events });
  t.match(text, /Session 2, an older one, opened 2026-01-02 03:03:05 UTC[\s\S]*\+0\.000s.*DISCOVER/);
  t.notMatch(text, 'vmlinuz');
  const json = JSON.parse(await run({ mac: MAC, session: 2, json: true }, { events }));
  t.match(json, { machine: { mac: MAC }, olderSession: 2, events: [{ asked: 'DISCOVER' }] });
});

t.test('following prints what is known, then what comes, each event once', async (t) => {
  const events = [event(0), event(1_000, { asked: 'GET /assets/initrd' })];
  const live = [
    event(1_000, { asked: 'GET /assets/initrd' }),
    event(2_000, { asked: 'GET /boot/7-…' }),
    event(9_000, { asked: 'DISCOVER', sessionId: 8 }),
    event(9_500, { asked: 'RRQ', sessionId: 8 }),
  ];
  const text = await run({ mac: MAC, follow: true }, { events, live });
  t.equal(text.match(/initrd/g)?.length, 1);
  t.match(
    text,
    /\+2\.000s {14}GET \/boot\/7-…[\s\S]*\nSession 8\n {3}\+0\.000s {14}DISCOVER[\s\S]*\+0\.500s {14}RRQ/,
  );
  t.notMatch(await run({ mac: MAC, session: 7, follow: true }, { events, live }), 'DISCOVER');
  const lines = (await run({ mac: MAC, follow: true, json: true }, { events, live })).trim().split('\n');
  t.same(
    lines.slice(1).map((line) => JSON.parse(line).asked),
    ['GET /boot/7-…', 'DISCOVER', 'RRQ'],
  );
});

t.test('a machine can be followed before it is powered on, and all of them together', async (t) => {
  const live = [event(0, { asked: 'DISCOVER' })];
  t.match(
    await run({ mac: MAC, follow: true }, { unseen: true, live }),
    /was not seen yet; waiting[\s\S]*\+0\.000s/,
  );
  t.match(await run({ follow: true }, { live }), /^52:54:00:12:34:56\n[\s\S]*DISCOVER/);
  await t.rejects(run({ mac: MAC }, { unseen: true }), { code: 'not-found' });
});

t.test('wrong usage is said as such', async (t) => {
  await t.rejects(run({ mac: 'worker' }), { code: 'usage', message: 'worker is no MAC' });
  await t.rejects(run({ session: 3 }), { code: 'usage' });
});

t.test('what a machine says cannot act on the terminal', async (t) => {
  const text = formatEvent(
    event(0, { asked: 'GET /\u001b[2J\u202e', answered: 'a\nb', reasons: ['\u0007bell'] }),
    T0,
  );
  // oxlint-disable-next-line no-control-regex
  t.notMatch(text.replaceAll('\n', ''), /[\u0000-\u001f\u202e]/);
  t.equal(text.split('\n').length, 3);
});

t.test('ages use the largest unit that fits, and a clock that ran back is no age', async (t) => {
  const ages = [-5_000, 0, 59_999, 60_000, 3_599_999, 3_600_000, 86_399_999, 86_400_000 * 400].map(formatAge);
  t.same(ages, ['0s', '0s', '59s', '1m', '59m', '1h', '23h', '400d']);
});
