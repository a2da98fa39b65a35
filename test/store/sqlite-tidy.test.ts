import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import type { BootEvent } from '../../src/machine/event.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { openSqliteDatabase, type SqliteDatabase } from '../../src/store/sqlite-database.ts';
import type { StoreLimits } from '../../src/store/sqlite-prune.ts';

const base = mkdtempSync(join(tmpdir(), 'tinderbox-tidy-'));
t.teardown(() => rmSync(base, { recursive: true, force: true }));

const DAY = 86_400_000;
const NOW = 1_000 * DAY;
const OLD = NOW - 31 * DAY;
const nothing = { machines: [], sessions: [], events: [] };
const page = { limit: 1_000, offset: 0 };
let made = 0;

function open(limits: Partial<StoreLimits>, file = join(base, `${++made}.db`)): SqliteDatabase {
  return openSqliteDatabase({ file, durability: 'process', limits: { age: 30 * DAY, settle: 0, ...limits } });
}

function mac(number: number): Mac {
  return `52:54:00:00:00:${number.toString(16).padStart(2, '0')}` as Mac;
}

function machine(number: number, lastSeen: number) {
  return { mac: mac(number), firstSeen: 1, lastSeen };
}

function session(id: number, of: Mac, updatedAt: number, more: Partial<BootSession> = {}): BootSession {
  return { id, mac: of, openedAt: updatedAt, updatedAt, stage: 'script', stageTimes: {}, ...more };
}

function event(of: Mac, at: number, more: Partial<BootEvent> = {}): BootEvent {
  const texts = { asked: 'x'.repeat(300), answered: '', reasons: [] };
  return { at, mac: of, kind: 'dhcp.discover', outcome: 'answered', ...texts, ...more };
}

function alarm(of: Mac, at: number): BootEvent {
  return event(of, at, { kind: 'security.alarm', outcome: 'refused' });
}

/** Until nothing is left to do; how often it was called. */
function tidy(database: SqliteDatabase, now = NOW): number {
  let calls = 1;
  while (database.tidyHistory(now)) if (++calls > 10_000) throw new Error('it never ends');
  return calls;
}

const idsOf = (database: SqliteDatabase, of: Mac): readonly number[] =>
  database.listSessions(of, page).map(({ id }) => id);

function left(database: SqliteDatabase) {
  const { events, sessions, machines } = database.measureHistory();
  return { events, sessions, machines };
}

t.test('a clock that is set wrongly deletes nothing by age, and what is too much all the same', async (t) => {
  let uptime = 0;
  const file = join(base, `${++made}.db`);
  const options = { file, durability: 'process', openedAt: NOW, uptime: () => uptime } as const;
  const fill = (database: SqliteDatabase): void =>
    database.appendHistory({
      machines: [machine(1, NOW)],
      sessions: [session(1, mac(1), NOW), session(2, mac(1), NOW)],
      events: [event(mac(1), NOW, { sessionId: 1 }), alarm(mac(1), NOW)],
    });
  const all = { events: 2, sessions: 2, machines: 1 };

  const database = openSqliteDatabase({ ...options, limits: { age: 30 * DAY } });
  fill(database);
  tidy(database, NOW + 1_000 * DAY);
  uptime += 3_599_999;
  tidy(database, NOW + 1_000 * DAY + uptime);
  t.same(left(database), all, 'it may be put right again');
  uptime += 1;
  tidy(database, NOW + 1_000 * DAY + uptime);
  t.same(left(database), { events: 0, sessions: 0, machines: 0 }, 'it is the time of day by now');
  fill(database);
  database.close();

  const small = openSqliteDatabase({ ...options, limits: { age: 30 * DAY, bytes: 1 } });
  tidy(small, NOW + 1_000 * DAY);
  t.match(left(small), { events: 1, machines: 1 }, 'the event went for want of room');
  small.close();
});

t.test('what is older than its time goes; alarms stay longer, and of each machine the newest boot', (t) => {
  const database = open({});
  const [a, b] = [mac(1), mac(2)];
  database.appendHistory({
    machines: [{ ...machine(1, OLD), hostname: 'n1' }, machine(2, NOW)],
    sessions: [
      session(1, a, OLD),
      session(2, a, OLD, { alarmedAt: OLD }),
      session(3, a, OLD, { alarmedAt: OLD - 100 * DAY }),
      session(4, a, OLD),
      session(5, b, OLD),
      session(6, b, OLD, { signingUntil: NOW + 1 }),
      session(7, b, OLD, { signingUntil: NOW - 1 }),
      session(8, b, NOW - DAY),
    ].map((each) => (each.id === 3 ? { ...each, updatedAt: OLD - 100 * DAY } : each)),
    events: [
      event(a, OLD, { sessionId: 1, asked: 'old' }),
      alarm(a, OLD - 100 * DAY),
      alarm(a, OLD),
      event(b, NOW - DAY, { sessionId: 8, asked: 'new' }),
    ],
  });
  tidy(database);
  t.same(idsOf(database, a), [4, 2], 'the newest, and the one with an alarm');
  t.same(idsOf(database, b), [8, 6], 'the newest, and the one with a valid token');
  t.same(
    database.listEvents({ mac: a, limit: 9 }).map(({ kind, at }) => [kind, at]),
    [['security.alarm', OLD]],
  );
  t.same(
    database.listEvents({ mac: b, limit: 9 }).map(({ asked }) => asked),
    ['new'],
  );
  tidy(database, NOW + 300 * DAY);
  t.same(idsOf(database, a), [4], 'alarms go in the end');
  t.same(database.listEvents({ mac: a, limit: 9 }), []);
  database.close();
  t.end();
});

