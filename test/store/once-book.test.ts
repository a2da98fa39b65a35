import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Mac } from '../../src/machine/mac.ts';
import type { OnceUse } from '../../src/machine/once.ts';
import type { MachineEntry } from '../../src/machine/role.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { createOnceBook, usesInForce } from '../../src/store/once-book.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

const alice = '52:54:00:00:00:0a' as Mac;
const bob = '52:54:00:00:00:0b' as Mac;

const session = (id: number, rest: Partial<BootSession> = {}): BootSession => ({
  id,
  mac: alice,
  openedAt: 1,
  updatedAt: 1,
  stage: 'script',
  stageTimes: {},
  scriptAt: 1,
  role: 'install',
  ...rest,
});
const catalogOf = (once: Readonly<Record<Mac, string | undefined>>) => ({
  machines: new Map(
    Object.entries(once).map(([mac, role]): [Mac, MachineEntry] => [
      mac as Mac,
      { mac: mac as Mac, ...(role === undefined ? {} : { once: role }), parameters: {}, line: 1 },
    ]),
  ),
});

function setUp(uses: readonly OnceUse[] = []) {
  const clock = { now: 1_000 };
  const world: { current?: BootSession; full: boolean } = { full: false };
  const disk = new Map(uses.map((use) => [use.mac, use]));
  const failures: unknown[] = [];
  const put = async (work: () => void): Promise<void> => {
    if (world.full) throw new Error('disk full');
    work();
  };
  const book = createOnceBook({
    store: {
      putOnceUse: (use) => put(() => void disk.set(use.mac, use)),
      dropOnceUse: (mac) => put(() => void disk.delete(mac)),
      holdOnceUses: (held) => put(() => held.forEach((use) => disk.set(use.mac, use))),
    },
    uses,
    sessionOf: (mac) => (world.current?.mac === mac ? world.current : undefined),
    clock: () => clock.now,
    failed: (_mac, error) => failures.push(error),
  });
  const boot = (id: number, rest: Partial<BootSession> = {}) => {
    world.current = session(id, rest);
    book.arrives(alice, clock.now);
    book.tries('install', world.current);
  };
  return { book, boot, clock, world, disk, failures };
}

t.test('a boot is counted once however often it asks for its script, and the next one again', async (t) => {
  const { book, boot, world } = setUp();
  boot(7);
  boot(7);
  t.match(book.useOf(alice), { role: 'install', tries: 1, sessionId: 7, since: 1_000 });
  t.ok(book.isUnderWay(alice));
  world.current = session(7, { end: 'superseded' });
  t.notOk(book.isUnderWay(alice));
  boot(8);
  t.match(book.useOf(alice), { tries: 2, sessionId: 8 });
});

t.test('a reset that opens no session is another boot all the same', async (t) => {
  const rows: [string, Partial<BootSession>, number, number][] = [
    ['a failed download is tried again', { stage: 'initrd', scriptAt: 1_000 }, 16_000, 1],
    ['no file was fetched since', { stage: 'script', scriptAt: 1_000 }, 600_000, 1],
    ['an installer that fetches no configuration', { stage: 'initrd', scriptAt: 1_000 }, 90_000, 2],
    ['a boot that says it failed', { stage: 'initrd', scriptAt: 1_000, failedAt: 2_000 }, 5_000, 2],
    ['one that failed before this script', { stage: 'initrd', scriptAt: 3_000, failedAt: 2_000 }, 5_000, 1],
  ];
  for (const [name, rest, now, tries] of rows) {
    const { book, boot, clock } = setUp();
    boot(7);
    clock.now = now;
    boot(7, rest);
    t.equal(book.useOf(alice)?.tries, tries, name);
  }
});

t.test('it is used up by the session that booted under it, and by no other one', async (t) => {
  const rows: [string, BootSession, boolean][] = [
    ['its own', session(7), true],
    ['a former one', session(6), false],
    ['its own, with what was chosen from a menu', session(7, { role: 'other' }), true],
    ["another machine's", session(7, { mac: bob }), false],
  ];
  for (const [name, reporting, isUsed] of rows) {
    const { book, boot, disk } = setUp();
    boot(7);
    t.equal(book.succeeds(reporting), isUsed, name);
    t.equal(book.succeeds(reporting), false, 'only once');
    await book.written(alice);
    t.equal(disk.get(alice)?.doneAt !== undefined, isUsed, name);
  }
});

