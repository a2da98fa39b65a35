import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import type { BootEvent } from '../../src/machine/event.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { APPLICATION_ID, inspectDatabase, MIGRATIONS, migrate } from '../../src/store/migrations.ts';
import type { GivenCertificate, Lease, MachineRecord } from '../../src/store/port.ts';
import { createSqliteDatabase, openSqliteDatabase } from '../../src/store/sqlite-database.ts';
import { sqliteError } from '../../src/store/sqlite-errors.ts';
import { openStore, openStoreReadOnly } from '../../src/store/sqlite-store.ts';

const alice = '52:54:00:00:00:0a' as Mac;
const bob = '52:54:00:00:00:0b' as Mac;
const base = mkdtempSync(join(tmpdir(), 'tinderbox-store-'));
t.teardown(() => rmSync(base, { recursive: true, force: true }));

let made = 0;
function newFile(): string {
  return join(base, String(++made), 'state', 'tinderbox.db');
}

function lease(address: number, mac: Mac, more: Partial<Lease> = {}): Lease {
  return { address: address as Ipv4, mac, state: 'bound', expiresAt: 5_000, via: 'eth0', ...more };
}

function machine(mac: Mac, more: Partial<MachineRecord> = {}): MachineRecord {
  return { mac, firstSeen: 10, lastSeen: 20, ...more };
}

function session(id: number, mac: Mac, more: Partial<BootSession> = {}): BootSession {
  return { id, mac, openedAt: 10, updatedAt: 20, stage: 'script', stageTimes: { script: 15 }, ...more };
}

function event(mac: Mac, asked: string, more: Partial<BootEvent> = {}): BootEvent {
  return {
    at: 20,
    mac,
    kind: 'dhcp.discover',
    outcome: 'answered',
    asked,
    answered: '',
    reasons: [],
    ...more,
  };
}

const NODE: GivenCertificate = {
  name: 'node',
  keyFingerprint: 'aa',
  serial: '01',
  subject: 'CN=system:node:node-1',
  givenAt: 100,
  notAfter: 900,
};

function macNumbered(number: number): Mac {
  return `52:54:01:00:00:${number.toString(16).padStart(2, '0')}` as Mac;
}

const nothing = { machines: [], sessions: [], events: [] };
const page = { limit: 100, offset: 0 };

void t.test('what was written is there after it was closed, whole', async (t) => {
  const file = newFile();
  const first = await openStore({ file, durability: 'disk' });
  t.same(await first.load(), {
    leases: [],
    machines: [],
    openSessions: [],
    nextSessionId: 1,
    admissions: [],
    onceUses: [],
  });
  const leases = [lease(0xffffff00, alice, { hostname: 'a' }), lease(5, bob, { state: 'declined' })];
  const full = machine(alice, {
    uuid: 'u',
    arch: 'arm64',
    relay: 0xfffffffe as Ipv4,
    address: 6 as Ipv4,
    serial: "'; DROP TABLE leases; --\0",
    asset: 'ä',
    manufacturer: 'm',
    product: 'p',
    platform: 'efi',
    via: 'eth0',
    hostname: 'h',
  });
  const open = session(8, alice, {
    scriptAt: 15,
    role: 'worker',
    hostname: 'h',
    address: 0xffffffff as Ipv4,
    lastStage: 'ready',
    bootId: 'b2',
    formerBootId: 'b1',
    registration: { role: 'worker', nodeName: 'h', marks: 'ab' },
    formerRegistration: { role: 'etcd', marks: '', left: true },
    waitingSince: 12,
    alarmedAt: 13,
  });
  const over = session(7, alice, { end: 'superseded', endedAt: 19 });
  const events = [
    event(alice, 'one', { sessionId: 8, stage: 'offered', via: 'eth0', reasons: ['a', 'b'] }),
    event(alice, 'two'),
    event(bob, 'three', { sessionId: 9 }),
  ];
  await Promise.all([
    first.commitLeases(leases),
    first.appendHistory({ machines: [full, machine(bob, { lastSeen: 99 })], sessions: [over, open], events }),
  ]);
  await first.close();
  t.same(
    readdirSync(join(file, '..')).toSorted(),
    ['tinderbox.db', 'tinderbox.db.lock'],
    'the WAL was folded in',
  );

  const again = await openStore({ file, durability: 'disk' });
  const state = await again.load();
  t.same(state.leases, leases.toReversed());
  t.same(state.machines, [machine(bob, { lastSeen: 99 }), full]);
  t.same(state.openSessions, [open]);
  t.equal(state.nextSessionId, 9);
  t.same(await again.listMachines(page), [
    { machine: machine(bob, { lastSeen: 99 }) },
    { machine: full, session: open },
  ]);
  t.same(await again.listMachines({ limit: 1, offset: 1 }), [{ machine: full, session: open }]);
  t.same(await again.findMachine(alice), { machine: full, session: open });
  t.equal(await again.findMachine('52:54:00:00:00:0c' as Mac), undefined);
  t.same(await again.listSessions(alice, page), [open, over]);
  t.same(await again.listEvents({ mac: alice, limit: 10 }), events.slice(0, 2));
  t.same(await again.listEvents({ mac: alice, limit: 1 }), events.slice(1, 2), 'the newest');
  t.same(await again.listEvents({ mac: alice, sessionId: 8, limit: 10 }), events.slice(0, 1));
  t.same(await again.listEvents({ mac: alice, sessionId: 9, limit: 10 }), [], "another machine's session");
  await again.close();
});

