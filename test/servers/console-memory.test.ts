import t from 'tap';
import type { Mac } from '../../src/machine/mac.ts';
import { type ConsoleMemoryLimits, createConsoleMemory } from '../../src/servers/console-memory.ts';

const alice = '52:54:00:00:00:01' as Mac;
const bob = '52:54:00:00:00:02' as Mac;
const carol = '52:54:00:00:00:03' as Mac;

function setUp(limits: Partial<ConsoleMemoryLimits> = {}) {
  const memory = createConsoleMemory({ lines: 5, machines: 2, characters: 100_000, ...limits });
  const say = (mac: Mac, text: string) =>
    memory.add(mac, 7, { facility: 'kern', severity: 'info', text }, []);
  const texts = (mac: Mac, after = 0) => memory.read(mac, after).lines.map(({ text }) => text);
  return { memory, say, texts };
}

t.test('the newest lines of a machine are kept, and what went before them is counted', async (t) => {
  const { memory, say, texts } = setUp();
  t.strictSame(memory.read(alice, 0), { lines: [], missed: 0 });
  for (let line = 1; line <= 23; line++) say(alice, `line ${line}`);
  t.strictSame(texts(alice), ['line 19', 'line 20', 'line 21', 'line 22', 'line 23']);
  t.equal(memory.read(alice, 0).missed, 18);
  t.strictSame(texts(alice, 21), ['line 22', 'line 23'], 'what comes after a line that one has');
  t.equal(memory.read(alice, 21).missed, 0);
  t.equal(memory.read(alice, 10).missed, 8, 'a reader that was too slow is told');
  t.strictSame(texts(alice, 23), []);
  t.equal(texts(alice, 9_999).length, 5, 'the number is of a daemon before this one');
});

t.test('so many machines, the one that is silent for the longest goes', async (t) => {
  const { say, texts } = setUp();
  say(alice, 'a');
  say(bob, 'b');
  say(alice, 'a');
  say(carol, 'c');
  t.strictSame(texts(bob), []);
  t.equal(texts(alice).length, 2);
});

t.test(
  'the bound on characters holds for all together, and a machine alone keeps its newest line',
  async (t) => {
    const { memory, say, texts } = setUp({ machines: 100, lines: 100, characters: 2_000 });
    say(alice, 'x'.repeat(500));
    say(bob, 'y'.repeat(500));
    say(carol, 'z'.repeat(1_000));
    t.strictSame(texts(alice), [], 'the oldest is gone');
    say(carol, 'z'.repeat(1_500));
    t.equal(texts(carol).length, 1);
    say(carol, 'z'.repeat(9_000));
    t.equal(texts(carol).length, 1);
    memory.forget(carol);
    t.strictSame(texts(carol), []);
    for (let line = 0; line < 10; line++) say(alice, 'x'.repeat(50));
    t.equal(texts(alice).length, 10, 'what is forgotten makes room');
  },
);
