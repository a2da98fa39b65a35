import t from 'tap';
import { createKeyedTurns } from '../../src/http/take-turns-by-key.ts';

t.test('jobs of one key run one after the other, those of another beside them', async (t) => {
  const turns = createKeyedTurns();
  const said: string[] = [];
  const first = Promise.withResolvers<void>();
  const jobs = [
    turns.run('a', async () => {
      said.push('a1 begins');
      await first.promise;
      said.push('a1 ends');
      return 1;
    }),
    turns.run('a', async () => {
      said.push('a2');
      throw new Error('a2 fails');
    }),
    turns.run('a', async () => said.push('a3')),
  ];
  const failing = t.rejects(Promise.resolve(jobs[1]), { message: 'a2 fails' });
  await turns.run('b', async () => said.push('b'));
  t.same(said, ['a1 begins', 'b']);
  first.resolve();
  t.equal(await jobs[0], 1);
  await failing;
  await jobs[2];
  t.same(said, ['a1 begins', 'b', 'a1 ends', 'a2', 'a3']);
});
