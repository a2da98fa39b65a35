import { pino } from 'pino';
import t from 'tap';
import { watchHealth } from '../src/watch-health.ts';

const LIMIT = 20;

/** What is logged, and each word that it lives. */
function bench(probe: () => Promise<unknown>) {
  const said: string[] = [];
  let alive = 0;
  let beats = 0;
  const logger = pino(
    { base: null },
    { write: (line) => void said.push((JSON.parse(line) as { msg: string }).msg) },
  );
  const beat = { wanted: 0, done: Promise.withResolvers<void>() };
  const watch = watchHealth({
    limit: LIMIT,
    probe: async () => {
      beats++;
      if (beats >= beat.wanted) beat.done.resolve();
      return probe();
    },
    alive: () => void alive++,
    logger,
  });
  return {
    said,
    alive: () => alive,
    async probed(times: number): Promise<void> {
      beat.wanted = times;
      beat.done = Promise.withResolvers();
      if (beats >= times) beat.done.resolve();
      // The watch's own timer keeps nothing alive.
      const awake = setInterval(() => undefined, 1000);
      await beat.done.promise;
      await new Promise((resolve) => setImmediate(resolve));
      clearInterval(awake);
    },
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  };
}

t.test('as long as what must answer does, it is said again and again', async (t) => {
  using watched = bench(async () => undefined);
  await watched.probed(4);
  t.ok(watched.alive() >= 3, `${watched.alive()} times`);
  t.strictSame(watched.said, []);
});

t.test('a probe that never comes back ends it, and is said once', async (t) => {
  const stuck = Promise.withResolvers<void>();
  using watched = bench(() => stuck.promise);
  await watched.probed(1);
  // Ten intervals: neither another probe nor a word.
  await new Promise((resolve) => setTimeout(resolve, LIMIT * 5));
  t.equal(watched.alive(), 0);
  t.match(watched.said, [/^not healthy: the database has not answered/]);
  t.equal(watched.said.length, 1);
  stuck.resolve();
  await watched.probed(2);
  t.ok(watched.alive() > 0, 'and it lives once more when it does');
  t.match(watched.said[1], /answers again/);
});

t.test('a probe that fails is no sign of life', async (t) => {
  using watched = bench(() => Promise.reject(new Error('disk I/O error')));
  await watched.probed(3);
  t.equal(watched.alive(), 0);
  t.match(watched.said, [/disk I\/O error/]);
});