void t.test('rows replace what was there, and machines keep their sessions', async (t) => {
  const store = await openStore({ file: newFile(), durability: 'process' });
  await store.commitLeases([lease(1, alice), lease(1, bob)]);
  await store.appendHistory({
    ...nothing,
    machines: [machine(alice, { serial: 's' })],
    sessions: [session(1, alice)],
  });
  await store.appendHistory({ ...nothing, machines: [machine(alice, { lastSeen: 30 })] });
  await store.appendHistory({ ...nothing, sessions: [session(1, alice, { end: 'booted', endedAt: 30 })] });
  t.same((await store.load()).leases, [lease(1, bob)]);
  t.same(await store.findMachine(alice), {
    machine: machine(alice, { lastSeen: 30 }),
    session: session(1, alice, { end: 'booted', endedAt: 30 }),
  });
  await store.close();
});

void t.test('a call that fails changes nothing, and the store goes on', async (t) => {
  const store = await openStore({ file: newFile(), durability: 'disk' });
  const bad = lease(2, alice, { state: 'lent' as 'bound' });
  await t.rejects(store.commitLeases([lease(1, alice), bad]), { name: 'TinderboxError' });
  await t.rejects(
    store.appendHistory({ ...nothing, events: [event(alice, 'x')], sessions: [session(1, bob)] }),
    { name: 'TinderboxError' },
    'a session of no machine',
  );
  t.same((await store.load()).leases, []);
  t.same(await store.listEvents({ mac: alice, limit: 9 }), []);
  await store.commitLeases([lease(1, alice)]);
  t.same((await store.load()).leases, [lease(1, alice)]);
  await store.close();
});

void t.test('a full disk is said, with what to do, and writing goes on when there is room', async (t) => {
  const { database, pragma } = openBare('disk');
  t.teardown(() => database.close());
  const many = Array.from({ length: 20_000 }, (_, address) => lease(address, alice));
  pragma('max_page_count = 20');
  t.throws(() => database.commitLeases(many), {
    code: 'unavailable',
    message: /disk is full/,
    remedy: /Free space/,
  });
  t.same(database.load().leases, []);
  pragma('max_page_count = 1000000');
  database.commitLeases(many);
  t.equal(database.load().leases.length, 20_000);
});

/** With the connection itself in the test's hands. */
function openBare(durability: 'disk' | 'process') {
  const file = join(base, `${++made}.db`);
  const connection = new Sqlite(file);
  migrate(connection, file);
  const database = createSqliteDatabase(connection, { file, durability }, () => connection.close());
  return { database, pragma: (text: string): unknown => connection.pragma(text, { simple: true }) };
}

