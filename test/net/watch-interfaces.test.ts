import t from 'tap';
import type { NetworkInterface } from '../../src/net/port.ts';
import { watchInterfaces } from '../../src/net/watch-interfaces.ts';

const nic = (name: string, mtu = 1500): NetworkInterface => ({ name, addresses: [], mtu, up: true });

/** Reads these one after the other; ends with the last. */
async function watch(known: readonly NetworkInterface[], readings: readonly (NetworkInterface[] | Error)[]) {
  const ending = new AbortController();
  const left = [...readings];
  const errors: unknown[] = [];
  let pauses = 0;
  const yielded: (readonly NetworkInterface[])[] = [];
  const watched = watchInterfaces({
    names: ['eth1', 'eth2'],
    known,
    signal: ending.signal,
    async read() {
      const next = left.shift();
      if (next === undefined) throw new Error('read once too often');
      if (next instanceof Error) throw next;
      return next;
    },
    async pause(signal) {
      pauses++;
      if (left.length === 0) ending.abort();
      signal.throwIfAborted();
    },
    onError: (error) => errors.push(error),
  });
  for await (const all of watched) yielded.push(all);
  return { yielded, errors, pauses };
}

t.test('a reading is passed on when an interface that is watched is not as it was', async (t) => {
  const first = [nic('lo'), nic('eth1')];
  const second = [nic('lo'), nic('eth1', 9000)];
  const third = [...second, nic('eth2')];
  const { yielded, pauses } = await watch([nic('eth1')], [first, first, second, second, third, first]);
  t.strictSame(yielded, [second, third, first]);
  t.equal(pauses, 7, 'one before each reading, and the one that ends it');
});

t.test('what happens to others is no news', async (t) => {
  const { yielded } = await watch(
    [nic('eth1')],
    [
      [nic('eth1'), nic('pod7')],
      [nic('pod8'), nic('eth1')],
    ],
  );
  t.strictSame(yielded, []);
});

t.test('the first reading is news where it is not what was known', async (t) => {
  t.strictSame((await watch([], [[nic('eth1')]])).yielded, [[nic('eth1')]]);
});

t.test('a reading that fails is told, and the next one is compared with the last that did not', async (t) => {
  const failure = new Error('out of memory');
  const { yielded, errors } = await watch([nic('eth1')], [failure, [nic('eth1')], failure, [nic('eth2')]]);
  t.strictSame(yielded, [[nic('eth2')]]);
  t.strictSame(errors, [failure, failure]);
});

t.test('its own pause ends with the signal', async (t) => {
  const ending = new AbortController();
  const watched = watchInterfaces({
    names: [],
    known: [],
    signal: ending.signal,
    read: async () => [],
    onError: (error) => t.fail(String(error)),
  });
  const next = watched.next();
  ending.abort();
  t.match(await next, { done: true });
});
