import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import t, { type Test } from 'tap';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { migrate } from '../../src/store/migrations.ts';
import type { GivenCertificate, SessionOwner } from '../../src/store/port.ts';
import { createSqliteDatabase } from '../../src/store/sqlite-database.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

const alice = '52:54:00:00:00:0a' as Mac;
const HERE = 0x0a4d0014 as Ipv4;
const ELSEWHERE = 0x0a4d0015 as Ipv4;

function owner(id: number): SessionOwner {
  return {
    machine: { mac: alice, firstSeen: 10, lastSeen: 20 },
    session: { id, mac: alice, openedAt: 10, updatedAt: 20, stage: 'script', stageTimes: {} },
  };
}

function rackOwner(id: number): SessionOwner {
  const mac =
    `52:54:00:00:${String(Math.floor(id / 100)).padStart(2, '0')}:${String(id % 100).padStart(2, '0')}` as Mac;
  const { machine, session } = owner(id);
  return { machine: { ...machine, mac }, session: { ...session, mac } };
}

const NODE: GivenCertificate = {
  name: 'node',
  keyFingerprint: 'aa',
  serial: '01',
  subject: 'CN=system:node:node-1',
  givenAt: 100,
  notAfter: 900,
  address: HERE,
};

function newFile(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-releases-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'tinderbox.db');
}

t.test('a release belongs to the address that began it, and ends with its last byte', async (t) => {
  const file = newFile(t);
  const first = await openStore({ file, durability: 'process' });
  t.equal(await first.releaseOf(7), undefined);
  t.equal(await first.beginRelease(owner(7), { begunAt: 100, address: HERE }), true);
  t.equal(await first.beginRelease(owner(7), { begunAt: 200, address: ELSEWHERE }), false);
  t.equal(await first.beginRelease(owner(7), { begunAt: 200, address: HERE }), true, 'it may resume');
  t.same(await first.releaseOf(7), { begunAt: 100, address: HERE }, 'and gains no time by it');
  await first.close();
  const second = await openStore({ file, durability: 'process' });
  t.teardown(() => second.close());
  t.match(await second.listSessions(alice, { limit: 9, offset: 0 }), [{ id: 7 }], 'its session came with it');
  await second.completeRelease(7, 300);
  await second.completeRelease(7, 400);
  t.same(await second.releaseOf(7), { begunAt: 100, address: HERE, completedAt: 300 });
  t.equal(await second.beginRelease(owner(7), { begunAt: 500, address: HERE }), false);
  t.equal(await second.beginRelease(owner(8), { begunAt: 500, address: ELSEWHERE }), true, 'a new boot');
});

t.test('a certificate of one name is for one key a session', async (t) => {
  const file = newFile(t);
  const first = await openStore({ file, durability: 'process' });
  t.equal(await first.certificateOf(7, 'node'), undefined);
  t.equal(await first.giveCertificate(owner(7), NODE), true);
  t.equal(await first.giveCertificate(owner(7), { ...NODE, keyFingerprint: 'bb', serial: '02' }), false);
  t.same(await first.certificateOf(7, 'node'), NODE);
  const again = { ...NODE, serial: '03', givenAt: 101 };
  t.equal(await first.giveCertificate(owner(7), { ...again, address: ELSEWHERE }), true);
  t.equal(await first.giveCertificate(owner(7), { ...NODE, name: 'kube-proxy', keyFingerprint: 'cc' }), true);
  t.equal(await first.giveCertificate(owner(8), { ...NODE, keyFingerprint: 'bb' }), true, 'a new boot');
  await first.close();
  const second = await openStore({ file, durability: 'process' });
  t.teardown(() => second.close());
  t.same(await second.certificateOf(7, 'node'), again, 'and whose it was first stays known');
});

t.test('what was given goes with its session', async (t) => {
  const file = newFile(t);
  const store = await openStore({ file, durability: 'process', limits: { sessionsPerMachine: 1 } });
  t.teardown(() => store.close());
  for (const id of [1, 2]) {
    await store.beginRelease(owner(id), { begunAt: 1, address: HERE });
    await store.giveCertificate(owner(id), NODE);
  }
  await store.appendHistory({ machines: [], sessions: [owner(2).session], events: [] });
  t.equal(await store.releaseOf(1), undefined);
  t.equal(await store.certificateOf(1, 'node'), undefined);
  t.match(await store.releaseOf(2), { begunAt: 1 });
  await store.forgetMachine(alice);
  t.equal(await store.releaseOf(2), undefined);
  t.equal(await store.certificateOf(2, 'node'), undefined);
});

