import { rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { createPins, readPins } from '../../src/images/pin-assets.ts';

t.test('only links that lead through `current` are pinned', async (t) => {
  const assets = t.testdir({
    flatcar: { '1.0': { vmlinuz: '1', cpio: '1' }, '2.0': { vmlinuz: '2' }, byhand: 'x' },
    broken: { vmlinuz: 'x' },
    file: 'x',
  });
  const folder = join(assets, 'flatcar');
  await symlink('1.0', join(folder, 'current'));
  await symlink('current/vmlinuz', join(folder, 'vmlinuz'));
  await symlink('2.0/vmlinuz', join(folder, 'other'));
  await symlink('current/vmlinuz', join(folder, 'renamed'));
  await symlink('../../../etc', join(assets, 'broken/current'));
  t.same(
    await readPins(assets),
    new Map([
      ['/assets/flatcar/current', '/assets/flatcar/1.0'],
      ['/assets/flatcar/vmlinuz', '/assets/flatcar/1.0/vmlinuz'],
    ]),
  );
  t.same(await readPins(join(assets, 'none')), new Map());
});

t.test('what was read holds for a second, and is read once however many ask', async (t) => {
  const assets = t.testdir({ flatcar: { '1.0': {}, '2.0': {} } });
  const current = join(assets, 'flatcar/current');
  await symlink('1.0', current);
  let now = 0;
  const pins = createPins(assets, () => now);
  t.equal(pins.current().size, 0);
  await Promise.all([pins.refresh(), pins.refresh()]);
  t.equal(pins.current().get('/assets/flatcar/current'), '/assets/flatcar/1.0');
  await symlink('2.0', `${current}.new`);
  await rename(`${current}.new`, current);
  now = 999;
  await pins.refresh();
  t.equal(pins.current().get('/assets/flatcar/current'), '/assets/flatcar/1.0');
  now = 1000;
  await pins.refresh();
  t.equal(pins.current().get('/assets/flatcar/current'), '/assets/flatcar/2.0');
});
