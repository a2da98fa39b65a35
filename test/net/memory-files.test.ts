import { closeSync, readFileSync, readSync, writeSync } from 'node:fs';
import { release } from 'node:os';
import t from 'tap';
import { memoryFiles } from '../../src/net/file-sender.ts';

const files = memoryFiles();
if (files === undefined) throw new Error('no C library');
const { largePage } = files;

/** MADV_COLLAPSE came with Linux 6.1. */
const canEnlarge = (): boolean => {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const size = Number(readFileSync('/sys/kernel/mm/transparent_hugepage/hpage_pmd_size', 'latin1'));
  return size === largePage && (major > 6 || (major === 6 && minor >= 1));
};

t.test('a page that was begun becomes large, and its bytes stay what they are', async (t) => {
  const file = files.open();
  t.teardown(() => closeSync(file));
  const begun = crypto.getRandomValues(Buffer.alloc(4096));
  const pages = [0, largePage, 2 * largePage];
  const enlarged: boolean[] = [];
  for (const at of pages) {
    writeSync(file, begun, 0, begun.length, at);
    enlarged.push(await files.enlargePage(file, at));
  }
  // There may be none for one of them.
  t.equal(enlarged.includes(true), canEnlarge());
  const read = Buffer.alloc(2 * begun.length);
  for (const at of pages) {
    readSync(file, read, 0, read.length, at);
    t.ok(read.subarray(0, begun.length).equals(begun), String(at));
    t.ok(
      read.subarray(begun.length).every((byte) => byte === 0),
      'nothing is in what was not written',
    );
  }
});

t.test('where there is nothing, or no file, there is no large page', async (t) => {
  const file = files.open();
  t.equal(await files.enlargePage(file, 0), false);
  closeSync(file);
  t.equal(await files.enlargePage(file, 0), false);
});
