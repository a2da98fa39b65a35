import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import type { Mac } from '../../src/machine/mac.ts';
import { inspectDatabase, listCopies, MIGRATIONS, migrate } from '../../src/store/migrations.ts';
import { openSqliteDatabase } from '../../src/store/sqlite-database.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

const NEWEST = MIGRATIONS.length;
const alice = '52:54:00:00:00:0a' as Mac;
const base = mkdtempSync(join(tmpdir(), 'tinderbox-migrations-'));
t.teardown(() => rmSync(base, { recursive: true, force: true }));

/**
 * A step that was released is never edited: databases that ran it as it was would differ from new ones. An edit fails
 * here; a new step is a new line.
 */
const HASHES: readonly string[] = JSON.parse(
  readFileSync(new URL('../fixtures/store/steps.json', import.meta.url), 'utf8'),
);

t.test('no step that exists is edited', (t) => {
  const hashes = MIGRATIONS.map((step) => createHash('sha256').update(step).digest('hex').slice(0, 16));
  t.same(hashes, HASHES, 'append a step (and its hash) instead');
  t.end();
});

function change<T>(file: string, run: (database: Sqlite.Database) => T): T {
  const database = new Sqlite(file);
  try {
    return run(database);
  } finally {
    database.close();
  }
}

/** Rows as that schema had them; each names only the columns that were there. */
const ROWS: readonly { readonly since: number; readonly sql: string }[] = [
  {
    since: 1,
    sql: `INSERT INTO leases VALUES (172818532, '${alice}', 'bound', 9000000000000, 'eth0', 'node-1');
      INSERT INTO machines (mac, uuid, arch, first_seen, last_seen) VALUES ('${alice}', 'u', 'uefi-x64', 1, 2);
      INSERT INTO sessions (id, mac, opened_at, updated_at, stage, stage_times, role, hostname)
        VALUES (41, '${alice}', 1, 2, 'script', '{"script":2}', 'worker', 'node-1');
      INSERT INTO events (at, mac, session_id, kind, stage, outcome, asked, answered, reasons)
        VALUES (2, '${alice}', 41, 'http.script', 'script', 'answered', 'GET /ipxe', 'ok', '["why"]');`,
  },
  { since: 2, sql: "UPDATE sessions SET last_stage = 'ready', boot_id = 'b1' WHERE id = 41;" },
  {
    since: 3,
    sql: `INSERT INTO releases VALUES (41, 2, 172818532, 3);
      INSERT INTO certificates (session_id, name, key_fingerprint, serial, subject, given_at, not_after)
        VALUES (41, 'node', 'aa', '01', 'CN=x', 2, 9);`,
  },
  { since: 4, sql: `INSERT INTO admissions VALUES ('${alice}', 'rule', 5);` },
  { since: 5, sql: 'UPDATE sessions SET alarmed_at = 7 WHERE id = 41;' },
  { since: 6, sql: 'UPDATE certificates SET address = 172818532;' },
  { since: 7, sql: 'UPDATE machines SET listed = 1;' },
  { since: 11, sql: `UPDATE sessions SET stalled = '{"at":8,"stage":"script"}' WHERE id = 41;` },
  { since: 12, sql: `UPDATE machines SET hardware = '{"at":9,"source":"ipxe","disks":[],"network":[]}';` },
  {
    since: 13,
    sql: "INSERT INTO audit (at, actor, via, action, outcome, detail) VALUES (1, 'root', 'socket', 'reload', 'done', '');",
  },
  {
    since: 14,
    sql: `UPDATE machines SET labels = '{"rack":"r7"}'; INSERT INTO once_uses VALUES ('${alice}', 'install', 1, 1, 41, 2, 0);`,
  },
];

function makeOld(file: string, version: number): void {
  change(file, (database) => {
    migrate(database, file, MIGRATIONS.slice(0, version));
    database.pragma('journal_mode = WAL');
    for (const { since, sql } of ROWS) if (since <= version) database.exec(sql);
  });
}

