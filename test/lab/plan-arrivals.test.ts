import t from 'tap';
import { describeArrivals, parseArrivals, planArrivals } from '../../src/lab/plan-arrivals.ts';

t.test('a pattern is read as it is written', async (t) => {
  t.same(parseArrivals('all-at-once'), { kind: 'all-at-once' });
  t.same(parseArrivals('50/s'), { kind: 'rate', perSecond: 50 });
  t.same(parseArrivals('30/m'), { kind: 'rate', perSecond: 0.5 });
  t.same(parseArrivals('poisson:2.5/s'), { kind: 'poisson', perSecond: 2.5 });
  t.same(parseArrivals('over:2m'), { kind: 'over', ms: 120_000 });
  t.same(parseArrivals('rolling:500'), { kind: 'rolling', underWay: 500 });
});

t.test('what is no pattern is none', async (t) => {
  const rows = [
    '',
    'all',
    '50',
    '0/s',
    '-1/s',
    '50/h',
    'poisson:50',
    'poisson:0/s',
    'over:60',
    'over:s',
    '5/s ',
    'rolling:0',
    'rolling:1.5',
    'rolling:500/s',
  ];
  for (const text of rows) t.equal(parseArrivals(text), undefined, text);
});

t.test('machines arrive as the pattern says', async (t) => {
  const never = () => t.fail('there is nothing by chance in it') as never;
  t.same(planArrivals({ kind: 'all-at-once' }, 3, never), [0, 0, 0]);
  t.same(planArrivals({ kind: 'rolling', underWay: 2 }, 3, never), [0, 0, 0], 'the storm waits for a place');
  t.same(planArrivals({ kind: 'rate', perSecond: 4 }, 3, never), [0, 250, 500]);
  t.same(planArrivals({ kind: 'over', ms: 600 }, 3, never), [0, 200, 400]);
});

t.test('by chance they come as often on average, and never before the one before', async (t) => {
  let seed = 1;
  // A linear congruential generator is random enough, and the same each time.
  const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  const plan = planArrivals({ kind: 'poisson', perSecond: 50 }, 5_000, random);
  t.same(
    plan,
    plan.toSorted((left, right) => left - right),
  );
  const mean = (plan.at(-1) ?? 0) / plan.length;
  t.ok(mean > 19 && mean < 21, `a pause is 20 ms on average: ${mean}`);
  const longest = Math.max(...plan.map((at, index) => at - (plan[index - 1] ?? 0)));
  t.ok(longest > 100, 'and far longer at times');
});

t.test('a pattern is said in words', async (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ['all-at-once', 'all at once'],
    ['50/s', '50 a second'],
    ['1/m', '0.0167 a second'],
    ['poisson:50/s', '50 a second on average'],
    ['over:1m', 'over 60 s'],
    ['rolling:500', '500 under way at a time'],
  ];
  for (const [text, words] of rows) {
    const pattern = parseArrivals(text);
    t.equal(pattern === undefined ? undefined : describeArrivals(pattern), words);
  }
});
