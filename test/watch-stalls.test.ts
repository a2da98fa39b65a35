import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import type { DaemonFacts } from '../src/boot/diagnosis-case.ts';
import { createLoggers } from '../src/logger.ts';
import type { Mac } from '../src/machine/mac.ts';
import type { Role } from '../src/machine/role.ts';
import type { StageTimes } from '../src/machine/stage.ts';
import { createJournal } from '../src/store/journal.ts';
import type { Observation } from '../src/store/port.ts';
import { openStore } from '../src/store/sqlite-store.ts';
import { watchStalls } from '../src/watch-stalls.ts';
import { makeRole } from './support/make-role.ts';
import { TRACE_MAC as MAC } from './support/trace-events.ts';

const MINUTE = 60_000;
const base = mkdtempSync(join(tmpdir(), 'tinderbox-stalls-'));
t.teardown(() => rmSync(base, { recursive: true, force: true }));
let made = 0;
const NO_TIMES: StageTimes = {};

const FACTS: DaemonFacts = {
  mode: 'server',
  uefiProxy: 'pxe',
  otherBootServers: [],
  nobodyGivesAddresses: false,
  missingAssets: [],
  ports: { http: 80, tftp: 69 },
};

/** A real journal over a real database, with a clock that goes only when it is told. */
async function setUp({
  file = join(base, `${++made}.db`),
  role = undefined as Role | undefined,
  expectedRole = undefined as Role | undefined,
  stageTime = NO_TIMES,
  at = 1_700_000_000_000,
} = {}) {
  const time = { now: at, up: 5_000_000 };
  const lines: string[] = [];
  const output = new PassThrough();
  output.on('data', (chunk) => lines.push(...String(chunk).split('\n').filter(Boolean)));
  const { store: logger, daemon } = createLoggers({ destination: output, level: 'info' });
  const now = () => time.now;
  const store = await openStore({
    file,
    durability: 'process',
    openedAt: at,
    limits: { age: 1e12, bytes: 1e9 },
    logger,
    onFailure: () => undefined,
  });
  const journal = createJournal({
    store,
    state: await store.load(),
    clock: now,
    uptime: () => time.up,
    idleTime: 60 * MINUTE,
    logger,
  });
  const facts = { ...FACTS };
  const queued = new Set<Mac>();
  const watch = watchStalls({
    journal,
    store,
    roleOf: () => role,
    expectedRole: () => expectedRole,
    stageTime,
    isQueued: (mac) => queued.has(mac),
    facts: async () => facts,
    logger: daemon,
    now,
    uptime: () => time.up,
  });
  const pass = async (ms: number): Promise<void> => {
    time.now += ms;
    time.up += ms;
    await watch.look();
  };
  return {
    file,
    facts,
    queued,
    time,
    journal,
    watch,
    pass,
    said: () => lines.filter((line) => line.includes('stalled at')),
    session: () => journal.sessionOf(MAC),
    events: async () => {
      await journal.flush();
      return store.listEvents({ mac: MAC, limit: 500 });
    },
    see(observation: Partial<Observation>): void {
      journal.record({
        at: time.now,
        kind: 'dhcp.discover',
        outcome: 'answered',
        asked: 'DISCOVER xid 0x1 from 52:54:00:12:34:56 "PXEClient:Arch:00007" arch 7',
        answered: 'OFFER, boot snponly.efi',
        reasons: [],
        via: 'br0',
        mac: MAC,
        facts: { mac: MAC },
        ...observation,
      });
    },
    async stop() {
      await watch[Symbol.asyncDispose]();
      await journal.close();
      await store.close();
    },
  };
}

const ROM = { client: 'rom', stage: 'offered' } as const;
const SCRIPT = {
  kind: 'http.script',
  client: 'script',
  stage: 'script',
  asked: 'GET /ipxe',
  answered: 'the script of role worker',
  assigned: { role: 'worker', hostname: 'node-1' },
} as const;
const get = (path: string, stage: 'kernel' | 'initrd') =>
  ({ kind: 'http.asset', asked: `GET ${path}`, answered: '200', stage }) as const;

