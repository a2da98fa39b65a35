import t from 'tap';
import type { BenchPoint } from '../../bench/support/bench-table.ts';
import { comparePoint, spreadOf } from '../../bench/support/compare-samples.ts';

const point: BenchPoint = {
  work: '64 clients',
  unit: 'files/s',
  better: 'higher',
  own: [100, 300, 200],
  peers: { fast: [200, 200, 200], slow: [50, 100, 50] },
};

t.test('the middle of an even number of samples lies between two', async (t) => {
  t.strictSame(spreadOf([4, 1, 3, 2]), { median: 2.5, low: 1, high: 4 });
  t.throws(() => spreadOf([]), RangeError);
});

t.test('a ratio is taken round by round, and the peer that is hardest to beat counts', async (t) => {
  const { peers, against, reached } = comparePoint({ ...point, goal: 1 });
  t.strictSame(
    peers.map(({ name, ratio }) => [name, ratio]),
    [
      ['fast', { median: 1, low: 0.5, high: 1.5 }],
      ['slow', { median: 3, low: 2, high: 4 }],
    ],
  );
  t.equal(against?.name, 'fast');
  t.equal(reached, true);
  t.equal(comparePoint({ ...point, goal: 1.01 }).reached, false);
  t.equal(comparePoint({ ...point, goal: 2, against: 'slow' }).reached, true);
});

t.test('where less is better, half as much is twice as good', async (t) => {
  const { against } = comparePoint({
    ...point,
    unit: 'ms',
    better: 'lower',
    peers: { peer: [200, 600, 400] },
  });
  t.strictSame(against?.ratio, { median: 2, low: 2, high: 2 });
});

t.test('a peer that did nothing is infinitely worse, and as bad as another that did nothing', async (t) => {
  const { against } = comparePoint({ ...point, own: [0, 5, 5], peers: { broken: [0, 0, 0] } });
  t.strictSame(against?.ratio, { median: Number.POSITIVE_INFINITY, low: 1, high: Number.POSITIVE_INFINITY });
});

t.test('samples that do not pair are refused', async (t) => {
  t.throws(() => comparePoint({ ...point, peers: { peer: [1] } }), /peer has 1 samples, Tinderbox 3/);
  t.throws(() => comparePoint({ ...point, against: 'nobody' }), /nobody is called nobody/);
});
