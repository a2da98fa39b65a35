import t from 'tap';
import { createGuessLimit } from '../../../src/admin/access/guess-limit.ts';

t.test('an address may fail ten times at once, then once in ten seconds; another is not held up', (t) => {
  let now = 0;
  const limit = createGuessLimit(() => now);
  for (let guess = 0; guess < 10; guess++) {
    t.equal(limit.wait('10.0.0.1'), 0);
    limit.noteFailure('10.0.0.1');
  }
  t.equal(limit.wait('10.0.0.1'), 10);
  t.equal(limit.wait('::ffff:10.0.0.1'), 10, 'the same by another name');
  t.equal(limit.wait('10.0.0.2'), 0);
  now += 9_000;
  t.equal(limit.wait('10.0.0.1'), 1);
  now += 1_000;
  t.equal(limit.wait('10.0.0.1'), 0);
  limit.noteFailure('10.0.0.1');
  t.equal(limit.wait('10.0.0.1'), 10);
  t.end();
});

t.test('the addresses of one IPv6 network count as one', (t) => {
  const limit = createGuessLimit(() => 0);
  for (let guess = 0; guess < 10; guess++) limit.noteFailure(`2001:db8::${guess + 1}`);
  const same = ['2001:db8::ffff', '2001:db8:0:0:1:2:3:4', '2001:db8:0:0:1::%eth0'];
  for (const address of same) t.equal(limit.wait(address), 10, address);
  for (const address of ['2001:db8:0:1::1', '2001:db9::1', '::1']) t.equal(limit.wait(address), 0, address);
  t.end();
});

t.test('ten thousand addresses that guess are held in bounds, in memory and in all', (t) => {
  let now = 0;
  const limit = createGuessLimit(() => now);
  let tried = 0;
  for (let host = 0; host < 10_000; host++) {
    const address = `10.${host >> 8}.${host & 255}.1`;
    if (limit.wait(address) > 0) continue;
    tried++;
    limit.noteFailure(address);
  }
  t.equal(tried, 200);
  t.equal(limit.wait('192.0.2.1'), 1, 'then everybody waits, for a moment');
  now += 200;
  t.equal(limit.wait('192.0.2.1'), 0);
  // Whoever is remembered no more was among the first of thousands.
  for (let host = 0; host < 5_000; host++) limit.noteFailure(`172.${host >> 8}.${host & 255}.1`);
  now += 3_600_000;
  t.equal(limit.wait('10.0.0.1'), 0);
  t.end();
});

t.test('who showed a right token is held up by own guesses alone, not by those of thousands', (t) => {
  const limit = createGuessLimit(() => 0);
  limit.noteSuccess('192.0.2.7');
  for (let host = 0; host < 300; host++) limit.noteFailure(`10.${host >> 8}.${host & 255}.1`);
  t.equal(limit.wait('192.0.2.1'), 21);
  t.equal(limit.wait('192.0.2.7'), 0);
  for (let guess = 0; guess < 10; guess++) limit.noteFailure('192.0.2.7');
  t.equal(limit.wait('192.0.2.7'), 10);
  for (let host = 0; host < 256; host++) limit.noteSuccess(`172.16.${host}.1`);
  t.equal(limit.wait('192.0.2.7'), 23, 'it is remembered no more');
  t.end();
});