t.test('a session that overran its stage is marked once, with evidence and a line of the log', async (t) => {
  const lab = await setUp();
  for (const until of [4_000, 8_000, 16_000, 31_000]) {
    lab.see(ROM);
    await lab.pass(0);
    await lab.pass(until);
  }
  t.equal(lab.session()?.stalled, undefined, 'after 59 s it has a second left');
  const { updatedAt } = lab.session() ?? {};
  const seen = lab.journal.machine(MAC)?.lastSeen;
  await lab.pass(2_000);
  t.match(lab.session()?.stalled, {
    stage: 'offered',
    at: lab.time.now,
    diagnosis: { name: 'offer-not-taken' },
  });
  t.equal(lab.session()?.updatedAt, updatedAt, 'which makes it no younger');
  t.equal(lab.journal.machine(MAC)?.lastSeen, seen, 'and is nothing that was heard of it');
  for (let minute = 0; minute < 5; minute++) await lab.pass(MINUTE);
  t.equal(lab.said().length, 1);
  t.match(JSON.parse(lab.said()[0] ?? '{}'), {
    level: 40,
    mac: MAC,
    diagnosis: 'offer-not-taken',
    msg: /takes no offer/,
  });
  const events = (await lab.events()).filter(({ kind }) => kind === 'session.stalled');
  t.equal(events.length, 1);
  t.match(events[0], {
    sessionId: 1,
    outcome: 'noted',
    asked: /^stalled at offered: its firmware takes no offer/,
  });
  t.match(events[0]?.reasons.join('\n'), /each answered, and no REQUEST[\s\S]*do: In proxy mode/);
  t.match(lab.journal.counters().get('stalls.offer-not-taken'), 1);
  await lab.stop();
});

t.test('a later stage takes the mark away, and so does a new session', async (t) => {
  const lab = await setUp();
  lab.see(ROM);
  await lab.pass(0);
  await lab.pass(2 * MINUTE);
  t.ok(lab.session()?.stalled);
  lab.see(ROM);
  t.ok(lab.session()?.stalled, 'the same stage again does not');
  lab.see(SCRIPT);
  t.equal(lab.session()?.stalled, undefined);
  await lab.pass(0);
  await lab.pass(6 * MINUTE);
  t.match(lab.session()?.stalled?.diagnosis, { name: 'kernel-not-fetched' }, 'it may stall again, elsewhere');
  lab.see(ROM);
  t.match(lab.session(), { id: 2, stage: 'offered' });
  t.equal(lab.session()?.stalled, undefined);
  await lab.stop();
});

t.test('who waits for a person is not stalled', async (t) => {
  const lab = await setUp({ role: { ...makeRole('worker'), boot: { kind: 'hold' } } });
  lab.see(ROM);
  await lab.pass(0);
  await lab.pass(2 * MINUTE);
  t.ok(lab.session()?.stalled, 'not yet waiting');
  lab.see({ kind: 'http.script', client: 'script', asked: 'GET /ipxe', outcome: 'refused', waits: true });
  t.equal(lab.session()?.stalled, undefined, 'waiting ends it');
  await lab.pass(120 * MINUTE);
  t.equal(lab.session()?.stalled, undefined);
  lab.see(SCRIPT);
  await lab.pass(0);
  await lab.pass(120 * MINUTE);
  t.match(lab.session(), { stage: 'script', role: 'worker' });
  t.equal(lab.session()?.stalled, undefined, 'nor does `hold` stall');
  await lab.stop();
});

t.test('who waits for its turn to load is not stalled, and has the time of its stage anew', async (t) => {
  const site = await setUp();
  site.see({ client: 'rom', stage: 'offered' });
  await site.pass(0);
  site.queued.add(MAC);
  await site.pass(60 * MINUTE);
  t.equal(site.session()?.stalled, undefined);
  site.queued.delete(MAC);
  await site.pass(1000);
  await site.pass(50_000);
  t.equal(site.session()?.stalled, undefined, 'it stood still until now');
  await site.pass(11_000);
  t.equal(site.session()?.stalled?.stage, 'offered');
  site.see({ kind: 'http.script', client: 'script', outcome: 'noted', queued: true });
  t.equal(site.session()?.stalled, undefined, 'it is heard of again, and waits');
  await site.stop();
});

