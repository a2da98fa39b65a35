import { getEventListeners } from 'node:events';
import t from 'tap';
import { abortWith } from '../../src/lab/abort-with.ts';

t.test('it ends by itself or with its parent', async (t) => {
  const parent = new AbortController();
  using one = abortWith(parent.signal);
  using other = abortWith(parent.signal);
  one.abort();
  t.same([one.signal.aborted, other.signal.aborted, parent.signal.aborted], [true, false, false]);
  parent.abort();
  t.equal(other.signal.aborted, true);
  using late = abortWith(parent.signal);
  t.equal(late.signal.aborted, true);
});

t.test('it ends when its time is over, unless it was disposed', async (t) => {
  const parent = new AbortController();
  using one = abortWith(parent.signal, 1);
  const other = abortWith(parent.signal, 1);
  other[Symbol.dispose]();
  await new Promise((resolve) => one.signal.addEventListener('abort', resolve));
  t.same([one.signal.aborted, other.signal.aborted, parent.signal.aborted], [true, false, false]);
});

t.test('a parent that lives on holds nothing of it', async (t) => {
  const parent = new AbortController();
  {
    using one = abortWith(parent.signal);
    t.equal(getEventListeners(parent.signal, 'abort').length, 1);
    t.equal(one.signal.aborted, false);
  }
  t.equal(getEventListeners(parent.signal, 'abort').length, 0);
});
