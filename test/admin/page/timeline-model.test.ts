import t from 'tap';
import { TIMELINE_WINDOW, timelineOf } from '../../../src/admin/page/timeline-model.ts';
import type { BootEvent } from '../../../src/machine/event.ts';

const event = (at: number, rest: Partial<BootEvent> = {}): BootEvent => ({
  at,
  kind: 'http.asset',
  outcome: 'answered',
  asked: `GET /assets/${at}`,
  answered: '200',
  reasons: [],
  ...rest,
});

const ask = (at: number, rest: Partial<BootEvent> = {}) =>
  event(at, {
    kind: 'dhcp.discover',
    asked: `DISCOVER xid 0x${at.toString(16)} from x`,
    outcome: 'ignored',
    ...rest,
  });

t.test('a row says since when, how long after the one before, and where the time went', (t) => {
  const { rows } = timelineOf([event(1_000), event(1_500), event(61_500)], 1_000);
  t.same(
    rows.map(({ offset, gap, bar, long }) => ({ offset, gap, bar, long })),
    [
      { offset: 0, gap: undefined, bar: 0, long: false },
      { offset: 500, gap: 500, bar: 1, long: false },
      { offset: 60_500, gap: 60_000, bar: 100, long: true },
    ],
  );
  t.end();
});

t.test('events in a row that say the same are one row; one that reached a stage stands alone', (t) => {
  const { rows } = timelineOf(
    [ask(1), ask(2), ask(3), ask(4, { stage: 'offered' }), ask(5), ask(6, { reasons: ['else'] })],
    0,
  );
  t.same(
    rows.map(({ at, times, until, stage, mark }) => [at, times, until, stage, mark]),
    [
      [1, 3, 3, undefined, 'no answer'],
      [4, 2, 5, 'offered', 'no answer'],
      [6, 1, 6, undefined, 'no answer'],
    ],
  );
  t.end();
});

t.test('ten thousand events are shown five hundred at a time, the newest first', (t) => {
  const events = Array.from({ length: 10_100 }, (_, index) => event(index));
  const newest = timelineOf(events, 0);
  t.equal(newest.rows.length, TIMELINE_WINDOW);
  t.equal(newest.rows.at(-1)?.at, 10_099);
  t.match(newest, { total: 10_100, earlier: 9_600, later: 0, window: 0 });
  const next = timelineOf(events, 0, 1);
  t.match(next, { earlier: 9_100, later: 500, window: 1 });
  t.equal(next.rows[0]?.gap, 1, 'the gap to what is on the page before');
  const last = timelineOf(events, 0, 99_999);
  t.match(last, { earlier: 0, later: 10_000, window: 20 });
  t.equal(last.rows.length, 100);
  t.match(timelineOf([], 0, 3), { rows: [], total: 0, earlier: 0, later: 0, window: 0 });
  t.end();
});

t.test('what went wrong is marked in words and in colour', (t) => {
  const rows: [Partial<BootEvent>, mark: string | undefined, tone: string, plane: string][] = [
    [{}, undefined, 'busy', 'HTTP'],
    [{ outcome: 'noted' }, undefined, 'idle', 'HTTP'],
    [{ outcome: 'refused' }, 'refused', 'warn', 'HTTP'],
    [{ outcome: 'failed' }, 'failed', 'bad', 'HTTP'],
    [{ kind: 'security.alarm', outcome: 'refused' }, 'ALARM', 'bad', 'security'],
    [{ kind: 'session.stalled', outcome: 'noted' }, 'stalled', 'warn', 'session'],
    [{ kind: 'syslog.line', outcome: 'noted' }, undefined, 'idle', 'console'],
    [{ kind: 'node.ready', outcome: 'noted', stage: 'ready' }, undefined, 'good', 'Node'],
  ];
  for (const [given, mark, tone, plane] of rows) {
    const [row] = timelineOf([event(1, given)], 0).rows;
    t.same([row?.mark, row?.tone, row?.plane], [mark, tone, plane], JSON.stringify(given));
  }
  t.equal(timelineOf([event(1, { asked: '' })], 0).rows[0]?.asked, 'http.asset');
  t.end();
});
