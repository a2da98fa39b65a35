import t from 'tap';
import { createBootPlaces } from '../src/http/boot-places.ts';
import { parseIpv4 } from '../src/machine/ipv4.ts';
import { queueCommands } from '../src/wire-queue.ts';
import { createFakeJournal } from './http/fake-journal.ts';
import { MAC, OTHER, T0 } from './support/start-admin.ts';

function setUp() {
  const time = { now: T0, up: 5_000 };
  const journal = createFakeJournal();
  const queue = createBootPlaces({ places: 1, largerThan: 0, uptime: () => time.up });
  queue.learn('/assets/vmlinuz', 1);
  const ask = (mac: typeof MAC, address?: string) =>
    queue.askForBoot({
      mac,
      address: address === undefined ? undefined : parseIpv4(address),
      paths: ['/assets/vmlinuz'],
    });
  const pass = (ms: number): void => {
    time.now += ms;
    time.up += ms;
  };
  return { time, journal, ask, pass, commands: queueCommands({ queue, journal, now: () => time.now }) };
}

t.test('times are those of the clock on the wall, also after it was set', (t) => {
  const { time, ask, pass, commands } = setUp();
  ask(MAC, '10.77.0.101');
  pass(10_000);
  ask(OTHER);
  t.same(commands.list(), {
    downloads: 1,
    largerThan: 0,
    counts: { loading: 1, waiting: 1 },
    loading: [{ mac: MAC, address: '10.77.0.101', since: T0, from: T0, downloads: 0 }],
    waiting: [{ mac: OTHER, since: T0 + 10_000, position: 1 }],
  });
  time.now += 3_600_000;
  t.equal(commands.list().waiting[0]?.since, time.now, 'as long ago as before');
  t.end();
});

t.test('who is moved up has it in its timeline, and who does not wait cannot be', async (t) => {
  const { journal, ask, commands } = setUp();
  ask(MAC);
  ask(OTHER);
  t.match(await commands.first(OTHER), { waiting: [{ mac: OTHER, position: 1 }] });
  t.match(journal.observations, [
    { mac: OTHER, outcome: 'noted', answered: 'it is the next', reasons: [/an operator moved it/] },
  ]);
  await t.rejects(commands.first(MAC), { code: 'not-found', remedy: /tinderbox queue/ });
  t.equal(journal.observations.length, 1);
});

t.test('where nobody waits there is nothing to show and nobody to move', async (t) => {
  const { journal } = setUp();
  const commands = queueCommands({ queue: undefined, journal, now: () => T0 });
  t.match(commands.list(), { downloads: 0, counts: { loading: 0, waiting: 0 } });
  t.equal(commands.positionOf(MAC), undefined);
  await t.rejects(commands.first(MAC), { code: 'not-found' });
});
