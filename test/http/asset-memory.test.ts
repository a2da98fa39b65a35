import { randomBytes } from 'node:crypto';
import t from 'tap';
import { memoryFile } from '../../src/http/asset-memory.ts';
import { memoryFiles } from '../../src/net/file-sender.ts';
import { until } from '../support/until.ts';

const real = memoryFiles();
if (real === undefined) throw new Error('no C library');
const open = (): number => real.open();
const MIB = 1024 * 1024;

/** `answers` says of each try whether all pages are large now. */
function start(bytes: number, answers: readonly boolean[]) {
  const tried: number[] = [];
  const files = {
    open,
    enlargePages: (descriptor: number) => {
      tried.push(descriptor);
      return Promise.resolve(answers[tried.length - 1] ?? false);
    },
  };
  return { tried, memory: memoryFile(files, bytes, [0, 1, 1, 1]) };
}
const settle = () => new Promise((resolve) => setTimeout(resolve, 50));

t.test('what is written is there, in whatever parts', async (t) => {
  const bytes = randomBytes(MIB);
  const { memory } = start(bytes.length, []);
  for (let at = 0; at < bytes.length; at += 100_000) await memory.write(bytes.subarray(at, at + 100_000), at);
  t.ok((await memory.read(0, 200_000)).equals(bytes.subarray(0, 200_000)));
  t.ok((await memory.read(MIB - 10, MIB)).equals(bytes.subarray(MIB - 10)));
  memory.close();
});

t.test(
  'a large file that is whole is laid out in large pages, again until it is, and not for ever',
  async (t) => {
    const soon = start(8 * MIB, [false, true]);
    t.same(soon.tried, []);
    soon.memory.whole();
    await until(() => soon.tried.length === 2);
    const never = start(8 * MIB, []);
    never.memory.whole();
    await until(() => never.tried.length === 4);
    await settle();
    t.same(soon.tried, Array(2).fill(soon.memory.descriptor));
    t.equal(never.tried.length, 4);
    soon.memory.close();
    never.memory.close();
  },
);

t.test('a small file is not, nor one that was closed', async (t) => {
  const small = start(8 * MIB - 1, [true]);
  small.memory.whole();
  const closed = start(8 * MIB, [true]);
  closed.memory.whole();
  closed.memory.close();
  await settle();
  t.same([...small.tried, ...closed.tried], []);
  small.memory.close();
});
