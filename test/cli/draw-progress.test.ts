import t from 'tap';
import { createProgress } from '../../src/cli/draw-progress.ts';

function show(moves: boolean, columns = 100) {
  let [now, out] = [0, ''];
  const progress = createProgress({ write: (text) => void (out += text), moves, columns, now: () => now });
  const at = (time: number): void => void (now = time);
  const taken = (): string => {
    const text = out;
    out = '';
    return text.replaceAll('\u001b', 'ESC');
  };
  progress.event({
    kind: 'plan',
    version: '1',
    files: [{ name: 'vmlinuz', size: 2_097_152 }, { name: 'initrd' }],
  });
  return { progress, at, taken };
}

t.test('a terminal shows a line a file with its rate, drawn over', async (t) => {
  const { progress, at, taken } = show(true);
  at(1000);
  progress.event({ kind: 'bytes', name: 'vmlinuz', bytes: 0, total: 2_097_152 });
  taken();
  at(2000);
  progress.event({ kind: 'bytes', name: 'vmlinuz', bytes: 1_048_576, total: 2_097_152 });
  t.match(
    taken(),
    /^ESC\[3AESC\[Jvmlinuz {2}\[#{10}\.{10}\] {2}1\.0 MiB of 2\.0 MiB \(50 %\), 1\.0 MiB\/s, 1 s left\ninitrd .* waits\nall /,
  );
  at(2050);
  progress.event({ kind: 'bytes', name: 'vmlinuz', bytes: 1_100_000, total: 2_097_152 });
  t.equal(taken(), '', 'ten times a second at most');
  progress.note('a note');
  t.match(taken(), /^ESC\[3AESC\[Ja note\nvmlinuz /);
  progress.event({ kind: 'proven', name: 'vmlinuz' });
  t.match(taken(), /\[#{20}\] {2}2\.0 MiB, proven\n/);
});

t.test('elsewhere there is a line every five seconds, and one for each file that is whole', async (t) => {
  const { progress, at, taken } = show(false);
  t.equal(taken(), '', 'nothing of what has not begun');
  at(4000);
  progress.event({ kind: 'bytes', name: 'vmlinuz', bytes: 1000, total: 2_097_152 });
  t.equal(taken(), '');
  at(6000);
  progress.event({ kind: 'bytes', name: 'vmlinuz', bytes: 1_048_576, total: 2_097_152 });
  t.match(taken(), /^1\.0 MiB, 512 KiB\/s\n$/);
  progress.event({ kind: 'proven', name: 'vmlinuz' });
  t.equal(taken(), 'vmlinuz: whole and proven\n');
});

t.test('a narrow terminal has no line broken', async (t) => {
  const { taken } = show(true, 40);
  for (const line of taken().split('\n')) t.ok(line.length < 40, line);
});
