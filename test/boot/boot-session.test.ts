import t from 'tap';
import { advanceSession, type SessionContext, type SessionStep } from '../../src/boot/boot-session.ts';
import type { EventKind } from '../../src/machine/event.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { STAGES, type Stage } from '../../src/machine/stage.ts';

const mac = '52:54:00:00:00:01' as Mac;
const IDLE = 60_000;
const context: SessionContext = { mac, nextId: 8, idleTime: IDLE };

function step(kind: EventKind, more: Partial<SessionStep> = {}): SessionStep {
  return { at: 2000, kind, ...more };
}

function openAt(stage: Stage): BootSession {
  return {
    id: 7,
    mac,
    openedAt: 1000,
    updatedAt: 1500,
    stage,
    stageTimes: { discovered: 1000, [stage]: 1500 },
  };
}

/** Nothing was heard of it for as long as is allowed, and `more` ms. */
function silentAt(stage: Stage, more: number): BootSession {
  return { ...openAt(stage), updatedAt: 2000 - IDLE - more };
}

function ended(end: NonNullable<BootSession['end']>): BootSession {
  return { ...openAt('booted'), end, endedAt: 1800 };
}

const rom = { client: 'rom', stage: 'offered' } as const;
const ipxe = { client: 'ipxe', stage: 'offered' } as const;
const script = { client: 'script', stage: 'script' } as const;

interface Row {
  readonly name: string;
  readonly current: BootSession | undefined;
  readonly step: SessionStep;
  /** opens: a new one; carries: the same goes on; none: nothing opens; late: an ended one stays as it is. */
  readonly expect: 'opens' | 'supersedes' | 'carries' | 'none' | 'late';
  readonly reason?: RegExp;
}

