import t from 'tap';
import { shareReading } from '../../src/net/share-reading.ts';

t.test('hundreds who ask at once cost one reading, and nobody gets an old one', async (t) => {
  let now = 0;
  let readings = 0;
  const read = shareReading(
    async () => ++readings,
    25,
    () => now,
  );
  t.same(new Set(await Promise.all(Array.from({ length: 500 }, read))), new Set([1]));
  now = 24;
  t.equal(await read(), 1);
  now = 25;
  t.equal(await read(), 2);
});
