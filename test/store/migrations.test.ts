import { spawn } from 'node:child_process';
  'cdb32973d4e615e5',
import { createHash } from 'node:crypto';
  'cdb32973d4e615e5',
import { once } from 'node:events';
  'cdb32973d4e615e5',
import {
  'cdb32973d4e615e5',
  copyFileSync,
  'cdb32973d4e615e5',
  existsSync,
  'cdb32973d4e615e5',
  mkdtempSync,
  'cdb32973d4e615e5',
  readdirSync,
  'cdb32973d4e615e5',
  readFileSync,
  'cdb32973d4e615e5',
  rmSync,
  'cdb32973d4e615e5',
  writeFileSync,
  'cdb32973d4e615e5',
} from 'node:fs';
  'cdb32973d4e615e5',
import { tmpdir } from 'node:os';
  'cdb32973d4e615e5',
import { join } from 'node:path';
  'cdb32973d4e615e5',
import { fileURLToPath } from 'node:url';
  'cdb32973d4e615e5',
import Sqlite from 'better-sqlite3';
  'cdb32973d4e615e5',
import t from 'tap';
  'cdb32973d4e615e5',
import type { Mac } from '../../src/machine/mac.ts';
  'cdb32973d4e615e5',
import { inspectDatabase, listCopies, MIGRATIONS, migrate } from '../../src/store/migrations.ts';
  'cdb32973d4e615e5',
import { openSqliteDatabase } from '../../src/store/sqlite-database.ts';
  'cdb32973d4e615e5',
import { openStore } from '../../src/store/sqlite-store.ts';
  'cdb32973d4e615e5',

  'cdb32973d4e615e5',
const NEWEST = MIGRATIONS.length;
  'cdb32973d4e615e5',
const alice = '52:54:00:00:00:0a' as Mac;
  'cdb32973d4e615e5',
const base = mkdtempSync(join(tmpdir(), 'tinderbox-migrations-'));
  'cdb32973d4e615e5',
t.teardown(() => rmSync(base, { recursive: true, force: true }));
  'cdb32973d4e615e5',

  'cdb32973d4e615e5',
/**
  'cdb32973d4e615e5',
 * A step that was released is never edited: databases that ran it as it was would differ from new ones. An edit fails
  'cdb32973d4e615e5',
 * here; a new step is a new line.
  'cdb32973d4e615e5',
 */
  'cdb32973d4e615e5',
const HASHES: readonly string[] = JSON.parse(
  'cdb32973d4e615e5',
  readFileSync(new URL('../fixtures/store/steps.json', import.meta.url), 'utf8'),
  'cdb32973d4e615e5',
);
  'cdb32973d4e615e5',

  'cdb32973d4e615e5',
t.test('no step that exists is edited', (t) => {
  'cdb32973d4e615e5',
  const hashes = MIGRATIONS.map((step) => createHash('sha256').update(step).digest('hex').slice(0, 16));
  'cdb32973d4e615e5',
  t.same(hashes, HASHES, 'append a step (and its hash) instead');
  'cdb32973d4e615e5',
  t.end();
  'cdb32973d4e615e5',
});
  'cdb32973d4e615e5',

  'cdb32973d4e615e5',
function change<T>(file: string, run: (database: Sqlite.Database) => T): T {
  'cdb32973d4e615e5',
  const database = new Sqlite(file);
  'cdb32973d4e615e5',
  try {
  'cdb32973d4e615e5',
    return run(database);
  'cdb32973d4e615e5',
  } finally {
  'cdb32973d4e615e5',
    database.close();
  'cdb32973d4e615e5',
  }
  'cdb32973d4e615e5',
}
  'cdb32973d4e615e5',

  'cdb32973d4e615e5',
/** Rows as that schema had them; each names only the columns that were there. */
  'cdb32973d4e615e5',
