import t from 'tap';
import {
  detectBootLoop,
  LOOP_LIMIT,
  LOOP_WINDOW,
  type LoaderAttempts,
} from '../../src/boot/detect-boot-loop.ts';

const SECOND = 1000;

/** A ROM that takes its loader and comes back, `every` milliseconds. */
function comeBack(times: number, every: number) {
  let attempts: LoaderAttempts | undefined;
  const decisions = [];
  for (let round = 1; round <= times; round++) {
    const now = round * every;
    const decision = detectBootLoop(attempts, now - SECOND, now);
    attempts = decision.attempts;
    decisions.push(decision);
  }
  return decisions;
}

t.test('a ROM that comes back a few times after its loader is let in, and then no more', async (t) => {
  const decisions = comeBack(LOOP_LIMIT + 1, 30 * SECOND);
  t.same(
    decisions.map(({ looping }) => looping),
    [...Array.from({ length: LOOP_LIMIT - 1 }, () => false), true, true],
  );
  t.match(decisions[0]?.reasons, ['came back as a ROM once after taking the loader']);
  t.match(decisions[1]?.reasons, ['came back as a ROM 2 times after taking the loader']);
  t.match(
    decisions[LOOP_LIMIT - 1]?.reasons.join('; '),
    /boot loop: it took the loader 5 times.*Secure Boot/,
  );
});

t.test('a machine that took no loader, or whose iPXE answered, counts as new', async (t) => {
  t.same(detectBootLoop(undefined, undefined, 5), { looping: false, attempts: undefined, reasons: [] });
  const late = { count: LOOP_LIMIT, countedAt: 1 };
  t.same(detectBootLoop(late, undefined, 5), { looping: false, attempts: undefined, reasons: [] });
});

t.test('the DISCOVERs that a ROM repeats are one attempt', async (t) => {
  // EDK2 asks at 0, 4, 12 and 28 seconds (seen).
  let attempts: LoaderAttempts | undefined;
  for (const at of [30, 34, 42, 58]) {
    const decision = detectBootLoop(attempts, 20 * SECOND, at * SECOND);
    t.equal(decision.looping, false);
    attempts = decision.attempts;
  }
  t.equal(attempts?.count, 1);
});

t.test('attempts far apart are a person at the power button', async (t) => {
  const decisions = comeBack(3 * LOOP_LIMIT, LOOP_WINDOW + SECOND);
  t.ok(decisions.every(({ looping, attempts }) => !looping && attempts?.count === 1));
});

t.test('a loop is tried again when its time is over', async (t) => {
  const attempts = { count: LOOP_LIMIT, countedAt: 100 * SECOND };
  const within = detectBootLoop(attempts, 90 * SECOND, 100 * SECOND + LOOP_WINDOW);
  const after = detectBootLoop(attempts, 90 * SECOND, 101 * SECOND + LOOP_WINDOW);
  t.equal(within.looping, true);
  t.equal(after.looping, false);
});

t.test('a clock that was set back does not make the time longer', async (t) => {
  const day = 86_400 * SECOND;
  const attempts = { count: LOOP_LIMIT, countedAt: 2 * day };
  t.equal(detectBootLoop(attempts, 2 * day - SECOND, day).looping, false);
});