for (let version = 1; version <= NEWEST; version++) {
  t.test(`a database of schema ${version} is brought up to date with all that it holds`, async (t) => {
    const file = join(base, `from-${version}`, 'tinderbox.db');
    openSqliteDatabase({ file: join(base, `from-${version}`, 'other.db'), durability: 'process' }).close();
    makeOld(file, version);
    const store = await openStore({ file, durability: 'process' });
    t.teardown(() => store.close());
    const state = await store.load();
    t.match(state.leases, [{ address: 172818532, mac: alice, state: 'bound', hostname: 'node-1' }]);
    t.match(state.machines, [{ mac: alice, uuid: 'u', arch: 'uefi-x64' }]);
    t.match(state.openSessions, [{ id: 41, mac: alice, role: 'worker', stageTimes: { script: 2 } }]);
    t.equal(state.nextSessionId, 42);
    t.match(await store.listEvents({ mac: alice, limit: 9 }), [{ sessionId: 41, reasons: ['why'] }]);
    if (version >= 2) t.match(state.openSessions, [{ lastStage: 'ready', bootId: 'b1' }]);
    if (version >= 3) {
      t.match(await store.releaseOf(41), { completedAt: 3 });
      t.match(await store.certificateOf(41, 'node'), { serial: '01' });
    }
    if (version >= 11) t.match(state.openSessions, [{ stalled: { at: 8 } }]);
    if (version >= 12) t.match(state.machines, [{ hardware: { at: 9 } }]);
    if (version >= 14) t.match(state.machines, [{ labels: { rack: 'r7' } }]);
    if (version >= 4) t.match(state.admissions, [{ mac: alice, rule: 'rule' }]);
    if (version >= 14)
      t.same(state.onceUses, [{ mac: alice, role: 'install', since: 1, tries: 1, sessionId: 41, doneAt: 2 }]);
    t.same(store.opening, { created: false }, 'it knows all of its leases');
    t.same(
      listCopies(file).map((copy) => copy.version),
      version === NEWEST ? [] : [version],
      'the one before is kept',
    );
  });
}

/** `sqlite3 tinderbox.db .dump` of each version that was released, with user_version. Never edited, only added to. */
t.test('a database as each release left it is brought up to date', async (t) => {
  const folder = fileURLToPath(new URL('../fixtures/store/', import.meta.url));
  const dumps = readdirSync(folder).filter((name) => name.endsWith('.sql'));
  t.ok(dumps.length > 0);
  for (const dump of dumps) {
    const file = join(base, dump, 'tinderbox.db');
    openSqliteDatabase({ file: join(base, dump, 'other.db'), durability: 'process' }).close();
    change(file, (database) => database.exec(readFileSync(join(folder, dump), 'utf8')));
    const store = await openStore({ file, durability: 'process' });
    const state = await store.load();
    t.match(state.leases, [{ address: 172818532, mac: alice }], dump);
    t.match(state.openSessions, [{ id: 41, alarmedAt: 7 }], dump);
    await store.close();
  }
});

t.test('a step that fails leaves the old database as it was, at the next start too', (t) => {
  const file = join(base, 'failing.db');
  makeOld(file, 4);
  const bad = [...MIGRATIONS.slice(0, 6), 'DELETE FROM leases; ALTER TABLE nowhere ADD COLUMN x'];
  const before = change(file, (database) => database.prepare('SELECT * FROM sqlite_schema').all());
  for (let start = 0; start < 2; start++) {
    change(file, (database) => {
      t.throws(() => migrate(database, file, bad), /nowhere/);
      t.same(inspectDatabase(database, file), { version: 4, empty: false });
      t.same(database.prepare('SELECT * FROM sqlite_schema').all(), before);
      t.equal(database.prepare('SELECT count(*) FROM leases').pluck().get(), 1);
    });
  }
  change(file, (database) => {
    migrate(database, file);
    t.equal(database.prepare('SELECT count(*) FROM leases').pluck().get(), 1);
  });
  t.end();
});