const ROWS: readonly { readonly since: number; readonly sql: string }[] = [
  'cdb32973d4e615e5',
  {
  'cdb32973d4e615e5',
    since: 1,
  'cdb32973d4e615e5',
    sql: `INSERT INTO leases VALUES (172818532, '${alice}', 'bound', 9000000000000, 'eth0', 'node-1');
  'cdb32973d4e615e5',
      INSERT INTO machines (mac, uuid, arch, first_seen, last_seen) VALUES ('${alice}', 'u', 'uefi-x64', 1, 2);
  'cdb32973d4e615e5',
      INSERT INTO sessions (id, mac, opened_at, updated_at, stage, stage_times, role, hostname)
  'cdb32973d4e615e5',
        VALUES (41, '${alice}', 1, 2, 'script', '{"script":2}', 'worker', 'node-1');
  'cdb32973d4e615e5',
      INSERT INTO events (at, mac, session_id, kind, stage, outcome, asked, answered, reasons)
  'cdb32973d4e615e5',
        VALUES (2, '${alice}', 41, 'http.script', 'script', 'answered', 'GET /ipxe', 'ok', '["why"]');`,
  'cdb32973d4e615e5',
  },
  'cdb32973d4e615e5',
  { since: 2, sql: "UPDATE sessions SET last_stage = 'ready', boot_id = 'b1' WHERE id = 41;" },
  'cdb32973d4e615e5',
  {
  'cdb32973d4e615e5',
    since: 3,
  'cdb32973d4e615e5',
    sql: `INSERT INTO releases VALUES (41, 2, 172818532, 3);
  'cdb32973d4e615e5',
      INSERT INTO certificates (session_id, name, key_fingerprint, serial, subject, given_at, not_after)
  'cdb32973d4e615e5',
        VALUES (41, 'node', 'aa', '01', 'CN=x', 2, 9);`,
  'cdb32973d4e615e5',
  },
  'cdb32973d4e615e5',
  { since: 4, sql: `INSERT INTO admissions VALUES ('${alice}', 'rule', 5);` },
  'cdb32973d4e615e5',
  { since: 5, sql: 'UPDATE sessions SET alarmed_at = 7 WHERE id = 41;' },
  'cdb32973d4e615e5',
  { since: 6, sql: 'UPDATE certificates SET address = 172818532;' },
  'cdb32973d4e615e5',
  { since: 7, sql: 'UPDATE machines SET listed = 1;' },
  'cdb32973d4e615e5',
];
  'cdb32973d4e615e5',

  'cdb32973d4e615e5',
function makeOld(file: string, version: number): void {
  'cdb32973d4e615e5',
  change(file, (database) => {
  'cdb32973d4e615e5',
    migrate(database, file, MIGRATIONS.slice(0, version));
  'cdb32973d4e615e5',
    database.pragma('journal_mode = WAL');
  'cdb32973d4e615e5',
    for (const { since, sql } of ROWS) if (since <= version) database.exec(sql);
  'cdb32973d4e615e5',
  });
  'cdb32973d4e615e5',
}
  'cdb32973d4e615e5',

  'cdb32973d4e615e5',
