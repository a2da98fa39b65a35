import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { OnceUse } from '../../src/machine/once.ts';
import type { Lease } from '../../src/store/port.ts';
import { listSetAside } from '../../src/store/set-aside.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

const alice = '52:54:00:00:00:0a' as Mac;
const base = mkdtempSync(join(tmpdir(), 'tinderbox-damage-'));
t.teardown(() => rmSync(base, { recursive: true, force: true }));
const NOW = Date.UTC(2027, 0, 2, 3, 4, 5);

let made = 0;
const newFile = (): string => join(base, String(++made), 'tinderbox.db');
const lease = (address: number): Lease => ({
  address: address as Ipv4,
  mac: alice,
  state: 'bound',
  expiresAt: NOW + 5_000,
  via: 'eth0',
});
const LEASES = 2_000;

/** A database of several hundred pages: leases, then events. */
const USED: OnceUse = { mac: alice, role: 'install', since: 1, tries: 1, sessionId: 4, doneAt: 2 };

async function makeFull(file: string): Promise<void> {
  const store = await openStore({ file, durability: 'process', openedAt: 1 });
  await store.commitLeases(Array.from({ length: LEASES }, (_, address) => lease(address)));
  await store.putAdmission({ mac: alice, rule: 'r', at: 3 });
  await store.putOnceUse(USED);
  await store.appendHistory({
    machines: [{ mac: alice, firstSeen: 1, lastSeen: 2 }],
    sessions: [],
    events: Array.from({ length: 3_000 }, () => ({
      at: 20,
      mac: alice,
      kind: 'dhcp.discover' as const,
      outcome: 'answered' as const,
      asked: 'x'.repeat(100),
      answered: '',
      reasons: [],
    })),
  });
  await store.close();
}

function overwrite(file: string, at: number, bytes: number): void {
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, Buffer.alloc(bytes, 0xa5), 0, bytes, at);
  closeSync(descriptor);
}

/** Where the tree of a table begins, in bytes. */
function rootOf(file: string, table: string): { readonly at: number; readonly page: number } {
  const database = new Sqlite(file, { readonly: true });
  const page = database.pragma('page_size', { simple: true }) as number;
  const root = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').pluck().get(table);
  database.close();
  return { at: (Number(root) - 1) * page, page };
}

const logOf = () => {
  const lines: string[] = [];
  return { lines, logger: { error: (_details: unknown, line: string) => void lines.push(line) } as never };
};

const DAMAGE: readonly {
  readonly name: string;
  readonly damage: (file: string) => void;
  readonly saved: 'all' | 'some' | 'none';
}[] = [
  { name: 'the header overwritten', damage: (file) => overwrite(file, 0, 100), saved: 'none' },
  {
    name: "the events' tree overwritten",
    damage: (file) => {
      const { at, page } = rootOf(file, 'events');
      overwrite(file, at, page);
    },
    saved: 'all',
  },
  {
    name: 'pages in the middle of the leases overwritten',
    damage(file) {
      const database = new Sqlite(file, { readonly: true });
      const pages = database
        .prepare("SELECT pageno FROM dbstat WHERE name = 'leases' AND pagetype = 'leaf' ORDER BY path")
        .pluck()
        .all() as number[];
      const size = database.pragma('page_size', { simple: true }) as number;
      database.close();
      overwrite(file, ((pages[Math.floor(pages.length / 2)] ?? 0) - 1) * size, size);
    },
    saved: 'some',
  },
  { name: 'cut in half', damage: (file) => truncateSync(file, statSync(file).size >> 1), saved: 'all' },
  { name: 'cut within its first page', damage: (file) => truncateSync(file, 700), saved: 'none' },
  {
    name: 'text in its place',
    damage: (file) => writeFileSync(file, 'this is no database at all, '.repeat(100)),
    saved: 'none',
  },
  {
    name: 'a folder in its place',
    damage(file) {
      rmSync(file);
      mkdirSync(file);
    },
    saved: 'none',
  },
  {
    name: 'a schema that says nothing',
    damage(file) {
      const database = new Sqlite(file);
      database.unsafeMode();
      database.pragma('writable_schema = ON');
      database.exec("UPDATE sqlite_schema SET sql = 'nonsense' WHERE name = 'events'");
      database.close();
    },
    saved: 'none',
  },
];