const rows: readonly Row[] = [
  {
    name: "a ROM's DISCOVER opens the first session",
    current: undefined,
    step: step('dhcp.discover', rom),
    expect: 'opens',
    reason: /ROM asks/,
  },
  {
    name: "iPXE's DISCOVER opens the first session",
    current: undefined,
    step: step('dhcp.discover', ipxe),
    expect: 'opens',
    reason: /iPXE asks/,
  },
  {
    name: 'a DISCOVER on 4011 opens one too',
    current: undefined,
    step: step('pxe.discover', rom),
    expect: 'opens',
  },
  {
    name: 'a DISCOVER that was ignored still opens one',
    current: undefined,
    step: step('dhcp.discover', { client: 'rom' }),
    expect: 'opens',
  },
  {
    name: "the operating system's DISCOVER opens none",
    current: undefined,
    step: step('dhcp.discover'),
    expect: 'none',
  },
  { name: 'a renewal opens none', current: undefined, step: step('dhcp.request'), expect: 'none' },
  { name: "a ROM's REQUEST opens none", current: undefined, step: step('dhcp.request', rom), expect: 'none' },
  {
    name: 'a REQUEST on 4011 opens none',
    current: undefined,
    step: step('pxe.request', rom),
    expect: 'none',
  },
  {
    name: "a stranger's TFTP read opens none",
    current: undefined,
    step: step('tftp.read', { stage: 'firmware' }),
    expect: 'none',
  },
  {
    name: 'boot.ipxe opens none',
    current: undefined,
    step: step('http.boot-script', { client: 'script' }),
    expect: 'none',
  },
  {
    name: 'an asset opens none',
    current: undefined,
    step: step('http.asset', { stage: 'kernel' }),
    expect: 'none',
  },
  {
    name: 'a script opens one where DHCP was not seen',
    current: undefined,
    step: step('http.script', script),
    expect: 'opens',
    reason: /did not come by here/,
  },
  {
    name: 'a script from a browser opens none',
    current: undefined,
    step: step('http.script', { stage: 'script' }),
    expect: 'none',
  },
  {
    name: "a ROM's repeated DISCOVER stays in its session",
    current: openAt('offered'),
    step: step('dhcp.discover', rom),
    expect: 'carries',
  },
  {
    name: "a ROM's DISCOVER after the boot file stays in its session",
    current: openAt('firmware'),
    step: step('dhcp.discover', rom),
    expect: 'carries',
  },
  {
    name: "iPXE's DISCOVER follows the ROM's in the same session",
    current: openAt('firmware'),
    step: step('dhcp.discover', ipxe),
    expect: 'carries',
  },
  {
    name: "a ROM's DISCOVER after the script supersedes",
    current: openAt('script'),
    step: step('dhcp.discover', rom),
    expect: 'supersedes',
    reason: /reset/,
  },
  {
    name: "a ROM's DISCOVER after the configuration supersedes",
    current: openAt('config'),
    step: step('pxe.discover', rom),
    expect: 'supersedes',
  },
  {
    name: "iPXE's repeated DHCP after a failed kernel stays in its session",
    current: openAt('kernel'),
    step: step('dhcp.discover', ipxe),
    expect: 'carries',
  },
  {
    name: "iPXE's DISCOVER after the system fetched its configuration supersedes",
    current: openAt('config'),
    step: step('dhcp.discover', ipxe),
    expect: 'supersedes',
    reason: /reset/,
  },
  {
    name: "the operating system's DISCOVER after the configuration carries on",
    current: openAt('config'),
    step: step('dhcp.discover'),
    expect: 'carries',
  },
  {
    name: 'a script asked for again stays in its session',
    current: openAt('script'),
    step: step('http.script', script),
    expect: 'carries',
  },
  {
    name: 'a script asked for after the configuration supersedes',
    current: openAt('config'),
    step: step('http.script', script),
    expect: 'supersedes',
  },
  {
    name: 'a ROM opens the next session after a boot',
    current: ended('booted'),
    step: step('dhcp.discover', rom),
    expect: 'opens',
  },
  {
    name: 'iPXE opens the next session after a boot',
    current: ended('ready'),
    step: step('dhcp.discover', ipxe),
    expect: 'opens',
  },
  {
    name: 'a script opens the next session after a boot, and says so',
    current: ended('booted'),
    step: step('http.script', script),
    expect: 'opens',
    reason: /after session 7 ended/,
  },
  ...(['offered', 'kernel'] as const).flatMap((stage): Row[] => [
    {
      name: `a ROM's DISCOVER after a long silence supersedes, at ${stage}`,
      current: silentAt(stage, 1),
      step: step('dhcp.discover', rom),
      expect: 'supersedes',
      ...(stage === 'offered' ? { reason: /silent/ } : {}),
    },
    {
      name: `iPXE's DISCOVER after a long silence supersedes, at ${stage}`,
      current: silentAt(stage, 1),
      step: step('dhcp.discover', ipxe),
      expect: 'supersedes',
      reason: /silent/,
    },
    {
      name: `a script asked for after a long silence supersedes, at ${stage}`,
      current: silentAt(stage, 1),
      step: step('http.script', script),
      expect: 'supersedes',
      reason: /silent/,
    },
    {
      name: `iPXE's DISCOVER after a silence that is just allowed carries on, at ${stage}`,
      current: silentAt(stage, 0),
      step: step('dhcp.discover', ipxe),
      expect: 'carries',
    },
    ...(['dhcp.discover', 'http.config', 'http.report'] as const).map(
      (kind): Row => ({
        name: `a ${kind} of the operating system after a long silence carries on, at ${stage}`,
        current: silentAt(stage, 1),
        step: step(kind),
        expect: 'carries',
      }),
    ),
  ]),
  ...(
    [
      'tftp.done',
      'http.asset',
      'http.config',
      'http.report',
      'dhcp.request',
      'dhcp.discover',
      'http.boot-script',
    ] as const
  ).map(
    (kind): Row => ({
      name: `a late ${kind} leaves an ended session alone`,
      current: ended('booted'),
      step: step(kind, { stage: 'ready', end: 'handed-over' }),
      expect: 'late',
      reason: /late/,
    }),
  ),
];