t.test('times are those of tinderbox.yaml, and over them those of the role', async (t) => {
  const role = { ...makeRole('worker'), stageTime: { script: 5, kernel: 'off' } } as const;
  const lab = await setUp({ role, stageTime: { offered: 3, script: 1000 } });
  lab.see(ROM);
  await lab.pass(0);
  await lab.pass(2_900);
  t.equal(lab.session()?.stalled, undefined);
  await lab.pass(200);
  t.match(lab.session()?.stalled, { stage: 'offered' });
  lab.see(SCRIPT);
  await lab.pass(0);
  await lab.pass(5_100);
  t.match(lab.session()?.stalled, { stage: 'script' });
  lab.see(get('/assets/vmlinuz', 'kernel'));
  await lab.pass(0);
  await lab.pass(30 * MINUTE);
  t.equal(lab.session()?.stalled, undefined, 'off');
  await lab.stop();
});

t.test(
  'a machine whose loader is its kernel has no role yet, and the time of the one that it is given',
  async (t) => {
    const expectedRole = { ...makeRole('kernel-alone'), stageTime: { firmware: 'off' } } as const;
    const lab = await setUp({ expectedRole, stageTime: { offered: 3, firmware: 3 } });
    lab.see(ROM);
    lab.see({ kind: 'tftp.done', asked: 'RRQ linux.efi', answered: 'whole', stage: 'firmware' });
    await lab.pass(0);
    await lab.pass(30 * MINUTE);
    t.equal(lab.session()?.stalled, undefined);
    await lab.stop();

    const other = await setUp({ expectedRole, stageTime: { offered: 3 } });
    other.see(ROM);
    await other.pass(0);
    await other.pass(3_100);
    t.match(other.session()?.stalled, { stage: 'offered' }, 'of the other stages nothing is said');
    await other.stop();
  },
);

t.test('a better diagnosis replaces the first one, and says so once', async (t) => {
  const lab = await setUp();
  lab.see(ROM);
  await lab.pass(0);
  await lab.pass(2 * MINUTE);
  const first = lab.session()?.stalled;
  t.equal(first?.diagnosis.name, 'unknown');
  for (let round = 0; round < 4; round++) lab.see(ROM);
  await lab.pass(1_000);
  t.equal(lab.session()?.stalled?.diagnosis.name, 'unknown', 'not at once');
  await lab.pass(5_000);
  t.match(lab.session()?.stalled, { at: first?.at, diagnosis: { name: 'offer-not-taken' } });
  t.equal(lab.said().filter((line) => line.includes('"level":40')).length, 1, 'one warning');
  t.equal(lab.said().length, 2);
  // What the daemon learns counts as well, though nothing is heard of the machine.
  Object.assign(lab.facts, { otherBootServers: [{ address: '10.77.0.9', bootfile: 'pxelinux.0' }] });
  await lab.pass(61_000);
  t.equal(lab.session()?.stalled?.diagnosis.name, 'other-boot-server');
  await lab.stop();
});

t.test('who changes its trouble all the time keeps the last one', async (t) => {
  const lab = await setUp();
  lab.see(ROM);
  await lab.pass(0);
  await lab.pass(2 * MINUTE);
  for (let round = 0; round < 60; round++) {
    Object.assign(lab.facts, {
      otherBootServers: round % 2 === 0 ? [{ address: '10.77.0.9', bootfile: 'a' }] : [],
    });
    await lab.pass(61_000);
  }
  const marks = (await lab.events()).filter(({ kind }) => kind === 'session.stalled');
  t.equal(marks.length, 20);
  await lab.stop();
});

t.test('a machine that reports its failure is marked at once', async (t) => {
  const lab = await setUp();
  lab.see(ROM);
  lab.see(SCRIPT);
  lab.see({ kind: 'http.config', stage: 'config', asked: 'GET /boot/…/cloud-config' });
  await lab.pass(0);
  lab.see({
    kind: 'http.report',
    outcome: 'noted',
    failed: true,
    asked: 'POST report',
    reasons: ['the machine says that its boot failed', 'log: no disk'],
  });
  await lab.pass(1_000);
  t.match(lab.session()?.stalled?.diagnosis, {
    name: 'machine-reported-failure',
    evidence: [/./, 'log: no disk'],
  });
  await lab.stop();
});

