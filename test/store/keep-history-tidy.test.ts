import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { TinderboxError } from '../../src/errors.ts';
import { keepHistoryTidy } from '../../src/store/keep-history-tidy.ts';
import { until } from '../support/until.ts';

t.test('it goes on until nothing is left, and ends with what is under way', async (t) => {
  const left = [true, true, false, false];
  const times: number[] = [];
  const tidy = keepHistoryTidy({
    store: {
      async tidyHistory(now) {
        times.push(now);
        await delay(1);
        return left.shift() ?? false;
      },
    },
    now: () => 42,
    logger: { warn: () => t.fail('there is nothing to say') },
    round: 1,
  });
  await until(() => times.length >= 4);
  await tidy[Symbol.asyncDispose]();
  const { length } = times;
  t.ok(times.every((time) => time === 42));
  await delay(20);
  t.equal(times.length, length, 'nothing comes after its end');
});

t.test('trouble is said once, and again once it was gone', async (t) => {
  const outcomes: readonly boolean[] = [false, false, true, false];
  let rounds = 0;
  const said: string[] = [];
  const tidy = keepHistoryTidy({
    store: {
      async tidyHistory() {
        if (outcomes[rounds++] === false) throw new TinderboxError('unavailable', 'the disk is full');
        return false;
      },
    },
    now: () => 0,
    logger: { warn: (text: unknown) => void said.push(String(text)) },
    round: 1,
  });
  await until(() => rounds > outcomes.length);
  await tidy[Symbol.asyncDispose]();
  t.same(
    said,
    Array.from({ length: 2 }, () => 'the history cannot be tidied: the disk is full'),
  );
});