for (const row of rows) {
  t.test(row.name, async (t) => {
    const before = structuredClone(row.current);
    const { session, ended: over, opened, reasons } = advanceSession(row.current, row.step, context);
    t.same(row.current, before, 'the former session is a value and stays as it was');
    if (row.reason !== undefined) t.match(reasons[0], row.reason);
    switch (row.expect) {
      case 'opens':
      case 'supersedes':
        t.equal(opened, true);
        t.equal(session?.id, 8);
        t.equal(session?.stage, row.step.stage ?? 'discovered');
        t.equal(session?.openedAt, 2000);
        const heard = row.step.kind === 'http.script' ? {} : { discovered: 2000 };
        t.same(session?.stageTimes, { ...heard, [row.step.stage ?? 'discovered']: 2000 });
        t.ok(reasons.length > 0);
        if (row.expect === 'opens') t.equal(over, undefined);
        else t.match(over, { id: 7, end: 'superseded', endedAt: 2000, stage: row.current?.stage });
        break;
      case 'carries':
        t.equal(opened, false);
        t.equal(session?.id, 7);
        t.equal(session?.end, undefined);
        t.equal(session?.updatedAt, 2000);
        t.equal(over, undefined);
        break;
      case 'none':
        t.same({ session, over, opened }, { session: undefined, over: undefined, opened: false });
        t.ok(reasons.length > 0);
        break;
      case 'late':
        t.equal(session, row.current);
        t.equal(opened, false);
        t.equal(over, undefined);
        break;
    }
  });
}

t.test('a stage never goes back, whatever comes in whatever order', async (t) => {
  for (const now of STAGES.slice(0, -2)) {
    for (const late of STAGES.slice(0, -2)) {
      const { session } = advanceSession(openAt(now), step('tftp.read', { stage: late }), context);
      t.equal(
        session?.stage,
        STAGES[Math.max(STAGES.indexOf(now), STAGES.indexOf(late))],
        `${now}, then ${late}`,
      );
    }
  }
});

t.test("a stage's time is the first one", async (t) => {
  const first = advanceSession(
    openAt('firmware'),
    step('http.script', { ...script, at: 3000 }),
    context,
  ).session;
  const again = advanceSession(first, step('http.script', { ...script, at: 4000 }), context).session;
  t.same(again?.stageTimes, { discovered: 1000, firmware: 1500, script: 3000 });
  t.equal(again?.updatedAt, 4000);
});

t.test('the time of the newest script is kept, and a machine that is told to wait got none', async (t) => {
  const waits = advanceSession(undefined, step('http.script', { client: 'script' }), context).session;
  t.equal(waits?.scriptAt, undefined);
  const first = advanceSession(waits, step('http.script', { ...script, at: 3000 }), context).session;
  const again = advanceSession(first, step('http.script', { ...script, at: 4000 }), context).session;
  const late = advanceSession(again, step('http.script', { client: 'script', at: 5000 }), context).session;
  t.same([first?.scriptAt, again?.scriptAt, late?.scriptAt], [3000, 4000, 4000]);
});

t.test('a packet with an older time does not turn the clock back', async (t) => {
  t.equal(advanceSession(openAt('script'), step('http.asset', { at: 10 }), context).session?.updatedAt, 1500);
});

t.test('what /ipxe decided is kept', async (t) => {
  const assigned = { role: 'worker', hostname: 'node-1', address: 0x0a4d000a as Ipv4 };
  const { session } = advanceSession(
    openAt('firmware'),
    step('http.script', { ...script, assigned }),
    context,
  );
  t.match(session, assigned);
  t.equal(session?.lastStage, 'booted', 'where nothing else is said');
  const without = advanceSession(
    session,
    step('http.script', { ...script, assigned: { role: 'etcd', hostname: 'e' } }),
    context,
  );
  t.match(without.session, { role: 'etcd', hostname: 'e', address: assigned.address });
});

t.test('a session ends with its last stage', async (t) => {
  const cases = [
    ['booted', 'booted', 'booted'],
    ['booted', 'ready', 'ready'],
    ['ready', 'booted', undefined],
    ['ready', 'ready', 'ready'],
    ['booted', 'config', undefined],
  ] as const;
  for (const [lastStage, stage, end] of cases) {
    const { session, ended: over } = advanceSession(
      { ...openAt('config'), lastStage },
      step('http.report', { stage }),
      context,
    );
    t.equal(session?.end, end, `${stage} where ${lastStage} is the last`);
    t.equal(session?.endedAt, end === undefined ? undefined : 2000);
    t.equal(over, end === undefined ? undefined : session);
  }
});

