import t from 'tap';
import { createRandom } from './random.ts';

const draw = (seed: number, stream?: number): readonly number[] => {
  const random = createRandom(seed, stream);
  return Array.from({ length: 50 }, () => random.below(1_000_000));
};

t.test('a seed fixes every choice, and each stream has its own', (t) => {
  t.same(draw(7), draw(7));
  t.notSame(draw(7), draw(8));
  t.notSame(draw(7, 1), draw(7, 2));
  t.ok(new Set(draw(0)).size > 45, 'also the seed 0');
  t.same(
    createRandom(1)
      .shuffle([1, 2, 3, 4, 5, 6])
      .toSorted((a, b) => a - b),
    [1, 2, 3, 4, 5, 6],
  );
  t.throws(() => createRandom(1).pick([]), RangeError);
  t.end();
});
