import { spawnSync } from 'node:child_process';
import t from 'tap';
import { buildCpio } from '../../src/lab/cpio.ts';

const archive = buildCpio([
  { kind: 'folder', path: 'bin' },
  { kind: 'device', path: 'console', major: 5, minor: 1 },
  { kind: 'file', path: 'bin/a', content: Buffer.from('12345'), executable: true },
  { kind: 'file', path: 'plain', content: Buffer.alloc(0) },
  { kind: 'link', path: 'sh', target: 'bin/a' },
]);

t.test('lays members out as the kernel wants them', async (t) => {
  t.equal(archive.length % 4, 0);
  t.equal(archive.toString('latin1', 0, 6), '070701');
  // The second member: inode 2, a character device 5:1, 8 bytes of name with its NUL.
  const second = archive.toString('latin1', 116, 116 + 110);
  t.equal(
    second,
    '070701' +
      '00000002' +
      '00002180' +
      '00000000'.repeat(2) +
      '00000001' +
      '00000000'.repeat(4) +
      '00000005' +
      '00000001' +
      '00000008' +
      '00000000',
  );
  t.match(archive.toString('latin1'), /TRAILER!!!\0+$/);
});

const cpio = spawnSync('cpio', ['--version']).error === undefined;

t.test('is read by another program', { skip: cpio ? false : 'cpio is not installed' }, async (t) => {
  const { stdout, stderr } = spawnSync('cpio', ['-tvn'], { input: archive, encoding: 'utf8' });
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => line.replace(/\s+/g, ' '));
  t.match(lines, [
    /^drwxr-xr-x 1 0 0 0 .* bin$/,
    /^crw------- 1 0 0 5, 1 .* console$/,
    /^-rwxr-xr-x 1 0 0 5 .* bin\/a$/,
    /^-rw-r--r-- 1 0 0 0 .* plain$/,
    /^lrwxrwxrwx 1 0 0 5 .* sh -> bin\/a$/,
  ]);
  t.match(stderr, /^\d+ blocks?$/m, 'without a warning');
});
