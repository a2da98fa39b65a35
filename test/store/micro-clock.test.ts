import t from 'tap';
import { createMicroClock } from '../../src/store/micro-clock.ts';

t.test('a millisecond is told apart, and the wall clock followed where it is set', (t) => {
  let wall = 1_700_000_000_000;
  let up = 5_000;
  const now = createMicroClock(
    () => Math.floor(wall),
    () => up,
  );
  const pass = (ms: number): void => {
    wall += ms;
    up += ms;
  };
  t.equal(now(), 1_700_000_000_000_000);
  pass(0.25);
  t.equal(now(), 1_700_000_000_000_250);
  pass(1.5);
  t.equal(now(), 1_700_000_000_001_750);
  wall -= 3_600_000;
  t.equal(now(), 1_699_996_400_001_000, 'to the millisecond, which is all that it says');
  wall += 7_200_000.2;
  pass(0.1);
  t.equal(now(), 1_700_003_600_002_000);
  pass(0.125);
  t.equal(now(), 1_700_003_600_002_125);
  t.end();
});
