import t from 'tap';
import { followClock } from '../../src/store/clock-jumps.ts';

function setUp() {
  const time = { clock: 1_000_000_000, uptime: 500 };
  const jumps: number[] = [];
  const follow = followClock({
    clock: () => time.clock,
    uptime: () => time.uptime,
    jumped: (step) => void jumps.push(step),
  });
  const pass = (ms: number, set = 0): void => {
    time.uptime += ms;
    time.clock += ms + set;
    follow();
  };
  return { jumps, pass };
}

t.test('time that passes is no jump, however much it is', async (t) => {
  const { jumps, pass } = setUp();
  for (const ms of [0, 1, 3_600_000, 86_400_000 * 400]) pass(ms);
  t.same(jumps, []);
});

t.test('a clock that is set is told once, whichever way', async (t) => {
  const { jumps, pass } = setUp();
  pass(10, 86_400_000 * 365);
  pass(10);
  pass(0, -86_400_000);
  pass(0);
  t.same(jumps, [86_400_000 * 365, -86_400_000]);
});

t.test('small corrections are told when they have added up', async (t) => {
  const { jumps, pass } = setUp();
  for (let round = 0; round < 7; round++) pass(1000, 5000);
  t.same(jumps, [30_000]);
});
