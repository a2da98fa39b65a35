import fc from 'fast-check';
import t from 'tap';
import { createRankedTable, type Rank, type Ranked, unlisted } from '../../src/store/ranked-table.ts';

interface Entry extends Ranked<Entry> {
  readonly key: number;
}

const LIMIT = 5;

const same = (a: number[], b: number[]) => a.join() === b.join();

function makeTable() {
  const forgotten: number[] = [];
  const table = createRankedTable<number, Entry>({
    limit: LIMIT,
    keyOf: ({ key }) => key,
    forgotten: ({ key }) => void forgotten.push(key),
  });
  const touch = (key: number, rank: Rank): Entry => {
    const entry = table.get(key) ?? { key, ...unlisted() };
    table.touch(entry, rank);
    return entry;
  };
  return { table, touch, forgotten };
}

t.test('the lowest rank goes first, and of it who was silent for longest', async (t) => {
  const { table, touch, forgotten } = makeTable();
  for (const [key, rank] of [
    [1, 2],
    [2, 0],
    [3, 0],
    [4, 1],
    [5, 3],
  ] as const)
    touch(key, rank);
  touch(2, 0);
  touch(6, 3);
  touch(7, 3);
  t.same(forgotten, [3, 2]);
  const spared = table.get(4);
  t.ok(table.forgetOne(spared));
  t.same(forgotten, [3, 2, 1], 'whoever makes the room does not have to go for it');
  while (table.forgetOne());
  t.equal(table.size(), 0);
  t.notOk(table.forgetOne());
});

t.test('it does what a list does that is searched from its beginning', async () => {
  const key = fc.nat(9);
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ touch: key, rank: fc.nat(3) }) },
    fc.record({ remove: key }),
    fc.constant('forget' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const { table, touch, forgotten } = makeTable();
      let model: { key: number; rank: number }[] = [];
      const gone: number[] = [];
      const forget = (): void => {
        const lowest = Math.min(...model.map(({ rank }) => rank));
        const one = model.find(({ rank }) => rank === lowest);
        if (one !== undefined) gone.push(one.key);
        model = model.filter((other) => other !== one);
      };
      for (const one of steps) {
        if (one === 'forget') {
          table.forgetOne();
          forget();
        } else if ('remove' in one) {
          table.remove(one.remove);
          model = model.filter(({ key }) => key !== one.remove);
        } else {
          touch(one.touch, one.rank as Rank);
          const known = model.some(({ key }) => key === one.touch);
          if (!known && model.length >= LIMIT) forget();
          model = [...model.filter(({ key }) => key !== one.touch), { key: one.touch, rank: one.rank }];
        }
      }
      const keys = [...table.entries()].map(({ key }) => key);
      return (
        same(
          keys.toSorted((a, b) => a - b),
          model.map(({ key }) => key).toSorted((a, b) => a - b),
        ) && same(forgotten, gone)
      );
    }),
  );
});