t.test('a session ends as the step says', async (t) => {
  for (const end of ['handed-over', 'superseded'] as const) {
    const { session, reasons } = advanceSession(openAt('script'), step('http.report', { end }), context);
    t.match(session, { end, endedAt: 2000, stage: 'script' });
    t.match(reasons[0], end);
  }
});

t.test('a session may open and end with one step, and the superseded one is what ended', async (t) => {
  const step1 = step('http.script', { ...script, end: 'handed-over' });
  const first = advanceSession(undefined, step1, context);
  t.match(first, { opened: true, session: { id: 8, end: 'handed-over' }, ended: { id: 8 } });
  const second = advanceSession(openAt('config'), step1, context);
  t.match(second, {
    opened: true,
    session: { id: 8, end: 'handed-over' },
    ended: { id: 7, end: 'superseded' },
  });
});

t.test('a stage that is proven late was reached before the one that follows it', (t) => {
  const late = step('tftp.done', { stage: 'firmware', at: 9000 });
  const opened = advanceSession(undefined, step('dhcp.discover', rom), context).session;
  const scripted = advanceSession(opened, step('http.script', { ...script, at: 3000 }), context).session;
  const { session } = advanceSession(scripted, late, context);
  t.same(session?.stageTimes, { discovered: 2000, offered: 2000, script: 3000, firmware: 3000 });
  t.equal(session?.stage, 'script');
  t.end();
});

t.test('who waits for approval is marked since it first did, until it is answered otherwise', (t) => {
  const waits = (at: number) => step('http.script', { client: 'script', waits: true, at });
  const first = advanceSession(openAt('firmware'), waits(2000), context).session;
  t.match(first, { id: 7, stage: 'firmware', waitingSince: 2000 });
  const again = advanceSession(first, waits(9000), context).session;
  t.match(again, { waitingSince: 2000, updatedAt: 9000 });
  const reset = advanceSession(again, step('dhcp.discover', { ...rom, at: 9500 }), context).session;
  t.match(reset, { waitingSince: 2000 }, 'packets say nothing of it');
  const rows: [string, Partial<SessionStep>][] = [
    ['its script', script],
    ['a refusal', { client: 'script', waits: false }],
    ['a script that could not be made', { client: 'script' }],
  ];
  for (const [name, answer] of rows) {
    const { session } = advanceSession(reset, step('http.script', { ...answer, at: 9900 }), context);
    t.notOk('waitingSince' in (session ?? {}), name);
    t.equal(session?.id, 7, name);
  }
  const opened = advanceSession(undefined, waits(2000), context);
  t.match(opened, { opened: true, session: { waitingSince: 2000 } }, 'also where it opens the session');
  t.end();
});

t.test('a machine that says it failed is marked, and may boot all the same', (t) => {
  const failed = advanceSession(openAt('config'), step('http.report', { failed: true }), context).session;
  t.match(failed, { stage: 'config', failedAt: 2000 });
  t.equal(failed?.end, undefined);
  const booted = advanceSession(failed, step('http.report', { stage: 'booted', at: 9000 }), context).session;
  t.match(booted, { stage: 'booted', end: 'booted', failedAt: 2000 });
  t.end();
});

t.test('an alarm marks a session, also one that has ended, and carries it no further', (t) => {
  const alarm = (at: number) => step('security.alarm', { at });
  const open = advanceSession(openAt('config'), alarm(2000), context).session;
  t.match(open, { id: 7, stage: 'config', alarmedAt: 2000 });
  const later = advanceSession(open, step('http.report', { stage: 'booted', at: 3000 }), context).session;
  t.match(later, { end: 'booted', alarmedAt: 2000 }, 'it stays');
  const ended = advanceSession(later, alarm(9000), context);
  t.same(ended.session, { ...later, alarmedAt: 9000 });
  t.equal(ended.ended, undefined, 'it does not end twice');
  const next = advanceSession(ended.session, step('dhcp.discover', { ...rom, at: 9500 }), context).session;
  t.notOk('alarmedAt' in (next ?? {}), 'the next boot begins without');
  t.end();
});

