import { execFile } from 'node:child_process';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { takeFromIso } from '../../src/images/read-iso-file.ts';

const run = promisify(execFile);

const FILES: Readonly<Record<string, string>> = {
  'casper/vmlinuz': 'kernel '.repeat(20_000),
  'casper/initrd': 'initrd '.repeat(500_000),
  'casper/a-name-that-is-far-too-long-for-the-plain-names-of-iso-9660.squashfs': 'x',
  'boot/grub/grub.cfg': 'menu',
  ...Object.fromEntries(
    Array.from({ length: 120 }, (_, index) => [`pool/package-${index}.deb`, `package ${index}`]),
  ),
};

/** As xorriso writes it: what Ubuntu's images are made with. */
async function makeIso(folder: string, options: readonly string[] = AS_UBUNTU): Promise<string> {
  for (const [path, text] of Object.entries(FILES)) {
    await mkdir(dirname(join(folder, 'tree', path)), { recursive: true });
    await writeFile(join(folder, 'tree', path), text);
  }
  await run('xorriso', options, { cwd: folder });
  return join(folder, 'image.iso');
}

const AS_UBUNTU = ['-as', 'mkisofs', '-quiet', '-R', '-J', '-iso-level', '3', '-o', 'image.iso', 'tree'];
const PLAIN = ['-rockridge', 'off', '-outdev', 'image.iso', '-map', 'tree', '/'];

t.test('files come out of an image with Rock Ridge, as Ubuntu has it, as they went in', async (t) => {
  const folder = t.testdir();
  const image = await makeIso(folder);
  for (const path of Object.keys(FILES).slice(0, 12).concat('pool/package-119.deb')) {
    await takeFromIso(image, path, join(folder, 'out'));
    t.equal(await readFile(join(folder, 'out'), 'utf8'), FILES[path], path);
  }
});

t.test('and out of one with plain names alone', async (t) => {
  const folder = t.testdir();
  const image = await makeIso(folder, PLAIN);
  for (const path of ['casper/vmlinuz', 'casper/initrd', 'boot/grub/grub.cfg']) {
    await takeFromIso(image, path, join(folder, 'out'));
    t.equal(await readFile(join(folder, 'out'), 'utf8'), FILES[path], path);
  }
});

t.test('what an image does not have is not found, and a folder is no file', async (t) => {
  const folder = t.testdir();
  const image = await makeIso(folder);
  for (const path of ['casper/hwe-vmlinuz', 'nothing', 'casper/vmlinuz/deeper', '', '../etc/passwd']) {
    await t.rejects(takeFromIso(image, path, join(folder, 'out')), { code: 'not-found' }, path);
  }
  await t.rejects(takeFromIso(image, 'casper', join(folder, 'out')), { code: 'refused' });
});

t.test('what is no image, or a damaged one, is refused', async (t) => {
  const folder = t.testdir();
  const image = await makeIso(folder);
  const whole = await readFile(image);
  const volume = 16 * 2048;
  const change = (offset: number, ...bytes: readonly number[]) => {
    const copy = Buffer.from(whole);
    copy.set(bytes, offset);
    return copy;
  };
  const bad = [
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(100_000)],
    ['text', Buffer.from('<html>'.repeat(10_000))],
    ['blocks of another size', change(volume + 128, 0, 4)],
    ['a root without end', change(volume + 156 + 10, 0xff, 0xff, 0xff, 0xff)],
    ['a root beyond the end', change(volume + 156 + 2, 0xff, 0xff, 0xff, 0x7f)],
    ['cut in its folders', whole.subarray(0, 19 * 2048)],
    ['cut in the file', whole.subarray(0, whole.indexOf('initrd initrd') + 2048)],
  ] as const;
  for (const [what, bytes] of bad) {
    await writeFile(join(folder, 'bad.iso'), bytes);
    await t.rejects(
      takeFromIso(join(folder, 'bad.iso'), 'casper/initrd', join(folder, 'out')),
      { code: 'refused' },
      what,
    );
  }
});

t.test(
  'a folder that says it has gigabytes is not read into memory, though the image has them',
  async (t) => {
    const folder = t.testdir();
    const image = await makeIso(folder);
    await using handle = await open(image, 'r+');
    await handle.truncate(3_000_000_000);
    await handle.write(Uint8Array.of(0, 0, 0, 0x70), 0, 4, 16 * 2048 + 156 + 10);
    await t.rejects(takeFromIso(image, 'casper/initrd', join(folder, 'out')), {
      code: 'refused',
      message: /a folder that is too large/,
    });
  },
);

t.test('no change of a byte of the folders makes it hang, crash or read beyond the image', async (t) => {
  const folder = t.testdir();
  const image = await makeIso(folder);
  const whole = await readFile(image);
  const root = whole.readUInt32LE(16 * 2048 + 158) * 2048;
  await using handle = await open(image, 'r+');
  let outcomes = 0;
  for (let offset = root; offset < root + 160; offset += 1) {
    const byte = whole[offset] ?? 0;
    await handle.write(Uint8Array.of(byte ^ 0xff), 0, 1, offset);
    await takeFromIso(image, 'boot/grub/grub.cfg', join(folder, 'out')).catch((thrown: { code?: string }) => {
      if (thrown.code !== 'refused' && thrown.code !== 'not-found') throw thrown;
    });
    await handle.write(Uint8Array.of(byte), 0, 1, offset);
    outcomes += 1;
  }
  t.equal(outcomes, 160);
});
