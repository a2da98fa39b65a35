import t from 'tap';
import { didServe, judgeOtherServers, type WireFacts } from '../../src/boot/judge-other-servers.ts';

t.test('beside a server a second one is a fault, and a proxy without any is one', async (t) => {
  const others = ['10.77.0.2'];
  const rows: readonly (readonly [Partial<WireFacts>, string])[] = [
    [{ mode: 'server' }, 'ok'],
    [{ mode: 'server', others }, 'problem'],
    [{ mode: 'server', others, allowed: true }, 'warning'],
    [{ mode: 'proxy' }, 'problem'],
    [{ mode: 'proxy', others }, 'ok'],
  ];
  for (const [change, state] of rows) {
    const facts: WireFacts = { mode: 'server', interface: 'br0', others: [], allowed: false, ...change };
    t.match(judgeOtherServers(facts), { state, text: /br0/ }, JSON.stringify(change));
  }
});

t.test('who gave addresses lately, or may have, goes on', async (t) => {
  const now = 1_000 * 24 * 3_600_000;
  const days = (count: number) => now + count * 24 * 3_600_000;
  const rows: readonly (readonly [string, number | undefined, boolean, boolean])[] = [
    ['never', undefined, false, false],
    ['a lease that runs', days(0.04), false, true],
    ['one that ran out yesterday', days(-1), false, true],
    ['one of last year', days(-300), false, false],
    ['nobody knows', undefined, true, true],
    // The clock was set back, or the lease is for ever.
    ['one of the future', days(9000), false, true],
  ];
  for (const [name, newestLease, lostDatabase, expected] of rows)
    t.equal(didServe({ newestLease, lostDatabase, now }), expected, name);
});