t.test('the end of a session uses it up if it is one with success', async (t) => {
  for (const [end, isUsed] of [
    ['ready', true],
    ['booted', true],
    ['superseded', false],
  ] as const) {
    const { book, boot } = setUp();
    boot(7);
    book.ended(session(7, { end }));
    t.equal(book.useOf(alice)?.doneAt !== undefined, isUsed, end);
  }
  const { book, boot } = setUp();
  boot(7, { end: 'handed-over' });
  t.match(book.useOf(alice), { doneAt: 1_000 }, 'a role that ends with its script has succeeded with it');
});

t.test('it starts over when somebody says so, and what was under way then counts no more', async (t) => {
  const { book, boot, disk } = setUp();
  boot(7);
  t.equal(await book.renew(alice), true);
  t.equal(disk.size, 0);
  t.equal(book.succeeds(session(7)), false);
  t.equal(await book.renew(alice), false);
});

t.test('what is removed from machines.yaml and written again works once more', async (t) => {
  const used: OnceUse = { mac: alice, role: 'install', since: 1, tries: 1, sessionId: 7, doneAt: 2 };
  const rows: [string, string | undefined, number, boolean][] = [
    ['removed for an hour', undefined, 3_600_000, false],
    ['another role for an hour', 'other', 3_600_000, false],
    ['gone while an editor writes the file', undefined, 500, true],
  ];
  for (const [name, between, time, stays] of rows) {
    const { book, clock, disk } = setUp([used]);
    book.follow(catalogOf({ [alice]: between }));
    t.ok(book.useOf(alice), 'until it comes back nothing is decided');
    clock.now += time;
    book.follow(catalogOf({ [alice]: 'install' }));
    await book.written(alice);
    t.equal(book.useOf(alice) !== undefined, stays, name);
    t.equal(disk.has(alice), stays, name);
  }
  const { kept, gone } = usesInForce([used, { ...used, mac: bob }], catalogOf({ [alice]: 'install' }));
  t.same([kept, gone], [[used], [bob]], 'and at the start what is not there is gone');
});

t.test('where boots with success may be unknown, a person decides', async (t) => {
  const used: OnceUse = { mac: alice, role: 'install', since: 1, tries: 1, sessionId: 7, doneAt: 2 };
  const { book, disk } = setUp([used]);
  const held = await book.hold(catalogOf({ [alice]: 'install', [bob]: 'install' }));
  t.same(held, [bob], 'what is known to be used up stays so');
  t.match(disk.get(bob), { role: 'install', tries: 0, isUnknown: true });
});

t.test('what cannot be written holds in memory, is said, and is written when there is room', async (t) => {
  const { book, boot, world, disk, failures } = setUp();
  boot(7);
  await book.written(alice);
  world.full = true;
  t.ok(book.succeeds(session(7)));
  await t.rejects(book.written(alice), { message: 'disk full' });
  t.equal(book.useOf(alice)?.doneAt, 1_000);
  t.equal(failures.length, 1);
  world.full = false;
  await book.written(alice);
  t.equal(disk.get(alice)?.doneAt, 1_000);
});

t.test('it is on disk when it is said to be', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-once-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'tinderbox.db');
  const uses: OnceUse[] = [
    { mac: alice, role: 'install', since: 1, tries: 2, sessionId: 7, doneAt: 9 },
    { mac: bob, role: 'install', since: 1, tries: 0, isUnknown: true },
  ];
  const store = await openStore({ file, durability: 'process' });
  await store.putOnceUse({ mac: alice, role: 'other', since: 1, tries: 1 });
  for (const use of uses) await store.putOnceUse(use);
  await store.close();
  const again = await openStore({ file, durability: 'process' });
  t.same((await again.load()).onceUses, uses);
  await again.dropOnceUse(alice);
  t.same(await again.listOnceUses(), uses.slice(1));
  await again.close();
});
