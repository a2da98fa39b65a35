import t from 'tap';
import { createWriteTurns } from '../../src/http/take-turns.ts';

const MIB = 1024 * 1024;

t.test('what exceeds a turn waits for the next one, in the order of asking', async (t) => {
  const turns = createWriteTurns();
  const went: string[] = [];
  const take = (name: string, bytes: number) => void turns.take(bytes).then(() => went.push(name));
  take('a', MIB);
  take('b', MIB);
  take('c', 3 * MIB);
  take('d', 1);
  await Promise.resolve();
  t.same(went, ['a', 'b']);
  await new Promise((resolve) => void setImmediate(resolve));
  await Promise.resolve();
  t.same(went, ['a', 'b', 'c'], 'one that is larger than a turn takes the whole of it');
  await new Promise((resolve) => void setImmediate(resolve));
  await Promise.resolve();
  t.same(went, ['a', 'b', 'c', 'd']);
  take('e', 1);
  await Promise.resolve();
  t.equal(went.at(-1), 'e', 'an idle one waits for nothing');
});