for (let version = 1; version <= NEWEST; version++) {
  'cdb32973d4e615e5',
  t.test(`a database of schema ${version} is brought up to date with all that it holds`, async (t) => {
  'cdb32973d4e615e5',
    const file = join(base, `from-${version}`, 'tinderbox.db');
  'cdb32973d4e615e5',
    openSqliteDatabase({ file: join(base, `from-${version}`, 'other.db'), durability: 'process' }).close();
  'cdb32973d4e615e5',
    makeOld(file, version);
  'cdb32973d4e615e5',
    const store = await openStore({ file, durability: 'process' });
  'cdb32973d4e615e5',
    t.teardown(() => store.close());
  'cdb32973d4e615e5',
    const state = await store.load();
  'cdb32973d4e615e5',
    t.match(state.leases, [{ address: 172818532, mac: alice, state: 'bound', hostname: 'node-1' }]);
  'cdb32973d4e615e5',
    t.match(state.machines, [{ mac: alice, uuid: 'u', arch: 'uefi-x64' }]);
  'cdb32973d4e615e5',
    t.match(state.openSessions, [{ id: 41, mac: alice, role: 'worker', stageTimes: { script: 2 } }]);
  'cdb32973d4e615e5',
    t.equal(state.nextSessionId, 42);
  'cdb32973d4e615e5',
    t.match(await store.listEvents({ mac: alice, limit: 9 }), [{ sessionId: 41, reasons: ['why'] }]);
  'cdb32973d4e615e5',
    if (version >= 2) t.match(state.openSessions, [{ lastStage: 'ready', bootId: 'b1' }]);
  'cdb32973d4e615e5',
    if (version >= 3) {
  'cdb32973d4e615e5',
      t.match(await store.releaseOf(41), { completedAt: 3 });
  'cdb32973d4e615e5',
      t.match(await store.certificateOf(41, 'node'), { serial: '01' });
  'cdb32973d4e615e5',
    }
  'cdb32973d4e615e5',
    if (version >= 4) t.match(state.admissions, [{ mac: alice, rule: 'rule' }]);
  'cdb32973d4e615e5',
    t.same(store.opening, { created: false }, 'it knows all of its leases');
  'cdb32973d4e615e5',
    t.same(
  'cdb32973d4e615e5',
      listCopies(file).map((copy) => copy.version),
  'cdb32973d4e615e5',
      version === NEWEST ? [] : [version],
  'cdb32973d4e615e5',
      'the one before is kept',
  'cdb32973d4e615e5',
    );
  'cdb32973d4e615e5',
  });
  'cdb32973d4e615e5',
}
  'cdb32973d4e615e5',

  'cdb32973d4e615e5',
/** `sqlite3 tinderbox.db .dump` of each version that was released, with user_version. Never edited, only added to. */
  'cdb32973d4e615e5',
t.test('a database as each release left it is brought up to date', async (t) => {
  'cdb32973d4e615e5',
  const folder = fileURLToPath(new URL('../fixtures/store/', import.meta.url));
  'cdb32973d4e615e5',
  const dumps = readdirSync(folder).filter((name) => name.endsWith('.sql'));
  'cdb32973d4e615e5',
  t.ok(dumps.length > 0);
  'cdb32973d4e615e5',
  for (const dump of dumps) {
  'cdb32973d4e615e5',
    const file = join(base, dump, 'tinderbox.db');
  'cdb32973d4e615e5',
    openSqliteDatabase({ file: join(base, dump, 'other.db'), durability: 'process' }).close();
  'cdb32973d4e615e5',
    change(file, (database) => database.exec(readFileSync(join(folder, dump), 'utf8')));
  'cdb32973d4e615e5',
    const store = await openStore({ file, durability: 'process' });
  'cdb32973d4e615e5',
    const state = await store.load();
  'cdb32973d4e615e5',
    t.match(state.leases, [{ address: 172818532, mac: alice }], dump);
  'cdb32973d4e615e5',
    t.match(state.openSessions, [{ id: 41, alarmedAt: 7 }], dump);
  'cdb32973d4e615e5',
    await store.close();
  'cdb32973d4e615e5',
  }
  'cdb32973d4e615e5',
});
  'cdb32973d4e615e5',

  'cdb32973d4e615e5',
