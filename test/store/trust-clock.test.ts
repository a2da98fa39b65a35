import t from 'tap';
import { trustClock } from '../../src/store/trust-clock.ts';

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

function start(lastRecord?: number) {
  let uptime = 5;
  let time = YEAR;
  const trusts = trustClock({ startedAt: time, lastRecord, settle: HOUR, uptime: () => uptime });
  return {
    pass: (ms: number) => {
      uptime += ms;
      time += ms;
      return trusts(time);
    },
    set: (step: number) => {
      time += step;
      return trusts(time);
    },
  };
}

t.test('a clock that was set is trusted after an hour, and each time anew', async (t) => {
  const { pass, set } = start(YEAR - HOUR);
  t.ok(pass(60_000));
  t.notOk(set(YEAR));
  t.notOk(pass(HOUR - 1));
  t.notOk(set(-YEAR), 'put right again, which is another step');
  t.notOk(pass(HOUR - 1));
  t.ok(pass(1));
});

t.test('a time server that corrects by a second changes nothing', async (t) => {
  const { pass, set } = start();
  t.ok(pass(60_000));
  t.ok(set(1_000));
});

t.test('one that begins far ahead of what was recorded last is not trusted at once', async (t) => {
  const { pass } = start(1);
  t.notOk(pass(60_000));
  t.ok(pass(HOUR));
});