void t.test('leases go before history that waits, and share commits', async (t) => {
  const store = await openStore({ file: newFile(), durability: 'process' });
  const order: string[] = [];
  const asked: Promise<unknown>[] = [];
  function note(name: string, promise: Promise<unknown>): void {
    asked.push(promise.then(() => order.push(name)));
  }
  for (let batch = 0; batch < 4; batch++)
    note(`history ${batch}`, store.appendHistory({ ...nothing, machines: [machine(alice)] }));
  for (let address = 0; address < 5; address++) note('lease', store.commitLeases([lease(address, alice)]));
  const together = [store.commitLeases([lease(10, alice)]), store.commitLeases([lease(11, alice)])];
  t.equal(together[0], together[1], 'one commit for both');
  await Promise.all([...asked, ...together]);
  t.same(order, [
    'history 0',
    'lease',
    'lease',
    'lease',
    'lease',
    'lease',
    'history 1',
    'history 2',
    'history 3',
  ]);
  t.equal((await store.load()).leases.length, 7);
  await store.close();
});

void t.test('a storm of leases does not starve history', async (t) => {
  const store = await openStore({ file: newFile(), durability: 'process' });
  let commits = 0;
  const weather = { stormy: true };
  async function storm(): Promise<void> {
    for (; weather.stormy && commits < 10_000; commits++) await store.commitLeases([lease(commits, alice)]);
  }
  const storms = [storm(), storm(), storm()];
  await store.appendHistory({ ...nothing, machines: [machine(alice)] });
  await store.listMachines(page);
  weather.stormy = false;
  await Promise.all(storms);
  t.ok(commits < 200, `${commits} commits before both had their turn`);
  await store.close();
});

void t.test('closing lets what was asked finish, and refuses what comes after', async (t) => {
  const file = newFile();
  const store = await openStore({ file, durability: 'process' });
  const asked: Promise<unknown>[] = [];
  for (let address = 0; address < 30; address++) {
    asked.push(
      store.commitLeases([lease(address, alice)]),
      store.appendHistory({ ...nothing, machines: [machine(alice)] }),
    );
  }
  const closed = store.close();
  await t.rejects(store.commitLeases([lease(99, alice)]), { code: 'unavailable' });
  await t.rejects(store.findMachine(alice), { code: 'unavailable' });
  await Promise.all([...asked, closed, store.close()]);
  const reader = await openStoreReadOnly(file);
  t.equal((await reader.listMachines(page)).length, 1);
  await reader.close();
});

void t.test('only leases are synced one by one', async (t) => {
  for (const [durability, expected] of [
    ['disk', 2],
    ['process', 1],
  ] as const) {
    const { database, pragma } = openBare(durability);
    database.commitLeases([lease(1, alice)]);
    t.equal(pragma('synchronous'), expected, durability);
    database.appendHistory({ ...nothing, machines: [machine(alice)] });
    t.equal(pragma('synchronous'), 1);
    database.commitLeases([lease(1, alice)]);
    t.equal(pragma('synchronous'), expected);
    t.equal(pragma('journal_mode'), 'wal');
    t.equal(pragma('foreign_keys'), 1);
    database.close();
  }
});

void t.test('files are for their owner only', async (t) => {
  const file = newFile();
  const store = await openStore({ file, durability: 'disk' });
  await store.commitLeases([lease(1, alice)]);
  t.equal(statSync(join(file, '..')).mode & 0o777, 0o700);
  for (const name of readdirSync(join(file, '..')))
    t.equal(statSync(join(file, '..', name)).mode & 0o777, 0o600, name);
  t.ok(readdirSync(join(file, '..')).includes('tinderbox.db-wal'));
  await store.close();
});

