import t from 'tap';
import { findGrowth, type GrowthBounds, type Sample, spreadOf, takeSample } from './watch-growth.ts';

const BOUNDS: GrowthBounds = {
  rss: 1_000,
  rssGrowth: 100,
  fds: 50,
  database: 500,
  wal: 500,
  warmUp: 10,
};

/** One life, a sample a millisecond. */
function lifeOf(count: number, rss: (age: number) => number, life = 1): readonly Sample[] {
  return Array.from({ length: count }, (_, age) => ({
    age,
    life,
    rss: rss(age),
    fds: 9,
    database: 9,
    wal: 9,
  }));
}

function warming(age: number): number {
  return Math.min(age * 40, 400);
}

t.test('memory that grows after its warm-up is found, in whichever life', (t) => {
  t.same(findGrowth(lifeOf(200, warming), BOUNDS), []);
  const leaking = [...lifeOf(200, warming), ...lifeOf(200, (age) => 400 + age, 2)];
  t.match(findGrowth(leaking, BOUNDS), [/^rss of life 2 grew by 14\d bytes/]);
  t.same(
    findGrowth(
      lifeOf(40, (age) => 400 + age * 10),
      BOUNDS,
    ),
    [],
    'too short to tell',
  );
  t.end();
});

t.test('each bound is found', (t) => {
  for (const key of ['rss', 'fds', 'database', 'wal'] as const) {
    const samples = lifeOf(20, () => 9).map((sample, index) =>
      index === 5 ? { ...sample, [key]: 5_000 } : sample,
    );
    t.same(findGrowth(samples, BOUNDS), [`${key} reached 5000, and its bound is ${BOUNDS[key]}`]);
  }
  t.end();
});

t.test('this process has memory and handles, and one that is gone has none', (t) => {
  const sample = takeSample(process.pid, '/nowhere.db', { age: 1, life: 2 });
  t.ok((sample?.rss ?? 0) > 1_000_000 && (sample?.fds ?? 0) > 2);
  t.match(sample, { age: 1, life: 2, database: 0, wal: 0 });
  t.equal(takeSample(2 ** 22 + 1, '/nowhere.db', { age: 1, life: 2 }), undefined);
  t.same(spreadOf([3, 1, 2]), { min: 1, median: 2, max: 3 });
  t.same(spreadOf([]), { min: 0, median: 0, max: 0 });
  t.end();
});
