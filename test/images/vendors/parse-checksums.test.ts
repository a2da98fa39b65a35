import t from 'tap';
import { isFileName, parseChecksum, parseChecksums } from '../../../src/images/vendors/parse-checksums.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);

t.test('lists are read as GNU coreutils, Debian and Ubuntu write them', async (t) => {
  const lists = [
    ['two spaces', `${A}  one\n${B}  two\n`],
    ['binary mode, as Ubuntu', `${A} *one\n${B} *two\n`],
    ['with ./ before names, as Debian', `${A}  ./one\n${B}  ./two\n`],
    ['upper case and CRLF', `${A.toUpperCase()}  one\r\n${B}  two\r\n`],
    ['no end of the last line, and an empty one', `${A}  one\n\n${B}  two`],
    ['the same line twice', `${A}  one\n${A}  one\n${B}  two\n`],
  ] as const;
  for (const [what, text] of lists) {
    t.same(
      [...parseChecksums(text, 'sha256', 'LIST')],
      [
        ['one', A],
        ['two', B],
      ],
      what,
    );
  }
  const long = 'c'.repeat(128);
  t.same([...parseChecksums(`${long}  vmlinuz-amd64\n`, 'sha512', 'LIST')], [['vmlinuz-amd64', long]]);
});

t.test(
  'what is no list of checksums is refused, and the line is shown without what a terminal would obey',
  async (t) => {
    const bad = [
      ['nothing', ''],
      ['a page of a portal', '<html>Log in</html>\n'],
      ['the other algorithm', `${'a'.repeat(128)}  one\n`],
      ['a short checksum', `${'a'.repeat(63)}  one\n`],
      ['one space', `${A} one\n`],
      ['no name', `${A}  \n`],
      ['a space in the name', `${A}  one two\n`],
      ['a way out', `${A}  ../../etc/passwd\n`],
      ['a way out within', `${A}  netboot/../../../x\n`],
      ['a root', `${A}  /etc/passwd\n`],
      ['a hidden file', `${A}  .bashrc\n`],
      ['an option', `${A}  -rf\n`],
      ['a query', `${A}  one?two\n`],
      ['an escape for terminals', `${A}  \u001b[2Jone\n`],
      ['two checksums for one name', `${A}  one\n${B}  ./one\n`],
      ['a name without end', `${A}  ${'x'.repeat(256)}\n`],
      ['a line without end', 'x'.repeat(100_000)],
    ] as const;
    for (const [what, text] of bad) {
      t.throws(
        () => parseChecksums(text, 'sha256', 'LIST'),
        { code: 'refused', message: /^LIST: [ -~…]+$/ },
        what,
      );
    }
  },
);

t.test('a list of the size of the largest that is read at all takes no long time to refuse', async (t) => {
  const huge = `${A}  one\n`.repeat(60_000);
  t.equal(parseChecksums(huge, 'sha256', 'LIST').size, 1);
  t.throws(() => parseChecksums(`${huge}x`, 'sha256', 'LIST'), { code: 'refused' });
});

t.test('the checksum beside one file is the hex alone or one line with its name', async (t) => {
  t.equal(parseChecksum(A, 'sha256', 'kubelet', 'SUM'), A);
  t.equal(parseChecksum(`${A.toUpperCase()}\n`, 'sha256', 'kubelet', 'SUM'), A);
  t.equal(parseChecksum(`${A}  crictl.tar.gz\n`, 'sha256', 'crictl.tar.gz', 'SUM'), A);
  for (const text of [
    '',
    'x',
    `${A}  other\n`,
    `${A}  kubelet\n${B}  other\n`,
    `${A}${A}`,
    '404: Not Found',
  ]) {
    t.throws(() => parseChecksum(text, 'sha256', 'kubelet', 'SUM'), { code: 'refused' }, text);
  }
});

t.test('names of files stay below their folder', async (t) => {
  for (const name of [
    'linux',
    'a/b/c',
    'ubuntu-24.04.4-live-server-amd64.iso',
    'main/x-amd64/20250803+deb13u8/images/SHA256SUMS',
    'a~b_c',
  ]) {
    t.ok(isFileName(name), name);
  }
  for (const name of [
    '',
    '.',
    '..',
    '../x',
    'a/..',
    'a/../b',
    '/a',
    'a/',
    'a//b',
    'a\\b',
    'a b',
    'a%2e',
    'a\0',
    'é',
  ]) {
    t.notOk(isFileName(name), JSON.stringify(name));
  }
});