void t.test('a second daemon on the same database is refused, a reader is not', async (t) => {
  const file = newFile();
  const store = await openStore({ file, durability: 'disk' });
  await store.appendHistory({ ...nothing, machines: [machine(alice)] });
  await t.rejects(openStore({ file, durability: 'disk' }), { code: 'in-use', remedy: /other daemon/ });
  const reader = await openStoreReadOnly(file);
  t.equal((await reader.listMachines(page)).length, 1);
  t.same(await reader.findMachine(bob), undefined);
  t.same(await reader.listSessions(alice, page), []);
  t.same(await reader.listEvents({ mac: alice, limit: 1 }), []);
  await reader.close();
  await store.close();
  await (await openStore({ file, durability: 'disk' })).close();
});

void t.test('history is pruned: events, sessions a machine, machines', async (t) => {
  const database = openSqliteDatabase({
    file: newFile(),
    durability: 'process',
    limits: { events: 100, sessionsPerMachine: 3, machines: 10 },
  });
  t.teardown(() => database.close());
  const named = machine(alice, { hostname: 'node', lastSeen: 1 });
  database.appendHistory({ ...nothing, machines: [named] });
  for (let id = 1; id <= 6; id++) {
    database.appendHistory({
      ...nothing,
      sessions: [session(id, alice)],
      events: [event(alice, `of ${id}`, { sessionId: id })],
    });
  }
  t.same(
    database.listSessions(alice, page).map(({ id }) => id),
    [6, 5, 4],
  );
  t.same(
    database.listEvents({ mac: alice, limit: 99 }).map(({ asked }) => asked),
    ['of 4', 'of 5', 'of 6'],
    'events go with their session',
  );
  database.appendHistory({ ...nothing, machines: [machine(bob, {})], sessions: [session(20, bob)] });
  for (let id = 7; id <= 12; id++) database.appendHistory({ ...nothing, sessions: [session(id, alice)] });
  t.same(
    database.listSessions(alice, page).map(({ id }) => id),
    [12, 11, 10],
    'also where a later one of another machine was written before',
  );
  for (let round = 0; round < 10; round++) {
    database.appendHistory({
      ...nothing,
      events: Array.from({ length: 50 }, (_, index) => event(bob, `${round}.${index}`)),
    });
  }
  t.equal(database.listEvents({ mac: bob, limit: 1_000 }).length, 100);
  t.same(database.listEvents({ mac: alice, limit: 99 }), [], 'the oldest go first');
  for (let number = 0; number < 50; number++) {
    const mac = `52:54:01:00:00:${number.toString(16).padStart(2, '0')}` as Mac;
    database.appendHistory({
      ...nothing,
      machines: [machine(mac, { lastSeen: 100 + number })],
      events: [event(mac, 'x')],
    });
  }
  const left = database.listMachines(page).map((each) => each.machine);
  t.equal(left.length, 10);
  t.equal(left.at(-1)?.mac, alice, 'a machine with a name outlives strangers');
  t.equal(left[0]?.lastSeen, 149);
  t.same(database.listEvents({ mac: '52:54:01:00:00:00' as Mac, limit: 9 }), []);
  t.equal(database.load().nextSessionId, 21, 'numbers are not used again');
});

void t.test('a lease that was confirmed survives kill -9', async (t) => {
  const file = newFile();
  for (let life = 0; life < 3; life++) {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('./commit-forever.ts', import.meta.url)), file, String(life * 1_000_000)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { PATH: process.env['PATH'] },
      },
    );
    let printed = '';
    child.stdout.setEncoding('utf8');
    for await (const chunk of child.stdout) {
      printed += chunk as string;
      if (printed.split('\n').length > 60) child.kill('SIGKILL');
    }
    const confirmed = printed.split('\n').slice(0, -1).map(Number);
    t.ok(confirmed.length >= 60, `${confirmed.length} leases were confirmed`);
    const store = await openStore({ file, durability: 'disk' });
    const kept = new Set((await store.load()).leases.map(({ address }): number => address));
    t.same(
      confirmed.filter((address) => !kept.has(address)),
      [],
      'none of them is missing',
    );
    await store.close();
  }
});

