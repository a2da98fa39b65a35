import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { checkOwnFolder } from '../src/check-own-folder.ts';

const OTHER = 12_345;

function makeFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-own-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

t.test('a folder that others may change is refused, with what is wrong and what to do', async (t) => {
  const rows: [string, (folder: string) => void, RegExp][] = [
    ['of another user', (out) => chownSync(out, OTHER, 0), /out belongs to another user \(12345\)/],
    ['for everybody', (out) => chmodSync(out, 0o777), /out may be written to by everybody/],
    ['for everybody, with the sticky bit', (out) => chmodSync(out, 0o1777), /out may be .* everybody/],
    ['for its group', (out) => chmodSync(out, 0o770), /out may be written to by its group/],
    ['below one of another user', (out) => chownSync(join(out, '..'), OTHER, 0), /above belongs to another/],
    ['below one for everybody', (out) => chmodSync(join(out, '..'), 0o777), /above may be .* everybody/],
    [
      'not there yet, below one for everybody',
      (out) => {
        rmSync(out, { recursive: true });
        chmodSync(join(out, '..'), 0o777);
      },
      /above may be/,
    ],
    [
      'behind a link of another user',
      (out) => {
        rmSync(out, { recursive: true });
        mkdirSync(join(out, '../real'), { mode: 0o700 });
        symlinkSync('real', out);
        lchownSync(out, OTHER, 0);
      },
      /out belongs to another user/,
    ],
    [
      'behind a link, for everybody',
      (out) => {
        rmSync(out, { recursive: true });
        mkdirSync(join(out, '../real'));
        chmodSync(join(out, '../real'), 0o777);
        symlinkSync('real', out);
      },
      /real may be written to by everybody/,
    ],
  ];
  for (const [name, change, message] of rows) {
    const above = join(makeFolder(t), 'above');
    const out = join(above, 'out');
    mkdirSync(out, { recursive: true, mode: 0o755 });
    change(out);
    await t.rejects(checkOwnFolder(out), { code: 'refused', message, remedy: /--out .*chmod go-w/ }, name);
  }
});

t.test('a folder of our own is taken, below /tmp too, and one of who ran sudo', async (t) => {
  const out = join(makeFolder(t), 'out');
  await t.resolves(checkOwnFolder(out), 'it is not there yet');
  mkdirSync(out, { mode: 0o755 });
  await t.resolves(checkOwnFolder(out));
  symlinkSync('out', `${out}-link`);
  await t.resolves(checkOwnFolder(`${out}-link`));
  chownSync(out, OTHER, 0);
  await t.resolves(checkOwnFolder(out, OTHER));
  await t.rejects(checkOwnFolder(out, OTHER + 1), { code: 'refused' });
});
