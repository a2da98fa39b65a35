import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, readSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { memoryFiles } from '../../src/net/file-sender.ts';
import { createPageEnlarger, hasLargePages } from '../../src/net/large-pages.ts';

const found = memoryFiles();
if (found === undefined) throw new Error('no C library');
const files = found;
const MIB = 1024 * 1024;

function makeFile(bytes: Buffer): number {
  const file = files.open();
  writeSync(file, bytes);
  return file;
}

t.test('a file comes to lie in large pages, and its bytes stay what they are', async (t) => {
  const bytes = randomBytes(5 * MIB + 1);
  const file = makeFile(bytes);
  t.teardown(() => closeSync(file));
  let isLarge = false;
  // The kernel may have something to do with a page just now.
  for (let tries = 0; tries < 10 && !isLarge; tries++) {
    if (tries > 0) await delay(100);
    isLarge = await files.enlargePages(file);
  }
  t.equal(isLarge, hasLargePages());
  const read = Buffer.alloc(bytes.length + 1);
  t.equal(readSync(file, read, 0, read.length, 0), bytes.length);
  t.ok(read.subarray(0, bytes.length).equals(bytes));
  t.equal(fstatSync(file).size, bytes.length);
});

t.test('one at a time, and the descriptor may be closed as soon as that was said', async (t) => {
  const enlarge = createPageEnlarger(true);
  const file = makeFile(Buffer.alloc(4 * MIB));
  const first = enlarge(file);
  t.equal(await enlarge(file), false, 'it is another turn');
  closeSync(file);
  t.equal(await first, hasLargePages());
  t.equal(await enlarge(file), false, 'there is no such file');
});

t.test('what is no file in memory, or too small, is not', async (t) => {
  const small = makeFile(Buffer.alloc(MIB));
  t.equal(await files.enlargePages(small), false);
  closeSync(small);
});

const settings = (size: string, shared: string) => (file: string) => (file.endsWith('size') ? size : shared);

t.test('which hosts can have them', async (t) => {
  const usual = settings('2097152\n', 'always within_size advise [never] deny force\n');
  t.equal(hasLargePages(usual, '6.1.0-18-amd64'), true);
  t.equal(hasLargePages(usual, '7.0'), true);
  t.equal(hasLargePages(usual, '6.0.9'), false);
  t.equal(hasLargePages(usual, '5.14.0'), false);
  t.equal(hasLargePages(settings('536870912', '[never]'), '6.12'), false, 'pages of 64 KiB');
  t.equal(hasLargePages(settings('2097152', 'never [deny] force'), '6.12'), false);
  t.equal(
    hasLargePages(() => {
      throw new Error('ENOENT');
    }, '6.12'),
    false,
  );
});