t.test('a step that fails leaves the old database as it was, at the next start too', (t) => {
  'cdb32973d4e615e5',
  const file = join(base, 'failing.db');
  'cdb32973d4e615e5',
  makeOld(file, 4);
  'cdb32973d4e615e5',
  const bad = [...MIGRATIONS.slice(0, 6), 'DELETE FROM leases; ALTER TABLE nowhere ADD COLUMN x'];
  'cdb32973d4e615e5',
  const before = change(file, (database) => database.prepare('SELECT * FROM sqlite_schema').all());
  'cdb32973d4e615e5',
  for (let start = 0; start < 2; start++) {
  'cdb32973d4e615e5',
    change(file, (database) => {
  'cdb32973d4e615e5',
      t.throws(() => migrate(database, file, bad), /nowhere/);
  'cdb32973d4e615e5',
      t.same(inspectDatabase(database, file), { version: 4, empty: false });
  'cdb32973d4e615e5',
      t.same(database.prepare('SELECT * FROM sqlite_schema').all(), before);
  'cdb32973d4e615e5',
      t.equal(database.prepare('SELECT count(*) FROM leases').pluck().get(), 1);
  'cdb32973d4e615e5',
    });
  'cdb32973d4e615e5',
  }
  'cdb32973d4e615e5',
  change(file, (database) => {
  'cdb32973d4e615e5',
    migrate(database, file);
  'cdb32973d4e615e5',
    t.equal(database.prepare('SELECT count(*) FROM leases').pluck().get(), 1);
  'cdb32973d4e615e5',
  });
  'cdb32973d4e615e5',
  t.end();
  'cdb32973d4e615e5',
});
  'cdb32973d4e615e5',

  'cdb32973d4e615e5',