t.test('a boot that begins again and again is marked where it always ends', async (t) => {
  const lab = await setUp();
  const boot = async (): Promise<void> => {
    lab.see(ROM);
    lab.see(SCRIPT);
    lab.see(get('/assets/vmlinuz', 'kernel'));
    lab.see(get('/assets/initrd.gz', 'initrd'));
    await lab.pass(20_000);
  };
  for (let round = 0; round < 3; round++) {
    await boot();
    t.equal(lab.session()?.stalled, undefined, `round ${round + 1}`);
  }
  await boot();
  t.match(lab.session()?.stalled, { stage: 'initrd', diagnosis: { name: 'boot-loop' } });
  lab.see({ kind: 'http.config', stage: 'config', asked: 'GET /boot/…/cloud-config' });
  t.equal(lab.session()?.stalled, undefined, 'until it gets further');
  await lab.stop();
});

t.test('the mark is there after a restart, and time goes on from where it stood', async (t) => {
  const before = await setUp();
  before.see(ROM);
  await before.pass(0);
  await before.pass(2 * MINUTE);
  const mark = before.session()?.stalled;
  await before.stop();
  const after = await setUp({ file: before.file, at: before.time.now + MINUTE });
  t.same(after.session()?.stalled, mark);
  await after.pass(0);
  await after.pass(5 * MINUTE);
  t.same(after.said(), [], 'it is not said again');
  after.see(SCRIPT);
  await after.pass(0);
  await after.pass(4 * MINUTE);
  await after.stop();
  const again = await setUp({ file: before.file, at: after.time.now + 2 * MINUTE });
  await again.pass(0);
  t.match(again.session()?.stalled, { stage: 'script' }, 'four minutes before it and two over it');
  await again.stop();
});

t.test('what was left off long before the start is no news', async (t) => {
  const before = await setUp();
  before.see(ROM);
  await before.stop();
  const after = await setUp({ file: before.file, at: before.time.now + 24 * 60 * MINUTE });
  await after.pass(0);
  await after.pass(10 * MINUTE);
  t.equal(after.session()?.stalled, undefined);
  after.see({ kind: 'tftp.read', asked: 'RRQ snponly.efi' });
  await after.pass(0);
  await after.pass(2 * MINUTE);
  t.ok(after.session()?.stalled, 'until something is heard of it');
  await after.stop();
});

t.test('a clock that is set stalls nobody', async (t) => {
  const lab = await setUp();
  lab.see(ROM);
  await lab.pass(0);
  lab.time.now += 24 * 60 * MINUTE;
  await lab.pass(1_000);
  t.equal(lab.session()?.stalled, undefined);
  await lab.pass(MINUTE);
  t.ok(lab.session()?.stalled);
  await lab.stop();
});

t.test(
  'a hall that stalls at once is diagnosed little by little, within the bounds of the log',
  async (t) => {
    const lab = await setUp();
    const macs = Array.from(
      { length: 200 },
      (_, index) => `52:54:00:00:01:${index.toString(16).padStart(2, '0')}` as Mac,
    );
    for (const mac of macs) lab.see({ ...ROM, mac, facts: { mac } });
    await lab.pass(0);
    await lab.pass(2 * MINUTE);
    const stalled = () => macs.filter((mac) => lab.journal.sessionOf(mac)?.stalled !== undefined).length;
    t.equal(stalled(), 25);
    for (let second = 0; second < 8; second++) await lab.pass(1_000);
    t.equal(stalled(), 200);
    t.ok(lab.said().length < 80, `${lab.said().length} lines`);
    await lab.stop();
  },
);

t.test('machines that stand still for long keep nobody waiting for a first diagnosis', async (t) => {
  const lab = await setUp();
  const macs = Array.from(
    { length: 40 },
    (_, index) => `52:54:00:00:02:${index.toString(16).padStart(2, '0')}` as Mac,
  );
  for (const mac of macs) lab.see({ ...ROM, mac, facts: { mac } });
  await lab.pass(0);
  await lab.pass(2 * MINUTE);
  await lab.pass(1_000);
  t.ok(macs.every((mac) => lab.journal.sessionOf(mac)?.stalled !== undefined));
  lab.see(ROM);
  await lab.pass(0);
  // Each of the forty is due to be looked at again, and there is nothing new of any of them.
  await lab.pass(2 * MINUTE);
  t.ok(lab.session()?.stalled);
  await lab.stop();
});
