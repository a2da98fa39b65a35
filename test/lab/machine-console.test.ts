import t from 'tap';
import { createConsole } from '../../src/lab/machine-console.ts';

const feed = (...chunks: readonly string[]) => {
  const console = createConsole('test machine');
  for (const chunk of chunks) console.write(Buffer.from(chunk));
  return console;
};

t.test('makes lines of whatever firmware sends', async (t) => {
  const table: readonly (readonly [readonly string[], readonly string[]])[] = [
    [['one\r\ntwo\n'], ['one', 'two']],
    [
      ['on', 'e\r', '\ntwo', '\n'],
      ['one', 'two'],
    ],
    [['\u001b[2J\u001b[01;01HSeaBIOS (version 1)\r\n'], ['SeaBIOS (version 1)']],
    [['\u001b[1;37m\u001b[40mplain\u001b[0m\n'], ['plain']],
    [['bell\u0007\u0000 \n\n\n'], ['bell']],
    [['9%\r18%\rok\n'], ['9%', '18%', 'ok']],
    [['no end yet'], []],
  ];
  for (const [chunks, lines] of table) t.same(feed(...chunks).lines, lines, JSON.stringify(chunks));
});

t.test('waits for a line that comes and finds one that came', async (t) => {
  const console = feed('early\n');
  t.equal(await console.waitFor(/ear/, { timeout: 1 }), 'early');
  const late = console.waitFor(/l.te/, { timeout: 60_000 });
  console.write(Buffer.from('not this\nlate\n'));
  t.equal(await late, 'late');
  const again = console.waitFor(/early/, { timeout: 60_000, from: console.lines.length });
  console.write(Buffer.from('early, the second\n'));
  t.equal(await again, 'early, the second');
});

t.test('gives up with the last lines when the time passes or the machine ends', async (t) => {
  await t.rejects(feed('PXE-E99\n').waitFor(/booted/, { timeout: 1 }), {
    code: 'unavailable',
    message: 'test machine: 0.001 s passed without /booted/ on its console',
    remedy: /PXE-E99/,
  });
  const console = feed('half a li');
  const waiting = console.waitFor(/booted/, { timeout: 60_000 });
  console.end();
  await t.rejects(waiting, { message: /the machine ended/, remedy: /half a li/ });
  await t.rejects(console.waitFor(/booted/, { timeout: 60_000 }), { message: /the machine ended/ });
  t.equal(await console.waitFor(/half/, { timeout: 60_000 }), 'half a li');
});

t.test('tells listeners until they leave', async (t) => {
  const console = feed();
  const heard: string[] = [];
  const leave = console.onLine((line) => heard.push(line));
  console.write(Buffer.from('a\nb\n'));
  leave();
  console.write(Buffer.from('c\n'));
  t.same(heard, ['a', 'b']);
});

t.test('a machine that prints without end does not fill the memory', async (t) => {
  const console = feed('x\n'.repeat(30_000), 'y'.repeat(1_000_000));
  t.equal(console.lines.length, 20_000);
  console.end();
  t.ok(console.lines.every((line) => line.length <= 4_096));
});

t.test('what is drawn with the cursor is seen before its line ends, by who asks for that', async (t) => {
  const console = feed();
  const seen = console.waitFor(/What now\?/, { timeout: 60_000, unfinished: true });
  const line = console.waitFor(/What now\?/, { timeout: 60_000 });
  console.write(Buffer.from('\u001b[04;02HWhat \u001b[05;02H'));
  console.write(Buffer.from('now?'));
  t.equal(await seen, 'What now?');
  console.write(Buffer.from(' end\n'));
  t.equal(await line, 'What now? end');
});