t.test(
  'made-up machines that are given something stay within the limits, and push out none that is listed',
  async (t) => {
    const store = await openStore({ file: newFile(t), durability: 'process', limits: { machines: 5 } });
    t.teardown(() => store.close());
    const ownerOf = (number: number): SessionOwner => {
      const mac = `52:54:01:00:00:${number.toString(16).padStart(2, '0')}` as Mac;
      const { machine, session } = owner(number);
      return {
        machine: { ...machine, mac, hostname: `n-${number}`, lastSeen: number },
        session: { ...session, mac },
      };
    };
    const listed: SessionOwner = {
      ...owner(1),
      machine: { ...owner(1).machine, hostname: 'node-1', listed: true, lastSeen: 1 },
    };
    t.equal(await store.giveCertificate(listed, NODE), true);
    for (let number = 2; number < 40; number++) {
      const given =
        number % 2 === 0
          ? store.giveCertificate(ownerOf(number), NODE)
          : store.beginRelease(ownerOf(number), { begunAt: 1, address: HERE });
      t.equal(await given, true);
      t.ok((await store.listMachines({ limit: 99, offset: 0 })).length <= 5);
    }
    t.match(await store.certificateOf(1, 'node'), NODE);
    t.match(await store.certificateOf(38, 'node'), NODE);
    t.match(await store.releaseOf(39), { begunAt: 1 });
    const full = Array.from({ length: 5 }, (_, index) => ownerOf(40 + index));
    await store.appendHistory({
      machines: full.map(({ machine }) => ({ ...machine, listed: true })),
      sessions: full.map(({ session }) => session),
      events: [],
    });
    t.equal(await store.giveCertificate(ownerOf(50), NODE), true);
    t.match(
      await store.certificateOf(50, 'node'),
      NODE,
      'what was given is remembered, whoever must go for it',
    );
  },
);

t.test('on a full disk nothing is given, and nothing is half written', (t) => {
  const file = newFile(t);
  const database = new Sqlite(file);
  migrate(database, file);
  const store = createSqliteDatabase(database, { file, durability: 'disk' }, () => database.close());
  t.teardown(() => store.close());
  const pages = database.pragma('page_count', { simple: true }) as number;
  database.pragma(`max_page_count = ${pages}`);
  const long = 'x'.repeat(20_000);
  const big: SessionOwner = { ...owner(7), machine: { ...owner(7).machine, product: long } };
  t.throws(() => store.giveCertificate(big, NODE), { code: 'unavailable', message: /disk is full/ });
  t.throws(() => store.beginRelease(big, { begunAt: 1, address: HERE }), { code: 'unavailable' });
  t.equal(store.certificateOf(7, 'node'), undefined);
  t.equal(store.releaseOf(7), undefined);
  t.same(store.listSessions(alice, { limit: 9, offset: 0 }), []);
  database.pragma(`max_page_count = ${pages + 100}`);
  t.equal(store.giveCertificate(big, NODE), true, 'and it goes on by itself');
  t.end();
});

t.test('calls that came together are one transaction, and one that fails touches no other', (t) => {
  const file = newFile(t);
  const database = new Sqlite(file);
  migrate(database, file);
  const store = createSqliteDatabase(database, { file, durability: 'process' }, () => database.close());
  t.teardown(() => store.close());
  store.beginRelease(owner(1), { begunAt: 1, address: HERE });
  store.appendHistory({ machines: [], sessions: [], events: [] });
  const of = (sessionId: number) => ({
    name: 'beginRelease' as const,
    args: [owner(sessionId), { begunAt: 2, address: HERE }] as const,
  });
  t.same(
    store.releaseGroup([
      of(2),
      { name: 'completeRelease', args: [1, 3] },
      { name: 'releaseOf', args: [1] },
      of(1),
      of(3),
    ]),
    [true, undefined, { begunAt: 1, address: HERE, completedAt: 3 }, false, true].map((value) => ({
      kind: 'done',
      value,
    })),
    'each has the answer that it would have had alone, in this order',
  );
  t.equal(database.pragma('synchronous', { simple: true }), 2, 'and all of them are synced');

  const pages = database.pragma('page_count', { simple: true }) as number;
  database.pragma(`max_page_count = ${pages}`);
  const big: SessionOwner = { ...owner(7), machine: { ...owner(7).machine, product: 'x'.repeat(20_000) } };
  t.match(
    store.releaseGroup([
      { name: 'completeRelease', args: [2, 9] },
      { name: 'giveCertificate', args: [big, NODE] },
      { name: 'completeRelease', args: [3, 9] },
    ]),
    [
      { kind: 'done' },
      { kind: 'failed', error: { code: 'unavailable', message: /disk is full/ } },
      { kind: 'done' },
    ],
  );
  t.match(store.releaseOf(2), { completedAt: 9 });
  t.match(store.releaseOf(3), { completedAt: 9 });
  t.equal(store.certificateOf(7, 'node'), undefined);
  t.end();
});

t.test('a rack that asks at once is answered call by call', async (t) => {
  const store = await openStore({ file: newFile(t), durability: 'process' });
  t.teardown(() => store.close());
  const sessions = Array.from({ length: 300 }, (_, index) => index + 1);
  const begun = await Promise.all(
    sessions.flatMap((id) => [
      store.beginRelease(rackOwner(id), { begunAt: id, address: HERE }),
      store.releaseOf(id),
      store.beginRelease(rackOwner(id), { begunAt: 0, address: ELSEWHERE }),
    ]),
  );
  t.same(
    begun,
    sessions.flatMap((id) => [true, { begunAt: id, address: HERE }, false]),
  );
});

t.test('what is given is synced, whatever the durability of leases', (t) => {
  const file = newFile(t);
  const database = new Sqlite(file);
  migrate(database, file);
  const store = createSqliteDatabase(database, { file, durability: 'process' }, () => database.close());
  t.teardown(() => store.close());
  const synchronous = () => database.pragma('synchronous', { simple: true });
  const writes = [
    () => store.beginRelease(owner(1), { begunAt: 1, address: HERE }),
    () => store.giveCertificate(owner(1), NODE),
    () => store.completeRelease(1, 2),
  ];
  for (const write of writes) {
    store.appendHistory({ machines: [], sessions: [], events: [] });
    t.equal(synchronous(), 1);
    write();
    t.equal(synchronous(), 2);
  }
  t.end();
});
