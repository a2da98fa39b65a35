import t from 'tap';
import { parseRelease } from '../../../src/images/vendors/parse-release.ts';

const A = 'a'.repeat(64);

/** The fields of dists/trixie/InRelease, with two of its files. */
const RELEASE = `Origin: Debian
Label: Debian
Suite: stable
Version: 13.8
Codename: trixie
Changelogs: https://metadata.ftp-master.debian.org/changelogs/@CHANGEPATH@_changelog
Date: Sat, 21 Nov 2026 09:15:44 UTC
Acquire-By-Hash: yes
No-Support-for-Architecture-all: Packages
Architectures: all amd64 arm64 armel armhf i386 ppc64el riscv64 s390x
Components: main contrib non-free-firmware non-free
Description: Debian 13.8 Released 21 November 2026
MD5Sum:
 0702a7cb3c7fff170dca0c92e2bf6622    80699 main/installer-amd64/current/images/SHA256SUMS
SHA256:
 ${A}    80699 main/installer-amd64/current/images/SHA256SUMS
 ${'b'.repeat(64)}        0 contrib/Contents-all
`;

t.test('suite, version and the files with their SHA-256 are read', async (t) => {
  const { suite, codename, version, files } = parseRelease(RELEASE, 'InRelease');
  t.same([suite, codename, version], ['stable', 'trixie', '13.8']);
  t.same([...files.keys()], ['main/installer-amd64/current/images/SHA256SUMS', 'contrib/Contents-all']);
  t.same(files.get('main/installer-amd64/current/images/SHA256SUMS'), { hex: A, size: 80_699 });
});

t.test('a suite without a version has none', async (t) => {
  t.equal(parseRelease(RELEASE.replace('Version: 13.8\n', ''), 'InRelease').version, undefined);
});

t.test('what is no Release file is refused', async (t) => {
  const bad = [
    ['nothing', ''],
    ['a page', '<!DOCTYPE html>\n<html>'],
    ['no suite', RELEASE.replace('Suite: stable\n', '')],
    ['a field twice', `${RELEASE}Suite: unstable\n`],
    ['a version that is a path', RELEASE.replace('13.8', '../../x')],
    ['a file that leads out', RELEASE.replace('contrib/Contents-all', '../../etc/passwd')],
    ['a file without its checksum', RELEASE.replace('b'.repeat(64), 'b')],
    ['two checksums for a file', `${RELEASE} ${'c'.repeat(64)}        0 contrib/Contents-all\n`],
    ['a line without end', `${RELEASE}X: ${'x'.repeat(5000)}`],
  ] as const;
  for (const [what, text] of bad) {
    t.throws(() => parseRelease(text, 'InRelease'), { code: 'refused', message: /^InRelease: / }, what);
  }
});
