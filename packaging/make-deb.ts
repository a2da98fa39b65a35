import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Compression, levelTree } from './archive.ts';
import { zip } from './stage-shared.ts';

const MAINTAINER = 'The Tinderbox authors <tinderbox@localhost.localdomain>';
const SCRIPTS = ['postinst', 'postrm', 'prerm'];

export interface DebSettings {
  readonly version: string;
  readonly sourceDate: number;
  readonly compression: Compression;
  /** Where the maintainer scripts are. */
  readonly scripts: string;
}

/** Debian's name of a processor. */
export function debianArchitecture(arch: string = process.arch): string {
  return { x64: 'amd64', arm64: 'arm64' }[arch] ?? arch;
}

/** Packs `tree` (usr/ and what else goes to /) as a Debian package. */
export function makeDeb(tree: string, file: string, settings: DebSettings): void {
  const changelog = join(tree, 'usr/share/doc/tinderbox/changelog.gz');
  writeFileSync(changelog, zip(changelogOf(settings.version, settings.sourceDate)));
  const files = readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  const control = join(tree, 'DEBIAN');
  mkdirSync(control);
  for (const name of SCRIPTS) cpSync(join(settings.scripts, name), join(control, name));
  writeFileSync(join(control, 'control'), controlOf(settings.version, installedSize(tree, files)));
  const sums = files.filter((path) => lstatSync(path).isFile()).map((path) => md5Line(tree, path));
  writeFileSync(join(control, 'md5sums'), sums.join(''));
  levelTree(tree, settings.sourceDate);
  execFileSync('dpkg-deb', ['--root-owner-group', ...settings.compression.deb, '--build', tree, file], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      LC_ALL: 'C',
      SOURCE_DATE_EPOCH: String(settings.sourceDate),
    },
  });
}

/** In the format that Debian's tools read; what changed stands beside it. */
function changelogOf(version: string, sourceDate: number): string {
  const date = new Date(sourceDate * 1000).toUTCString().replace('GMT', '+0000');
  return `tinderbox (${version}) unstable; urgency=medium

  * See /usr/share/doc/tinderbox/CHANGELOG.md.

 -- ${MAINTAINER}  ${date}
`;
}

function md5Line(tree: string, path: string): string {
  const sum = createHash('md5').update(readFileSync(path)).digest('hex');
  return `${sum}  ${path.slice(tree.length + 1)}\n`;
}

/** In KiB, as policy 5.6.20 counts: files rounded up, folders and links one each. */
function installedSize(tree: string, files: readonly string[]): number {
  const folders = readdirSync(tree, { recursive: true }).length - files.length;
  return files.reduce((sum, path) => sum + Math.max(1, Math.ceil(lstatSync(path).size / 1024)), folders);
}

/**
 * The newest symbol versions that Node, better-sqlite3 and koffi want, by `objdump -T`: GLIBC_2.34 and GLIBCXX_3.4.29,
 * which is GCC 11's. systemd makes the user and the folders; it need not be what runs the host. procps: the unit reloads
 * by /bin/kill.
 */
export const NEEDS = { glibc: '2.34', libstdcxx: '11' } as const;

function controlOf(version: string, size: number): string {
  return `Package: tinderbox
Version: ${version}
Architecture: ${debianArchitecture()}
Maintainer: ${MAINTAINER}
Installed-Size: ${size}
Depends: libc6 (>= ${NEEDS.glibc}), libgcc-s1, libstdc++6 (>= ${NEEDS.libstdcxx}), passwd, procps, systemd (>= 252) | systemd-standalone-sysusers, systemd (>= 252) | systemd-standalone-tmpfiles
Recommends: ipxe
Suggests: bash-completion, kubernetes-client, xorriso
Section: net
Priority: optional
Description: boots bare metal from the network, for diskless Kubernetes workers
 One service that lights diskless machines: DHCP or proxy-DHCP, TFTP, HTTP and
 a configuration made for each machine at the moment that it boots.
 .
 What a machine becomes is a role in a folder of text files. With a role of a
 Kubernetes cluster it makes its own keys, has them certified by an authority
 that never leaves this host, and joins. Every packet that is answered, or not
 answered, has a reason that one can read.
 .
 It runs under a Node of its own. Nothing runs before "tinderbox init".
`;
}