void t.test('a database that this program must not touch is refused, and left as it was', async (t) => {
  const newer = newFile();
  openSqliteDatabase({ file: newer, durability: 'process' }).close();
  change(newer, (database) => database.pragma('user_version = 99'));
  const foreign = join(base, 'foreign.db');
  change(foreign, (database) => database.exec('CREATE TABLE photos (id)'));
  const rows = [
    {
      name: 'a newer one',
      file: newer,
      code: 'newer-database',
      message: new RegExp(`version 99.*knows ${MIGRATIONS.length}`),
      remedy: /Install that newer Tinderbox/,
    },
    {
      name: "another program's",
      file: foreign,
      code: 'refused',
      message: /another program/,
      remedy: /paths\.state/,
    },
  ];
  for (const { name, file, code, message, remedy } of rows) {
    const expected = { name: 'TinderboxError', code, message, remedy };
    await t.rejects(openStore({ file, durability: 'disk' }), expected, name);
    await t.rejects(openStoreReadOnly(file), { name: 'TinderboxError' }, `${name}, read only`);
  }
  change(newer, (database) => t.equal(database.pragma('user_version', { simple: true }), 99));
  change(foreign, (database) => t.equal(database.pragma('journal_mode', { simple: true }), 'delete'));
});

function change(file: string, run: (database: Sqlite.Database) => void): void {
  const database = new Sqlite(file);
  try {
    run(database);
  } finally {
    database.close();
  }
}

void t.test('reading without a daemon needs a database of this version', async (t) => {
  await t.rejects(openStoreReadOnly(join(base, 'nowhere.db')), {
    code: 'not-found',
    remedy: /tinderbox serve/,
  });
  const empty = join(base, 'empty.db');
  writeFileSync(empty, '');
  await t.rejects(openStoreReadOnly(empty), { code: 'unavailable', remedy: /tinderbox serve/ });
});

void t.test('an older database is copied, then brought up to date', async (t) => {
  const file = join(base, 'older.db');
  const newest = MIGRATIONS.length;
  const steps = [...MIGRATIONS, 'ALTER TABLE leases ADD COLUMN note TEXT'];
  change(file, (database) => {
    migrate(database, file);
    database.exec("INSERT INTO leases VALUES (7, 'm', 'bound', 1, 'eth0', NULL)");
  });
  change(file, (database) => {
    t.throws(() => migrate(database, file, [...steps, 'ALTER TABLE nothing ADD COLUMN x']));
    t.equal(
      database.pragma('user_version', { simple: true }),
      newest,
      'a step that fails takes the others back',
    );
    t.equal((database.pragma('table_info(leases)') as unknown[]).length, 6);
    migrate(database, file, steps);
    t.match(database.prepare('SELECT * FROM leases').get(), { address: 7, note: null });
    t.same(inspectDatabase(database, file, newest + 1), { version: newest + 1, empty: false });
    t.equal(database.pragma('application_id', { simple: true }), APPLICATION_ID);
    migrate(database, file, steps);
    const remedy = new RegExp(`older\\.db\\.v${newest}\\.bak`);
    t.throws(() => migrate(database, file), { code: 'newer-database', remedy });
  });
  const backup = `${file}.v${newest}.bak`;
  t.equal(statSync(backup).mode & 0o777, 0o600);
  change(backup, (database) => {
    t.same(inspectDatabase(database, file), { version: newest, empty: false });
    t.match(database.prepare('SELECT * FROM leases').all(), [{ address: 7 }]);
  });
  t.same(
    readdirSync(base).filter((name) => name.endsWith('.part') || /older.*v0/.test(name)),
    [],
    'a new database is not copied',
  );
});

