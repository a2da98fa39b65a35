import t from 'tap';
import type { SessionView } from '../../src/admin/api.ts';
import { fleetRow, isNews, matchesFilter, orderRows } from '../../src/cli/fleet-rows.ts';
import type { Mac } from '../../src/machine/mac.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const machine = { mac: MAC, firstSeen: 1, lastSeen: 9 };
const session: SessionView = {
  id: 1,
  mac: MAC,
  openedAt: 1,
  updatedAt: 5,
  stage: 'kernel',
  stageTimes: {},
  role: 'worker',
};
const stalled = {
  at: 6,
  stage: 'kernel' as const,
  diagnosis: { name: 'no-driver', title: 'no network driver', evidence: [], remedy: 'add it' },
};

const rows: readonly [string, Partial<SessionView> | undefined, object][] = [
  ['never booted', undefined, { state: 'unknown', since: 9 }],
  ['a signing token only', { signingUntil: 7 }, { state: 'unknown' }],
  ['under way', {}, { state: 'booting', stage: 'kernel', since: 5, role: 'worker' }],
  ['waits for approval', { waitingSince: 3 }, { state: 'waiting', since: 3, note: 'waits for approval' }],
  ['failed', { failedAt: 4 }, { state: 'failed' }],
  ['stalled, and failed before', { failedAt: 4, stalled }, { state: 'failed', note: 'no network driver' }],
  [
    'up, though it stalled on the way',
    { stage: 'ready', end: 'ready', stalled },
    { state: 'ready', note: undefined },
  ],
  ['given up for a boot that never came', { end: 'superseded' }, { state: 'unknown' }],
  ['up, with an alarm', { end: 'booted', alarmedAt: 3 }, { state: 'booted', note: 'ALARM' }],
];
for (const [name, change, expected] of rows) {
  t.test(`a machine: ${name}`, async (t) => {
    t.match(fleetRow({ machine, ...(change && { session: { ...session, ...change } }) }), {
      mac: MAC,
      ...expected,
    });
  });
}

const row = (mac: string, state: 'ready' | 'stalled' | 'booting') => ({ mac: mac as Mac, state, since: 1 });
t.test('what wants attention stands first, and rows of one state stay where they are', async (t) => {
  const ordered = orderRows([
    row('c', 'ready'),
    row('b', 'booting'),
    row('d', 'stalled'),
    row('a', 'booting'),
  ]);
  t.same(
    ordered.map(({ mac }) => mac),
    ['d', 'a', 'b', 'c'],
  );
});

t.test('filters hold for the role and for what does not go on; an age is no news', async (t) => {
  const row = fleetRow({ machine, session });
  t.ok(matchesFilter(row, { role: 'worker', stalled: false }));
  t.notOk(matchesFilter(row, { role: 'etcd', stalled: false }));
  t.notOk(matchesFilter(row, { stalled: true }));
  t.ok(matchesFilter(fleetRow({ machine, session: { ...session, stalled } }), { stalled: true }));
  t.notOk(isNews(row, { ...row, since: 77 }));
  t.ok(isNews(row, { ...row, stage: 'initrd' }));
});
