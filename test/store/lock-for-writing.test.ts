import { linkSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { lockForWriting } from '../../src/store/lock-for-writing.ts';

const TEXT = 'root:*:20000:0:99999:7:::\n'.repeat(8);

/** A folder of the service's, and a file elsewhere that is none of its business. */
function setUp(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-lock-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const other = join(folder, 'shadow');
  writeFileSync(other, TEXT, { mode: 0o644 });
  const file = join(folder, 'tinderbox.db');
  return { file, lock: `${file}.lock`, other };
}

for (const [kind, make] of [
  ['symbolic', symlinkSync],
  ['hard', linkSync],
] as const) {
  t.test(
    `a ${kind} link in the place of the lock is refused, and what it names is not touched`,
    async (t) => {
      const { file, lock, other } = setUp(t);
      make(other, lock);
      const before = statSync(other);
      t.throws(() => lockForWriting(file), { code: 'refused' });
      const { uid, mode } = statSync(other);
      t.same([uid, mode], [before.uid, before.mode]);
      t.equal(readFileSync(other, 'utf8'), TEXT);
    },
  );
}

t.test('what is no lock is emptied and used; a second one is refused', async (t) => {
  const { file, lock } = setUp(t);
  writeFileSync(lock, TEXT);
  const held = lockForWriting(file);
  t.equal(statSync(lock).mode & 0o777, 0o600);
  t.equal(readFileSync(lock, 'utf8').includes('root'), false);
  t.throws(() => lockForWriting(file), { code: 'in-use' });
  held.close();
});