void t.test(
  'a disk that is full at the start says to start again, since nothing goes on by itself',
  async (t) => {
    const disk = mkdtempSync(join(base, 'disk-'));
    const script = `
    import { openStore } from ${JSON.stringify(import.meta.resolve('../../src/store/sqlite-store.ts'))};
    await openStore({ file: process.argv[1] + '/state/tinderbox.db', durability: 'disk' })
      .then((store) => store.close(), ({ code, message, remedy }) => console.log(JSON.stringify({ code, message, remedy })));`;
    const shell = 'mount -t tmpfs -o size=16k none "$0" && exec "$@" "$0"';
    const node = [process.execPath, '--input-type=module', '-e', script];
    const inside = ['--user', '--map-root-user', '--mount', '--', 'sh', '-c', shell, disk, ...node];
    const { NODE_OPTIONS: _, ...env } = process.env;
    t.match(JSON.parse(execFileSync('unshare', inside, { encoding: 'utf8', env })), {
      code: 'unavailable',
      message: /the disk is full/,
      remedy: /^Free space on .*, then start Tinderbox again\.$/,
    });
    const running = sqliteError(Object.assign(new Error('x'), { code: 'SQLITE_FULL' }), 'f');
    t.match(running.remedy, /goes on by itself/, 'while it runs, it does');
  },
);

void t.test("SQLite's errors become what the operator can do", async (t) => {
  const rows = [
    ['SQLITE_FULL', 'unavailable', /full/],
    ['SQLITE_READONLY', 'refused', /cannot be written/],
    ['SQLITE_READONLY_DBMOVED', 'refused', /cannot be written/],
    ['SQLITE_CANTOPEN', 'unavailable', /cannot be opened/],
    ['SQLITE_CORRUPT_INDEX', 'unavailable', /damaged/],
    ['SQLITE_NOTADB', 'unavailable', /damaged/],
    ['SQLITE_BUSY', 'busy', /locked/],
    ['SQLITE_IOERR_SHMSIZE', 'unavailable', /disk is full/],
    ['SQLITE_IOERR_WRITE', 'unavailable', /SQLITE_IOERR_WRITE/],
  ] as const;
  for (const [code, expected, message] of rows) {
    const error = sqliteError(Object.assign(new Error('x'), { code }), '/var/t.db');
    t.equal(error.code, expected, code);
    t.match(error.message, message);
    t.match(error.message, '/var/t.db');
    t.ok(error.remedy);
  }
  t.equal(
    sqliteError(Object.assign(new Error('x'), { code: 'SQLITE_CONSTRAINT_CHECK' }), 'f').code,
    'internal',
  );
  t.equal(sqliteError('text', 'f').message, 'text');
});

void t.test('a session of the first schema is one that ends booted', (t) => {
  const file = join(base, 'first.db');
  change(file, (database) => {
    migrate(database, file, MIGRATIONS.slice(0, 1));
    database.exec(`INSERT INTO machines (mac, first_seen, last_seen) VALUES ('${alice}', 1, 2);
      INSERT INTO sessions (mac, opened_at, updated_at, stage, stage_times) VALUES ('${alice}', 1, 2, 'script', '{}')`);
  });
  const database = openSqliteDatabase({ file, durability: 'process' });
  t.same(database.load().openSessions, [
    { id: 1, mac: alice, openedAt: 1, updatedAt: 2, stage: 'script', stageTimes: {} },
  ]);
  database.close();
  t.end();
});

void t.test(
  'a session that ended ready is known again at a start, if it is the newest of its machine',
  async (t) => {
    const store = await openStore({ file: newFile(), durability: 'process' });
    const ready = { stage: 'ready', lastStage: 'ready', end: 'ready', endedAt: 19 } as const;
    const sessions = [
      session(1, alice, ready),
      session(2, bob, ready),
      session(3, alice, ready),
      session(4, bob, { end: 'booted', endedAt: 20 }),
    ];
    await store.appendHistory({ ...nothing, machines: [machine(alice), machine(bob)], sessions });
    t.same((await store.load()).openSessions, [session(3, alice, ready)]);
    await store.close();
  },
);