const joining: BootSession = { ...openAt('config'), lastStage: 'ready', role: 'worker', hostname: 'node-1' };
const nodeReady = (at: number, bootId = 'boot-a') => step('node.ready', { at, stage: 'ready', bootId });

t.test('a Node that is ready ends the session of a machine that joins a cluster', (t) => {
  const assigned = { role: 'worker', hostname: 'node-1', lastStage: 'ready' } as const;
  const scripted = advanceSession(openAt('firmware'), step('http.script', { ...script, assigned }), context);
  t.equal(scripted.session?.lastStage, 'ready');
  const booted = advanceSession(scripted.session, step('http.report', { stage: 'booted' }), context);
  t.match(booted.session, { stage: 'booted', end: undefined });
  const ready = advanceSession(booted.session, nodeReady(3000), context);
  t.match(ready.session, { stage: 'ready', end: 'ready', endedAt: 3000, bootId: 'boot-a' });
  t.equal(ready.ended, ready.session);
  t.end();
});

for (const kind of ['node.not-ready', 'node.deleted'] as const) {
  t.test(`${kind} takes a session that is ready back to booted, and ready ends it again`, (t) => {
    const ready = advanceSession(joining, nodeReady(3000), context).session;
    const frozen = structuredClone(ready);
    const back = advanceSession(ready, step(kind, { at: 4000 }), context);
    t.same(ready, frozen, 'the former session is a value and stays as it was');
    t.same([back.opened, back.ended], [false, undefined]);
    t.match(back.reasons[0], /goes back to booted/);
    const { end: _end, endedAt: _endedAt, ...rest } = ready ?? joining;
    t.same(back.session, {
      ...rest,
      stage: 'booted',
      stageTimes: joining.stageTimes,
      updatedAt: 4000,
    });
    const again = advanceSession(back.session, nodeReady(5000), context);
    t.match(again.session, { stage: 'ready', end: 'ready', endedAt: 5000, stageTimes: { ready: 5000 } });
    t.equal(again.ended, again.session);
    t.end();
  });

  t.test(`${kind} leaves alone what is not ready`, (t) => {
    for (const end of ['booted', 'handed-over', 'superseded'] as const) {
      const over = { ...ended(end), lastStage: 'ready' } as const;
      t.equal(advanceSession(over, step(kind), context).session, over, end);
    }
    const { session, ended: over } = advanceSession(joining, step(kind), context);
    t.match(session, { stage: 'config', end: undefined });
    t.equal(over, undefined);
    t.equal(advanceSession(undefined, step(kind), context).session, undefined, 'and opens none');
    t.end();
  });
}

t.test('nothing but its Node takes a session back from ready', (t) => {
  const ready = advanceSession(joining, nodeReady(3000), context).session;
  for (const kind of ['http.report', 'http.config', 'node.ready', 'dhcp.request'] as const) {
    t.equal(advanceSession(ready, step(kind, { stage: 'booted' }), context).session, ready, kind);
  }
  t.end();
});

t.test('a session knows the boot ID of the boot before, also across boots without a Node', (t) => {
  const first = advanceSession(joining, nodeReady(3000), context).session;
  const second = advanceSession(first, step('dhcp.discover', { ...rom, at: 4000 }), context).session;
  t.match(second, { id: 8, formerBootId: 'boot-a', bootId: undefined, lastStage: undefined });
  const scripted = advanceSession(second, step('http.script', { ...script, at: 5000 }), context).session;
  const third = advanceSession(scripted, step('dhcp.discover', { ...rom, at: 6000 }), {
    ...context,
    nextId: 9,
  });
  t.match(third.session, { id: 9, formerBootId: 'boot-a' });
  const ready = advanceSession({ ...joining, formerBootId: 'boot-a' }, nodeReady(7000, 'boot-b'), context);
  const fourth = advanceSession(ready.session, step('dhcp.discover', { ...rom, at: 8000 }), context).session;
  t.equal(fourth?.formerBootId, 'boot-b');
  t.end();
});