t.test('strangers go by age; who is listed, or was given a role, stays', (t) => {
  const database = open({});
  database.appendHistory({
    machines: [
      machine(1, OLD),
      { ...machine(2, OLD), listed: true },
      { ...machine(3, OLD), hostname: 'n3' },
      machine(4, NOW),
      machine(5, OLD),
    ],
    sessions: [session(1, mac(1), OLD), session(2, mac(5), OLD, { alarmedAt: OLD })],
    events: [alarm(mac(5), OLD), event(mac(1), OLD)],
  });
  tidy(database);
  const left = database.listMachines(page).map(({ machine: { mac: one } }) => one);
  t.same(left.toSorted(), [mac(2), mac(3), mac(4), mac(5)], 'one about whom an alarm was raised, too');
  t.same(idsOf(database, mac(1)), []);
  database.close();
  t.end();
});

/** `count` events in batches, as the journal writes them. */
function flood(database: SqliteDatabase, count: number, at = NOW): void {
  for (let done = 0; done < count; done += 500) {
    database.appendHistory({ ...nothing, events: Array.from({ length: 500 }, () => event(mac(9), at)) });
  }
}

t.test('a flood of events stays within its size, while it lasts, and alarms outlive it', (t) => {
  const file = join(base, 'flood.db');
  const limits = { bytes: 2_000_000, events: 1_000_000 };
  const database = open(limits, file);
  database.appendHistory({ ...nothing, machines: [machine(1, NOW)], events: [alarm(mac(1), NOW)] });
  let most = 0;
  for (let round = 0; round < 60; round++) {
    flood(database, 1_000);
    most = Math.max(most, database.measureHistory().bytes);
  }
  // 60,000 events of 400 bytes would be 24 MB. A batch is in before the oldest go.
  t.ok(most < limits.bytes + 1_000_000, `${most} bytes at most`);
  const { used, events, machines, oldestEvent } = database.measureHistory();
  t.ok(events > 2_000, `${events} events are left`);
  t.ok(used <= most);
  t.equal(machines, 1);
  t.equal(oldestEvent, NOW);
  t.equal(database.listEvents({ mac: mac(1), limit: 9 }).length, 1, 'the alarm is still there');
  database.close();
  t.ok(statSync(file).size < limits.bytes + 1_000_000, `${statSync(file).size} bytes on disk`);
  t.end();
});

t.test('alarms have a bound of their own, and do not push out everything else', (t) => {
  const database = open({ events: 1_000, alarms: 50 });
  database.appendHistory({ ...nothing, events: [event(mac(2), NOW, { asked: 'here' })] });
  for (let round = 0; round < 40; round++) {
    database.appendHistory({
      ...nothing,
      events: Array.from({ length: 10 }, () => alarm(mac(1), NOW + round)),
    });
  }
  t.equal(database.listEvents({ mac: mac(1), limit: 1_000 }).length, 50);
  t.same(
    database.listEvents({ mac: mac(2), limit: 9 }).map(({ asked }) => asked),
    ['here'],
  );
  database.close();
  t.end();
});

t.test('fifty boots do not hide the one that raised an alarm', (t) => {
  const database = open({ sessionsPerMachine: 3, alarmedSessionsPerMachine: 1 });
  database.appendHistory({ ...nothing, machines: [machine(1, NOW)] });
  for (let id = 1; id <= 8; id++) {
    const alarmed = id === 2 || id === 3 ? { alarmedAt: NOW } : {};
    database.appendHistory({ ...nothing, sessions: [session(id, mac(1), NOW, alarmed)] });
  }
  t.same(idsOf(database, mac(1)), [8, 7, 6, 3]);
  database.close();
  t.end();
});

t.test('a database whose bounds are set lower gives its room back, in small steps', (t) => {
  const file = join(base, 'shrink.db');
  const large = open({ bytes: 100_000_000 }, file);
  flood(large, 40_000);
  const of = mac(1);
  const sessions = Array.from({ length: 30 }, (_, index) => session(index + 1, of, NOW - DAY));
  large.appendHistory({ ...nothing, machines: [machine(1, NOW)], sessions });
  const before = large.measureHistory();
  large.close();
  t.ok(before.bytes > 12_000_000, `${before.bytes} bytes`);

  const small = open({ bytes: 2_000_000 }, file);
  const calls = tidy(small);
  t.ok(calls > 15, `${calls} calls`);
  const after = small.measureHistory();
  t.ok(after.used <= 2_000_000, `${after.used} of ${after.bytes} bytes are used`);
  t.ok(after.bytes < 8_500_000, `${after.bytes} bytes are left of the file`);
  t.same(idsOf(small, of), [30], 'boots that have no events any more went with them');
  small.close();
  t.end();
});

t.test('an older, small file learns to shrink, and keeps what it holds', (t) => {
  const file = join(base, 'older.db');
  const first = open({}, file);
  first.appendHistory({ ...nothing, machines: [machine(1, NOW)], sessions: [session(7, mac(1), NOW)] });
  first.close();
  const older = new Sqlite(file);
  older.pragma('auto_vacuum = NONE');
  older.exec('VACUUM');
  t.equal(older.pragma('auto_vacuum', { simple: true }), 0);
  older.close();
  const again = open({}, file);
  t.same(idsOf(again, mac(1)), [7]);
  t.equal(again.load().nextSessionId, 8);
  again.close();
  const now = new Sqlite(file, { readonly: true });
  t.equal(now.pragma('auto_vacuum', { simple: true }), 2);
  now.close();
  t.end();
});
