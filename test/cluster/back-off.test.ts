import t from 'tap';
import { backOff } from '../../src/cluster/back-off.ts';

t.test(
  'each try in vain doubles the wait, up to a minute, of which a random half and more is waited',
  (t) => {
    const seconds = [0, 1, 2, 3, 4, 5, 6, 7, 1_000_000].map((attempts) => backOff(attempts, 1) / 1000);
    t.same(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    t.equal(backOff(3, 0), 4_000);
    t.equal(backOff(3, 0.5), 6_000);
    t.end();
  },
);
