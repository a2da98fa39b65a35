import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { createKeyMaker, type KeyPair } from '../../src/pki/make-keys.ts';
import { createTurns } from '../../src/pki/take-turns.ts';
import { smallKey } from './support/make-cluster.ts';

/** Long enough for all that waits for nothing else. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await setImmediate();
}

/** Keys that are made when the test says so. */
function controlled() {
  const started: number[] = [];
  const pending: ((pair: KeyPair) => void)[] = [];
  const pair = smallKey();
  return {
    started,
    generate: (bits: number) => {
      started.push(bits);
      return new Promise<KeyPair>((resolve) => pending.push(resolve));
    },
    finish: async (): Promise<void> => {
      pending.shift()?.({ ...pair });
      await settle();
    },
  };
}

t.test('keys are made one after the other, so that threads stay free for reading files', async (t) => {
  const { started, generate, finish } = controlled();
  const keys = createKeyMaker({ generate, reserve: 0 });
  const all = Promise.all([keys.make(4096), keys.make(2048), keys.make(2048)]);
  await settle();
  t.same(started, [4096]);
  await finish();
  t.same(started, [4096, 2048]);
  await finish();
  await finish();
  t.equal(new Set(await all).size, 3);
});

t.test('a few lie ready after the first was asked for, and no more than that', async (t) => {
  const { started, generate, finish } = controlled();
  const keys = createKeyMaker({ generate, reserve: 2 });
  await settle();
  t.same(started, [], 'none before');
  const first = keys.make(2048);
  for (let count = 0; count < 5; count += 1) await finish();
  await first;
  t.equal(started.length, 3, 'one for who asked, two in reserve');
  const ready = [await keys.make(2048), await keys.make(2048)];
  t.equal(new Set(ready).size, 2, 'each goes to one');
  for (let count = 0; count < 5; count += 1) await finish();
  t.equal(started.length, 5, 'the reserve is filled up again');
  const other = keys.make(4096);
  await finish();
  for (let count = 0; count < 5; count += 1) await finish();
  await other;
  t.equal(started.at(-1), 4096, 'other sizes do not come from it');
});

t.test('a failure reaches who asked, and the next one is served', async (t) => {
  let count = 0;
  const pair = smallKey();
  const keys = createKeyMaker({
    generate: async () => {
      count += 1;
      if (count === 1) throw new Error('no entropy');
      return pair;
    },
    reserve: 0,
  });
  await t.rejects(keys.make(2048), { message: 'no entropy' });
  t.equal(await keys.make(2048), pair);
});

t.test('a failure while filling the reserve stays without consequences', async (t) => {
  let count = 0;
  const pair = smallKey();
  const keys = createKeyMaker({
    generate: async () => {
      count += 1;
      if (count === 2) throw new Error('no entropy');
      return pair;
    },
    reserve: 3,
  });
  await keys.make(2048);
  await settle();
  t.equal(await keys.make(2048), pair);
  await settle();
  t.equal(count, 6, 'and it is filled the next time');
});

t.test('when too many wait, the next is told so instead of waiting for minutes', async (t) => {
  const { generate } = controlled();
  const keys = createKeyMaker({ generate, reserve: 0 });
  const asked = Array.from({ length: 500 }, () => keys.make(2048));
  for (const one of asked) one.catch(() => undefined);
  await t.rejects(keys.make(2048), { code: 'busy', message: /500 keys are waiting/ });
});

t.test('others get their turn between two jobs', async (t) => {
  const turns = createTurns({ what: 'jobs', maxWaiting: 10 });
  const order: string[] = [];
  const jobs = [1, 2, 3].map((number) => turns.run(async () => void order.push(`job ${number}`)));
  for (const number of [1, 2, 3]) {
    await setImmediate();
    order.push(`packet ${number}`);
  }
  await Promise.all(jobs);
  t.not(order.indexOf('packet 1'), 3, 'not only after all of them');
  t.ok(order.indexOf('packet 1') < order.indexOf('job 3'), order.join(', '));
  t.equal(turns.waiting, 0);
});
