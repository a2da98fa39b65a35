import { execFile } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { writeRoleFolder } from '../src/write-role-folder.ts';

t.test('on a full disk the file is named, and what was there before is all that is there', async (t) => {
  const disk = t.testdir();
  const script = fileURLToPath(new URL('support/write-on-full-disk.ts', import.meta.url));
  const { stdout } = await promisify(execFile)('unshare', [
    '--user',
    '--map-root-user',
    '--mount',
    '--',
    process.execPath,
    script,
    disk,
  ]);
  const remedy = 'Make room, then try again.';
  const out = join(disk, 'deep/out');
  const made = ['deep', 'deep/out', 'deep/out/etc', 'deep/out/etc/first', 'deep/out/etc/second'];
  t.same(JSON.parse(stdout), {
    full: {
      code: 'unavailable',
      message: `${out}/etc/kubernetes/second cannot be written: the disk is full; nothing was changed`,
      remedy,
      list: [],
    },
    room: {
      written: ['/etc/first', '/etc/second'],
      removed: [],
      list: [...made, 'deep/out/tinderbox-manifest.json'],
    },
    again: {
      code: 'unavailable',
      message: `${out}/var/second cannot be written: the disk is full; nothing was changed`,
      remedy,
      list: [...made, 'deep/out/tinderbox-manifest.json'],
    },
    kept: 'b',
    after: {
      written: ['/etc/first', '/var/second'],
      removed: ['/etc/second'],
      list: [...made.slice(0, -1), 'deep/out/tinderbox-manifest.json', 'deep/out/var', 'deep/out/var/second'],
    },
  });
  t.same(readdirSync(disk), [], 'the disk was in a namespace of its own');
});

t.test('what is no folder is said to be none', async (t) => {
  const folder = join(t.testdir(), 'file');
  writeFileSync(folder, 'precious');
  const file = { path: '/etc/a', content: Buffer.from('a'), mode: 0o644, owner: 'root' };
  for (const force of [false, true]) {
    await t.rejects(writeRoleFolder({ folder, force, title: {}, files: [file] }), {
      code: 'refused',
      message: `${folder} is no folder`,
    });
  }
});
