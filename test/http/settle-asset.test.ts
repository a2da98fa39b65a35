import { mkdtemp, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { findSettledAsset } from '../../src/http/settle-asset.ts';

const folder = await mkdtemp(join(tmpdir(), 'tinderbox-settle-'));
t.teardown(() => rm(folder, { recursive: true }));
const file = join(folder, 'file');
const MTIME = 1_700_000_000_000;
const write = async (text: string): Promise<void> => {
  await writeFile(file, text);
  await utimes(file, MTIME / 1000, MTIME / 1000);
};

/** Each look at the clock is so many milliseconds after the file's time, in turn; the last one again and again. */
const clock = (...ages: readonly number[]) => {
  let looks = 0;
  return { now: () => MTIME + (ages[Math.min(looks++, ages.length - 1)] ?? 0), looks: () => looks };
};

t.test('a file that was written to a moment ago is looked at again', async (t) => {
  await write('whole');
  const { now, looks } = clock(0, 50, 99, 100);
  t.match(await findSettledAsset(folder, ['file'], now), { kind: 'file', file: { size: 5 } });
  t.equal(looks(), 4);
});

t.test('what an editor has only truncated yet is not taken for whole', async (t) => {
  await write('whole');
  await truncate(file, 0);
  const found = findSettledAsset(folder, ['file'], Date.now);
  await writeFile(file, 'whole again');
  t.match(await found, { kind: 'file', file: { size: 11 } });
});

t.test('who writes for ever is not waited for', async (t) => {
  await write('whole');
  const { now } = clock(95);
  t.same(await findSettledAsset(folder, ['file'], now), { kind: 'unsettled' });
});

t.test('an old file, one of another clock, and one that is not there are answered at once', async (t) => {
  await write('whole');
  for (const age of [100, 86_400_000, -86_400_000]) {
    const { now, looks } = clock(age);
    t.match(await findSettledAsset(folder, ['file'], now), { kind: 'file' });
    t.equal(looks(), 1, String(age));
  }
  t.match(await findSettledAsset(folder, ['nothing'], Date.now), { kind: 'missing' });
});