for (const { name, damage, saved } of DAMAGE) {
  t.test(`${name}: set aside, said, and service goes on with what could be saved`, async (t) => {
    const file = newFile();
    await makeFull(file);
    damage(file);
    const { lines, logger } = logOf();
    const store = await openStore({ file, durability: 'disk', openedAt: NOW, logger });
    t.teardown(() => store.close());
    const aside = `${file}.damaged-2027-01-02T03-04-05Z`;
    t.match(store.opening, { created: true, incompleteSince: NOW, damaged: { file: aside } });
    t.ok(existsSync(aside));
    t.same(listSetAside(file), [aside]);
    t.equal(lines.length, 1);
    t.match(
      lines[0],
      /tinderbox\.db was damaged \(.+\): history begins anew, \d+ lease.* kept as .*damaged-/,
    );

    const { leases, admissions, onceUses, machines } = await store.load();
    t.equal(store.opening.damaged?.savedLeases, leases.length);
    if (saved === 'all') t.equal(leases.length, LEASES);
    else if (saved === 'none') t.same(leases, []);
    else t.ok(leases.length > 100 && leases.length < LEASES, `${leases.length} of ${LEASES} leases`);
    for (const found of leases.slice(0, 20)) t.same(found, lease(found.address));
    if (saved === 'all') t.same(admissions, [{ mac: alice, rule: 'r', at: 3 }]);
    if (saved === 'all') t.same(onceUses, [USED], 'no disk is wiped again');
    t.equal(store.opening.isOnceUnknown, true, 'of the others a person has to decide');
    t.same(machines, [], 'history begins anew');
    await store.commitLeases([lease(0x0a4d0064)]);
    await store.holdOnceUses([]);
    await store.close();

    const again = await openStore({ file, durability: 'disk', openedAt: NOW + 1, logger });
    t.same(again.opening, { created: false, incompleteSince: NOW });
    t.equal(lines.length, 1, 'said once');
    t.ok((await again.load()).leases.some(({ address }) => Number(address) === 0x0a4d0064));
    await again.close();
  });
}

t.test('an empty file is a new database', async (t) => {
  const file = newFile();
  mkdirSync(dirname(file));
  writeFileSync(file, '');
  writeFileSync(`${file}-wal`, 'left over');
  const store = await openStore({ file, durability: 'disk', openedAt: NOW });
  t.same(store.opening, { created: true, incompleteSince: NOW });
  await store.close();
  t.same(listSetAside(file), []);
});

t.test('a damaged write-ahead log costs what was in it and no more', async (t) => {
  const file = newFile();
  await makeFull(file);
  // As after a loss of power: the log is there, with frames that hold nothing sound.
  writeFileSync(`${file}-wal`, Buffer.alloc(50_000, 0xa5));
  writeFileSync(`${file}-shm`, Buffer.alloc(32_768, 0xa5));
  const store = await openStore({ file, durability: 'disk', openedAt: NOW });
  t.equal(store.opening.damaged, undefined);
  t.equal((await store.load()).leases.length, LEASES);
  await store.close();
});

t.test('a lock file with any content is a lock file; what copies left unfinished goes', async (t) => {
  const file = newFile();
  mkdirSync(dirname(file));
  writeFileSync(`${file}.lock`, 'no database '.repeat(1000));
  writeFileSync(`${file}.v3.bak.part`, 'half');
  mkdirSync(`${file}.v4.bak.part`);
  writeFileSync(`${file}.backup-1.part`, 'half');
  const store = await openStore({ file, durability: 'disk', openedAt: NOW });
  t.same(
    readdirSync(dirname(file)).filter((name) => name.endsWith('.part')),
    [],
  );
  await t.rejects(openStore({ file, durability: 'disk', openedAt: NOW }), { code: 'in-use' });
  await store.close();
  // A lock that is held is not emptied, whatever stands in it.
  const held = await openStore({ file, durability: 'disk', openedAt: NOW });
  overwrite(`${file}.lock`, 0, 100);
  await t.rejects(openStore({ file, durability: 'disk', openedAt: NOW }), { code: 'in-use' });
  await held.close();
});

