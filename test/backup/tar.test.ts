import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readTar } from '../../src/backup/read-tar.ts';
import { BLOCK, encodeTarHeader, paddingOf } from '../../src/backup/tar-header.ts';

const base = mkdtempSync(join(tmpdir(), 'tinderbox-tar-'));
t.teardown(() => rmSync(base, { recursive: true, force: true }));

const LONG = `${'a/'.repeat(20)}${'ü'.repeat(90)}.yaml`;
const ITEMS = [
  { name: 'folder/', kind: 'folder', mode: 0o750, content: '' },
  { name: 'folder/empty', kind: 'file', mode: 0o600, content: '' },
  { name: 'folder/one', kind: 'file', mode: 0o640, content: 'x'.repeat(BLOCK) },
  { name: LONG, kind: 'file', mode: 0o644, content: 'more than a block '.repeat(100) },
  { name: 'link', kind: 'link', mode: 0o777, content: '', target: `folder/${'b'.repeat(120)}` },
] as const;

function pack(): Buffer {
  const parts = ITEMS.map(({ content, ...item }) => {
    const body = Buffer.from(content);
    const header = encodeTarHeader({ ...item, size: body.length, mtime: 1_800_000_000 });
    return Buffer.concat([header, body, Buffer.alloc(paddingOf(body.length))]);
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

async function read(bytes: Buffer, chunk: number) {
  async function* source(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
  }
  const found: { name: string; kind: string; mode: number; target?: string; content: string }[] = [];
  for await (const { content, name, kind, mode, target } of readTar(source())) {
    const parts: Buffer[] = [];
    for await (const part of content) parts.push(part);
    found.push({
      name,
      kind,
      mode,
      content: Buffer.concat(parts).toString(),
      ...(target === undefined ? {} : { target }),
    });
  }
  return found;
}

t.test('what is packed is read back, in chunks of any size', async (t) => {
  for (const chunk of [1, 511, 512, 5000, 1_000_000]) t.same(await read(pack(), chunk), ITEMS, `${chunk}`);
});

t.test('GNU tar unpacks what we pack', (t) => {
  const folder = join(base, 'gnu');
  mkdirSync(folder);
  writeFileSync(join(base, 'ours.tar'), pack());
  execFileSync('tar', ['xpf', join(base, 'ours.tar'), '-C', folder]);
  for (const { name, kind, mode, content, ...more } of ITEMS) {
    const path = join(folder, name);
    if (kind === 'link') t.equal(readlinkSync(path), 'target' in more ? more.target : '');
    else t.equal(statSync(path).mode & 0o777, mode, name);
    if (kind === 'file') t.equal(readFileSync(path, 'utf8'), content);
  }
  t.end();
});

t.test('we read what GNU tar packs, in either of its formats without extensions of its own', async (t) => {
  const folder = join(base, 'theirs');
  mkdirSync(join(folder, 'a'.repeat(90), 'b'.repeat(60)), { recursive: true });
  const name = `${'a'.repeat(90)}/${'b'.repeat(60)}/file`;
  writeFileSync(join(folder, name), 'content');
  symlinkSync('file', join(folder, 'link'));
  for (const format of ['ustar', 'pax']) {
    const bytes = execFileSync('tar', ['cf', '-', `--format=${format}`, '-C', folder, name, 'link']);
    t.match(
      await read(bytes, 4096),
      [
        { name, content: 'content' },
        { name: 'link', target: 'file' },
      ],
      format,
    );
  }
});

t.test('an archive that is cut off or changed is not read as if it were whole', async (t) => {
  const bytes = pack();
  for (const length of [0, 100, BLOCK, 3 * BLOCK + 5, bytes.length - 2 * BLOCK])
    await t.rejects(read(bytes.subarray(0, length), 4096), /ends early/, `${length} bytes`);
  const changed = Buffer.from(bytes);
  changed[10] = 0x41;
  await t.rejects(read(changed, 4096), /header is damaged/);
  await t.rejects(read(Buffer.alloc(2048, 'text'), 4096), /no tar archive/);
});