t.test('a migration that is killed in between is done at the next start', async (t) => {
  'cdb32973d4e615e5',
  const script = `
  'cdb32973d4e615e5',
    import Sqlite from ${JSON.stringify(import.meta.resolve('better-sqlite3'))};
  'cdb32973d4e615e5',
    import { MIGRATIONS, migrate } from ${JSON.stringify(import.meta.resolve('../../src/store/migrations.ts'))};
  'cdb32973d4e615e5',
    const [file, at] = process.argv.slice(1);
  'cdb32973d4e615e5',
    const database = new Sqlite(file);
  'cdb32973d4e615e5',
    database.function('die', () => process.kill(process.pid, 'SIGKILL'));
  'cdb32973d4e615e5',
    // More than SQLite's cache holds, so that what is not committed reaches the file.
  'cdb32973d4e615e5',
    const heavy = 'CREATE TABLE filler (x); INSERT INTO filler WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT hex(randomblob(200)) FROM n;';
  'cdb32973d4e615e5',
    const steps = MIGRATIONS.map((step, index) => (index === Number(at) ? step + ';' + heavy + 'SELECT die();' : step));
  'cdb32973d4e615e5',
    migrate(database, file, steps);`;
  'cdb32973d4e615e5',
  for (const at of [2, NEWEST - 1]) {
  'cdb32973d4e615e5',
    const file = join(base, `killed-${at}.db`);
  'cdb32973d4e615e5',
    makeOld(file, 2);
  'cdb32973d4e615e5',
    const { NODE_OPTIONS: _, ...env } = process.env;
  'cdb32973d4e615e5',
    const argv = ['--input-type=module', '-e', script, file, String(at)];
  'cdb32973d4e615e5',
    const child = spawn(process.execPath, argv, { stdio: 'inherit', env });
  'cdb32973d4e615e5',
    const [code, signal] = await once(child, 'exit');
  'cdb32973d4e615e5',
    t.same([code, signal], [null, 'SIGKILL']);
  'cdb32973d4e615e5',
    const store = await openStore({ file, durability: 'process' });
  'cdb32973d4e615e5',
    t.equal(store.opening.damaged, undefined);
  'cdb32973d4e615e5',
    t.match(await store.load(), { leases: [{ mac: alice }], openSessions: [{ id: 41, bootId: 'b1' }] });
  'cdb32973d4e615e5',
    await store.close();
  'cdb32973d4e615e5',
    change(file, (database) => {
  'cdb32973d4e615e5',
      t.equal(database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'filler'").get(), undefined);
  'cdb32973d4e615e5',
    });
  'cdb32973d4e615e5',
  }
  'cdb32973d4e615e5',
});
  'cdb32973d4e615e5',

  'cdb32973d4e615e5',
t.test('an older program refuses a newer database and names the copy that fits it', (t) => {
  'cdb32973d4e615e5',
  const file = join(base, 'downgrade.db');
  'cdb32973d4e615e5',
  makeOld(file, 5);
  'cdb32973d4e615e5',
  change(file, (database) => migrate(database, file));
  'cdb32973d4e615e5',
  const old = MIGRATIONS.slice(0, 6);
  'cdb32973d4e615e5',
  const remedyOf = (): string => {
  'cdb32973d4e615e5',
    try {
  'cdb32973d4e615e5',
      change(file, (database) => migrate(database, file, old));
  'cdb32973d4e615e5',
    } catch (error) {
  'cdb32973d4e615e5',
      t.match(error, { code: 'newer-database', message: /version \d+, this program knows 6/ });
  'cdb32973d4e615e5',
      return (error as { remedy: string }).remedy;
  'cdb32973d4e615e5',
    }
  'cdb32973d4e615e5',
    throw new Error('it was not refused');
  'cdb32973d4e615e5',
  };
  'cdb32973d4e615e5',
  // What it says to do works.
  'cdb32973d4e615e5',
  const commands = /: (mv .+)\.$/.exec(remedyOf())?.[1]?.split('; ') ?? [];
  'cdb32973d4e615e5',
  t.match(commands, [/^mv /, /^rm -f /, /^cp -p .*\.v5\.bak /]);
  'cdb32973d4e615e5',
  copyFileSync(file, `${file}.newer`);
  'cdb32973d4e615e5',
  copyFileSync(`${file}.v5.bak`, file);
  'cdb32973d4e615e5',
  change(file, (database) => {
  'cdb32973d4e615e5',
    migrate(database, file, old);
  'cdb32973d4e615e5',
    t.match(database.prepare('SELECT mac FROM leases').all(), [{ mac: alice }]);
  'cdb32973d4e615e5',
  });
  'cdb32973d4e615e5',
  for (const { file: copy } of listCopies(file)) rmSync(copy);
  'cdb32973d4e615e5',
  copyFileSync(`${file}.newer`, file);
  'cdb32973d4e615e5',
  t.match(remedyOf(), /or move .* away: leases that machines renew are learned again/);
  'cdb32973d4e615e5',
  t.end();
  'cdb32973d4e615e5',
});
  'cdb32973d4e615e5',

  'cdb32973d4e615e5',
t.test('the copy is of this migration, and only the newest copies stay', (t) => {
  'cdb32973d4e615e5',
  const file = join(base, 'copies.db');
  'cdb32973d4e615e5',
  // Left by an update that was taken back long ago.
  'cdb32973d4e615e5',
  writeFileSync(`${file}.v2.bak`, 'old');
  'cdb32973d4e615e5',
  for (let version = 2; version < 7; version++) {
  'cdb32973d4e615e5',
    if (version === 2) makeOld(file, 2);
  'cdb32973d4e615e5',
    change(file, (database) => migrate(database, file, MIGRATIONS.slice(0, version + 1)));
  'cdb32973d4e615e5',
    t.ok(existsSync(`${file}.v${version}.bak`));
  'cdb32973d4e615e5',
    if (version === 2) {
  'cdb32973d4e615e5',
      change(`${file}.v2.bak`, (database) =>
  'cdb32973d4e615e5',
        t.match(database.prepare('SELECT mac FROM leases').all(), [{ mac: alice }]),
  'cdb32973d4e615e5',
      );
  'cdb32973d4e615e5',
    }
  'cdb32973d4e615e5',
  }
  'cdb32973d4e615e5',
  t.same(
  'cdb32973d4e615e5',
    listCopies(file).map(({ version }) => version),
  'cdb32973d4e615e5',
    [4, 5, 6],
  'cdb32973d4e615e5',
  );
  'cdb32973d4e615e5',
  t.end();
  'cdb32973d4e615e5',
});
  'cdb32973d4e615e5',
