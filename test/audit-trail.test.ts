import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createAuditTrail } from '../src/audit-trail.ts';
import type { AuditRecord } from '../src/store/port.ts';
import { type OpenStoreOptions, openStore } from '../src/store/sqlite-store.ts';

const T0 = 1_700_000_000_000;
const DAY = 86_400_000;
const logger = { info: () => undefined, error: () => undefined };

const record = (at: number, rest: Partial<AuditRecord> = {}): AuditRecord => ({
  at,
  actor: { name: 'alice', via: 'socket' },
  action: 'assign',
  target: '52:54:00:12:34:56',
  outcome: 'done',
  detail: 'role: none → worker',
  ...rest,
});

async function open(t: Test, limits: NonNullable<OpenStoreOptions['limits']> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'tb-audit-'));
  const store = await openStore({
    file: join(folder, 'state.db'),
    durability: 'process',
    openedAt: T0,
    limits,
  });
  t.teardown(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });
  return { store, trail: createAuditTrail({ store, logger }) };
}

t.test('what was recorded a moment ago is listed, the newest first, as it was', async (t) => {
  const { trail } = await open(t);
  const first = record(T0);
  const second: AuditRecord = {
    at: T0 + 1,
    actor: { name: 'token', via: 'page', address: '10.0.0.1' },
    action: 'reload',
    outcome: 'refused',
    detail: "Robert'); DROP TABLE audit;--\u001b[31m",
  };
  trail.record(first);
  trail.record(second);
  t.same(await trail.list({ limit: 10, offset: 0 }), { records: [second, first] });
  t.same(await trail.list({ limit: 1, offset: 1 }), { records: [first] });
});

t.test('the oldest go beyond the bound, and long texts are cut', async (t) => {
  const { trail } = await open(t, { audit: 10 });
  for (let at = 0; at < 25; at++) trail.record(record(T0 + at, { detail: 'x'.repeat(10_000) }));
  const { records } = await trail.list({ limit: 100, offset: 0 });
  t.equal(records.length, 10);
  t.equal(records[0]?.at, T0 + 24);
  t.equal(records[0]?.detail.length, 512);
});

t.test('whoever guesses tokens pushes out guesses, and nothing that was changed', async (t) => {
  const { trail } = await open(t, { audit: 10, auditGuesses: 3 });
  const guess = { actor: { name: 'unknown', via: 'token', address: '10.0.0.9' }, action: 'login' } as const;
  trail.record(record(T0));
  for (let at = 1; at <= 50; at++) {
    trail.record(record(T0 + at, { ...guess, outcome: 'refused' }));
    await trail.list({ limit: 1, offset: 0 });
  }
  trail.record(record(T0 + 51, { ...guess, outcome: 'done' }));
  const { records } = await trail.list({ limit: 100, offset: 0 });
  t.same(
    records.map(({ at }) => at - T0),
    [51, 50, 49, 48, 0],
  );
});

t.test('what is older than four times the age of events goes', async (t) => {
  const { trail, store } = await open(t, { age: DAY, settle: 0 });
  trail.record(record(T0));
  trail.record(record(T0 + 2 * DAY));
  await trail.list({ limit: 1, offset: 0 });
  await store.tidyHistory(T0 + 5 * DAY);
  const { records } = await trail.list({ limit: 10, offset: 0 });
  t.same(
    records.map(({ at }) => at),
    [T0 + 2 * DAY],
  );
});

t.test('a store that refuses loses nothing but beyond the bound, and nobody waits', async (t) => {
  let refuses = true;
  const written: AuditRecord[] = [];
  const trail = createAuditTrail({
    logger,
    store: {
      appendAudit: async (records) => {
        if (refuses) throw new Error('disk full');
        written.push(...records);
      },
      listAudit: async () => [],
    },
  });
  for (let at = 0; at < 1_500; at++) trail.record(record(at));
  await trail.list({ limit: 1, offset: 0 });
  refuses = false;
  await trail.list({ limit: 1, offset: 0 });
  t.equal(written.length, 1_000);
  t.equal(written.at(-1)?.at, 1_499);
});
