import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync } from 'node:fs';
import t from 'tap';
import { memoryFile } from '../../src/http/asset-memory.ts';
import { memoryFiles } from '../../src/net/file-sender.ts';
import { until } from '../support/until.ts';

const real = memoryFiles();
if (real === undefined) throw new Error('no C library');
const open = (): number => real.open();
const KIB = 1024;

/** Pages of 64 KiB, so that little has to be written; `answers` says of each whether it became a large one. */
function start(bytes: number, answers: readonly boolean[] = []) {
  const asked: number[] = [];
  const files = {
    open,
    largePage: 64 * KIB,
    async enlargePage(_descriptor: number, at: number) {
      asked.push(at);
      return answers[asked.length - 1] ?? true;
    },
  };
  return { asked, memory: memoryFile(files, bytes) };
}

async function write(memory: ReturnType<typeof memoryFile>, bytes: Buffer, part: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += part) await memory.write(bytes.subarray(at, at + part), at);
}

t.test('each page that the file fills is made large when it is begun, and all bytes are there', async (t) => {
  const bytes = randomBytes(200 * KIB - 1);
  for (const part of [10 * KIB, 48 * KIB, 64 * KIB, 200 * KIB]) {
    const { asked, memory } = start(bytes.length);
    await write(memory, bytes, part);
    t.same(asked, [0, 64 * KIB, 128 * KIB], `parts of ${part}: the last page is not full`);
    t.ok((await memory.read(0, bytes.length)).equals(bytes));
    memory.close();
  }
});

t.test('where there is no large page none is asked for again', async (t) => {
  const { asked, memory } = start(256 * KIB, [true, false]);
  await write(memory, Buffer.alloc(256 * KIB), 32 * KIB);
  t.same(asked, [0, 64 * KIB]);
  memory.close();
});

t.test('a page that is being made is waited for before the file is closed', async (t) => {
  const slow = Promise.withResolvers<boolean>();
  const files = {
    open,
    largePage: 64 * KIB,
    enlargePage: (_descriptor: number, at: number) => (at === 0 ? Promise.resolve(true) : slow.promise),
  };
  const memory = memoryFile(files, 128 * KIB);
  const { descriptor = -1 } = memory;
  await memory.write(Buffer.alloc(64 * KIB), 0);
  memory.close();
  await new Promise(setImmediate);
  t.ok(fstatSync(descriptor).isFile(), 'it is still open');
  slow.resolve(true);
  await until(() => {
    try {
      fstatSync(descriptor);
      return false;
    } catch {
      return true;
    }
  });
});

t.test('a small file has no large page', async (t) => {
  const { asked, memory } = start(64 * KIB - 1);
  await write(memory, Buffer.alloc(64 * KIB - 1), 64 * KIB);
  t.same(asked, []);
  closeSync(memory.descriptor ?? -1);
});