t.test('a migration that is killed in between is done at the next start', async (t) => {
  const script = `
    import Sqlite from ${JSON.stringify(import.meta.resolve('better-sqlite3'))};
    import { MIGRATIONS, migrate } from ${JSON.stringify(import.meta.resolve('../../src/store/migrations.ts'))};
    const [file, at] = process.argv.slice(1);
    const database = new Sqlite(file);
    database.function('die', () => process.kill(process.pid, 'SIGKILL'));
    // More than SQLite's cache holds, so that what is not committed reaches the file.
    const heavy = 'CREATE TABLE filler (x); INSERT INTO filler WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT hex(randomblob(200)) FROM n;';
    const steps = MIGRATIONS.map((step, index) => (index === Number(at) ? step + ';' + heavy + 'SELECT die();' : step));
    migrate(database, file, steps);`;
  for (const at of [2, NEWEST - 1]) {
    const file = join(base, `killed-${at}.db`);
    makeOld(file, 2);
    const { NODE_OPTIONS: _, ...env } = process.env;
    const argv = ['--input-type=module', '-e', script, file, String(at)];
    const child = spawn(process.execPath, argv, { stdio: 'inherit', env });
    const [code, signal] = await once(child, 'exit');
    t.same([code, signal], [null, 'SIGKILL']);
    const store = await openStore({ file, durability: 'process' });
    t.equal(store.opening.damaged, undefined);
    t.match(await store.load(), { leases: [{ mac: alice }], openSessions: [{ id: 41, bootId: 'b1' }] });
    await store.close();
    change(file, (database) => {
      t.equal(database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'filler'").get(), undefined);
    });
  }
});

t.test('an older program refuses a newer database and names the copy that fits it', (t) => {
  const file = join(base, 'downgrade.db');
  makeOld(file, 5);
  change(file, (database) => migrate(database, file));
  const old = MIGRATIONS.slice(0, 6);
  const remedyOf = (): string => {
    try {
      change(file, (database) => migrate(database, file, old));
    } catch (error) {
      t.match(error, { code: 'newer-database', message: /version \d+, this program knows 6/ });
      return (error as { remedy: string }).remedy;
    }
    throw new Error('it was not refused');
  };
  // What it says to do works.
  const commands = /: (mv .+)\.$/.exec(remedyOf())?.[1]?.split('; ') ?? [];
  t.match(commands, [/^mv /, /^rm -f /, /^cp -p .*\.v5\.bak /]);
  copyFileSync(file, `${file}.newer`);
  copyFileSync(`${file}.v5.bak`, file);
  change(file, (database) => {
    migrate(database, file, old);
    t.match(database.prepare('SELECT mac FROM leases').all(), [{ mac: alice }]);
  });
  for (const { file: copy } of listCopies(file)) rmSync(copy);
  copyFileSync(`${file}.newer`, file);
  t.match(remedyOf(), /or move .* away: leases that machines renew are learned again/);
  t.end();
});

t.test('the copy is of this migration, and only the newest copies stay', (t) => {
  const file = join(base, 'copies.db');
  // Left by an update that was taken back long ago.
  writeFileSync(`${file}.v2.bak`, 'old');
  for (let version = 2; version < 7; version++) {
    if (version === 2) makeOld(file, 2);
    change(file, (database) => migrate(database, file, MIGRATIONS.slice(0, version + 1)));
    t.ok(existsSync(`${file}.v${version}.bak`));
    if (version === 2) {
      change(`${file}.v2.bak`, (database) =>
        t.match(database.prepare('SELECT mac FROM leases').all(), [{ mac: alice }]),
      );
    }
  }
  t.same(
    listCopies(file).map(({ version }) => version),
    [4, 5, 6],
  );
  // An update is taken back by an older copy than these, and made again.
  const old = join(base, 'put-back.db');
  makeOld(old, 2);
  copyFileSync(old, file);
  change(file, (database) => migrate(database, file));
  t.same(
    listCopies(file).map(({ version }) => version),
    [2, 5, 6],
    'the copy that was just made stays, however old its schema',
  );
  t.end();
});
