import t from 'tap';
import { aboutTime, describeTurn, describeWait, ordinal } from '../../src/boot/describe-queue.ts';

t.test('a turn is named as people count', (t) => {
  for (const [number, text] of [
    [1, '1st'],
    [2, '2nd'],
    [3, '3rd'],
    [4, '4th'],
    [11, '11th'],
    [12, '12th'],
    [13, '13th'],
    [21, '21st'],
    [102, '102nd'],
    [111, '111th'],
  ] as const) {
    t.equal(ordinal(number), text);
  }
  t.end();
});

t.test('a time is no more exact than it is known', (t) => {
  for (const [ms, text] of [
    [0, 'a few seconds'],
    [9_999, 'a few seconds'],
    [10_000, 'about 10 s'],
    [31_000, 'about 40 s'],
    [54_000, 'about 60 s'],
    [60_000, 'about 1 min'],
    [170_000, 'about 3 min'],
    [3_600_000, 'about 60 min'],
    [7_000_000, 'about 2 h'],
  ] as const) {
    t.equal(aboutTime(ms), text);
  }
  t.end();
});

t.test('screen and timeline say the turn, and the time where it is known', (t) => {
  t.equal(describeTurn({ position: 12, estimate: 180_000 }), '12th in the queue, about 3 min');
  t.equal(describeTurn({ position: 1, estimate: undefined }), '1st in the queue');
  t.equal(
    describeWait({ position: 12, of: 40, estimate: 180_000 }),
    'waits for its turn, 12th of 40, about 3 min',
  );
  t.equal(describeWait({ position: 1, of: 1, estimate: undefined }), 'waits for its turn, 1st of 1');
  t.end();
});