t.test('what is refused keeps no session from growing silent', (t) => {
  const open = openAt('script');
  for (const kind of ['http.config', 'http.csr'] as const) {
    const refused = advanceSession(open, step(kind, { outcome: 'refused', at: 9000 }), context).session;
    t.equal(refused?.updatedAt, open.updatedAt, kind);
    for (const outcome of ['answered', 'failed'] as const) {
      t.equal(advanceSession(open, step(kind, { outcome, at: 9000 }), context).session?.updatedAt, 9000);
    }
  }
  const waits = step('http.script', { ...script, outcome: 'refused', waits: true, at: 9000 });
  t.equal(advanceSession(open, waits, context).session?.updatedAt, 9000, 'a machine that waits is there');
  t.end();
});

const assigned = (role: string) => ({
  role,
  hostname: 'node-1',
  lastStage: 'ready' as const,
  registration: { role, nodeName: 'node-1', marks: 'm' },
});

t.test('a session knows what the Node that was left registered with', (t) => {
  let at = 10_000;
  let current: BootSession | undefined;
  const go = (kind: EventKind, more: Partial<SessionStep> = {}) => {
    current = advanceSession(current, step(kind, { at: ++at, ...more }), { ...context, nextId: at }).session;
    return current?.formerRegistration;
  };
  const boot = (role: string | undefined, config = true) => {
    go('dhcp.discover', rom);
    go('http.script', role === undefined ? script : { ...script, assigned: assigned(role) });
    if (config) go('http.config', { stage: 'config' });
    return current?.formerRegistration;
  };
  t.equal(boot('a'), undefined);
  t.match(boot('b', false), { role: 'a' });
  t.match(boot('c', false), { role: 'a' }, 'no kubelet starts without its configuration');
  t.match(boot(undefined), { role: 'a' }, 'a role that says nothing of Nodes');
  t.match(boot('b'), { role: 'a' });
  t.match(boot('b'), { role: 'b' });
  t.match(boot('c'), { role: 'b' });
  t.match(go('node.left'), { role: 'b', left: true });
  t.match(boot('d'), { role: 'b', left: true }, 'it is there still');
  t.equal(go('node.deleted'), undefined);
  t.match(boot('e'), { role: 'd' });
  go('node.ready', { stage: 'ready' });
  t.equal(current?.end, 'ready');
  t.equal(go('node.deleted'), undefined, 'also of a session that was ready');
  t.end();
});

const STALL = {
  at: 2000,
  stage: 'offered',
  diagnosis: { name: 'offer-not-taken', title: 'no', evidence: ['so'], remedy: 'do' },
} as const;

t.test('a stall is a mark that ends with a later stage, a question that waits, or the next session', (t) => {
  const advance = (current: BootSession, next: SessionStep) => advanceSession(current, next, context).session;
  const marked = advance(openAt('offered'), step('session.stalled', { stalled: STALL, outcome: 'noted' }));
  t.match(marked, { id: 7, stage: 'offered', stalled: STALL, updatedAt: 1500 }, 'which makes it no younger');
  t.equal(marked?.end, undefined);
  if (marked === undefined) return t.end();
  t.same(advance(marked, step('dhcp.discover', rom))?.stalled, STALL, 'the same stage');
  t.same(advance(marked, step('dhcp.discover', { client: 'rom' }))?.stalled, STALL, 'an earlier one');
  t.equal(advance(marked, step('tftp.done', { stage: 'firmware' }))?.stalled, undefined, 'a later one');
  const waits = advance(marked, step('http.script', { client: 'script', outcome: 'refused', waits: true }));
  t.match(waits, { waitingSince: 2000 });
  t.equal(waits?.stalled, undefined);
  const ignored = advanceSession(
    marked,
    step('dhcp.discover', { ...rom, at: marked.updatedAt + IDLE + 1 }),
    context,
  );
  t.match(ignored, { opened: true, session: { id: 8 }, ended: { id: 7, stalled: STALL } });
  t.equal(ignored.session?.stalled, undefined);
  t.end();
});