void t.test(
  'a signing token is neither the newest boot of its machine nor pruned while it is valid',
  async (t) => {
    const store = await openStore({
      file: newFile(),
      durability: 'process',
      limits: { sessionsPerMachine: 2, machines: 1 },
    });
    t.teardown(() => store.close());
    const ready = { stage: 'ready', lastStage: 'ready', end: 'ready', endedAt: 19 } as const;
    const token = session(2, alice, { signingUntil: 500, ...ready });
    const replaced = session(1, alice, { signingUntil: 500, end: 'superseded', endedAt: 12 });
    const sessions = [replaced, token, session(3, alice, ready), session(4, bob, { signingUntil: 15 })];
    await store.appendHistory({ ...nothing, machines: [machine(alice), machine(bob)], sessions });
    t.same(
      (await store.load()).openSessions.map(({ id }) => id),
      [2, 3],
      'that of bob has expired, and he goes with it',
    );
    t.equal((await store.findMachine(alice))?.session?.id, 3);
    await store.appendHistory({ ...nothing, sessions: [session(5, alice, { signingUntil: 500 })] });
    t.equal((await store.findMachine(alice))?.session?.id, 3, 'a boot, not the newer token');
    t.same(
      (await store.load()).openSessions.map(({ id }) => id),
      [2, 3, 5],
      'a token does not hide how the boot before it ended',
    );
    for (let id = 6; id < 10; id++) await store.appendHistory({ ...nothing, sessions: [session(id, alice)] });
    const { length } = await store.listSessions(alice, page);
    t.equal(length, 4, 'two boots, two tokens');
    t.equal(await store.giveCertificate({ machine: machine(alice), session: token }, NODE), true);
    const later = Array.from({ length: 3 }, (_, index) =>
      machine(macNumbered(index), { lastSeen: 30, hostname: 'x' }),
    );
    await store.appendHistory({ ...nothing, machines: later });
    t.match(await store.certificateOf(2, 'node'), { serial: '01' }, 'however many come after it');
    await store.appendHistory({ ...nothing, machines: [machine(bob, { lastSeen: 501, hostname: 'b' })] });
    t.equal(await store.findMachine(alice), undefined, 'until it expires');
  },
);

void t.test('a database of the second schema is brought up to date with its sessions', (t) => {
  const file = join(base, 'second.db');
  change(file, (database) => {
    migrate(database, file, MIGRATIONS.slice(0, 2));
    database.exec(`INSERT INTO machines (mac, first_seen, last_seen) VALUES ('${alice}', 1, 2);
      INSERT INTO sessions (mac, opened_at, updated_at, stage, stage_times) VALUES ('${alice}', 1, 2, 'script', '{}')`);
  });
  const database = openSqliteDatabase({ file, durability: 'process' });
  const state = database.load();
  t.match(state.openSessions, [{ id: 1, waitingSince: undefined }]);
  t.same(state.admissions, []);
  database.close();
  t.end();
});

void t.test('a machine that is forgotten leaves nothing but its leases', async (t) => {
  const store = await openStore({ file: newFile(), durability: 'process' });
  await store.commitLeases([lease(1, alice)]);
  const written = store.appendHistory({
    machines: [machine(alice), machine(bob)],
    sessions: [session(1, alice), session(2, bob)],
    events: [event(alice, 'one', { sessionId: 1 }), event(bob, 'two', { sessionId: 2 })],
  });
  t.equal(await store.forgetMachine(alice), true, 'after what was appended before');
  await written;
  t.equal(await store.findMachine(alice), undefined);
  t.same(await store.listSessions(alice, page), []);
  t.same(await store.listEvents({ mac: alice, limit: 10 }), []);
  t.same(await store.listEvents({ mac: bob, limit: 10 }), [event(bob, 'two', { sessionId: 2 })]);
  const { leases, machines, nextSessionId } = await store.load();
  t.same(leases, [lease(1, alice)]);
  t.same(machines, [machine(bob)]);
  t.equal(nextSessionId, 3, 'its numbers are not given again');
  t.equal(await store.forgetMachine(alice), false);
  await store.appendHistory({ ...nothing, events: [event(alice, 'three')] });
  t.equal(await store.forgetMachine(alice), true, 'events alone');
  await store.close();
});