t.test('damage that shows while it runs is said once to whoever opened it', async (t) => {
  const file = newFile();
  await makeFull(file);
  const told: string[] = [];
  const store = await openStore({
    file,
    durability: 'disk',
    openedAt: NOW,
    onFailure: ({ message }) => void told.push(message),
  });
  const { at, page } = rootOf(file, 'events');
  overwrite(file, at, page);
  const ask = () => store.listEvents({ mac: alice, limit: 10_000 });
  await t.rejects(ask(), { code: 'unavailable', message: /damaged/, remedy: /sets .* aside/ });
  await t.rejects(ask(), { code: 'unavailable' });
  t.match(told, [/damaged/]);
  t.equal(told.length, 1);
  await store.close();

  const next = await openStore({ file, durability: 'disk', openedAt: NOW });
  t.match(next.opening, { damaged: { savedLeases: LEASES } }, 'the next start mends it');
  await next.close();
});

t.test('a bad sector that shows at opening is damage: the database is set aside', async (t) => {
  const file = newFile();
  await makeFull(file);
  const module = join(import.meta.dirname, '../../src/store/open-sound.ts');
  const script = `import { openSound } from ${JSON.stringify(module)};
    const { database, opening } = openSound(${JSON.stringify(file)}, ${NOW});
    database.close();
    process.stdout.write(JSON.stringify(opening));`;
  // The first read: what fails later is a finding of the check itself. Salvage reads the sector again, with success.
  const fault = ['--quiet=all', '-f', '-o', '/dev/null', '-P', file, '-e', 'inject=pread64:error=EIO:when=1'];
  const argv = [...fault, process.execPath, '--input-type=module', '--eval', script];
  const env = { ...process.env, NODE_OPTIONS: '' };
  const opening: unknown = JSON.parse(execFileSync('strace', argv, { env, encoding: 'utf8' }));
  t.match(opening, { damaged: { reason: /cannot be read: disk I\/O error/, savedLeases: LEASES } });
  t.equal(listSetAside(file).length, 1);
});

t.test('damage that only work shows does not end each start anew', async (t) => {
  const file = newFile();
  await makeFull(file);
  // One key of an index has a flipped bit: its row is no longer found by it.
  const { at, page } = rootOf(file, 'events_by_machine');
  const root = readFileSync(file).subarray(at, at + page);
  // Cells grow from the page's end; what lies before them may be of no use any more.
  const key = root.lastIndexOf(alice);
  t.not(key, -1);
  overwrite(file, at + key, 1);
  const open = () => openStore({ file, durability: 'disk', openedAt: NOW, limits: { age: 1, settle: 0 } });

  const store = await open();
  t.equal(store.opening.damaged, undefined, 'a quick check sees nothing');
  await t.rejects(
    store.tidyHistory(NOW).then(() => store.tidyHistory(NOW)),
    { message: /damaged/ },
  );
  await store.close();

  const next = await open();
  t.match(next.opening, { damaged: { savedLeases: LEASES } });
  await next.tidyHistory(NOW);
  await next.close();
  t.notOk(existsSync(`${file}.suspect`), 'and the start after that looks as quickly as ever');
});

t.test('however often a disk damages it, three damaged files stay', async (t) => {
  const file = newFile();
  mkdirSync(dirname(file));
  for (let day = 0; day < 5; day++) {
    writeFileSync(file, `no database ${day}`.repeat(100));
    const store = await openStore({ file, durability: 'process', openedAt: NOW + day * 86_400_000 });
    await store.close();
  }
  t.same(
    listSetAside(file).map((path) => readFileSync(path, 'utf8').slice(0, 13)),
    ['no database 2', 'no database 3', 'no database 4'],
  );
  // Twice within a second is no reason to lose one.
  writeFileSync(file, 'no database x'.repeat(100));
  await (await openStore({ file, durability: 'process', openedAt: NOW + 4 * 86_400_000 })).close();
  t.equal(listSetAside(file).length, 3);
});
