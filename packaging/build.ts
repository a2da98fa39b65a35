/**
 * `npm run package`: the built program as a Debian package, a tarball for other hosts, and a package for npm, in dist/.
 *
 *     npm run package -- --out FOLDER     elsewhere
 *     npm run package -- --fast           larger, and in a third of the time: for tests
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { TinderboxError, toTinderboxError } from '../src/errors.ts';
import { type Compression, levelTree, packTarball } from './archive.ts';
import { NATIVE_PACKAGES } from './bundle-program.ts';
import { describeCopyright } from './describe-copyright.ts';
import { debianArchitecture, makeDeb } from './make-deb.ts';
import { readSourceDate } from './source-date.ts';
import { copyFile, readManifest, stageProgram, stageRuntime, writeManifest } from './stage-program.ts';
import { linkLauncher, stageData, stageDocs, stageManuals, stageSystemd } from './stage-shared.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const SMALL: Compression = { gzip: 9, deb: ['-Zxz', '-z6'] };
const FAST: Compression = { gzip: 1, deb: ['-Zgzip', '-z1'] };

interface Build {
  readonly scratch: string;
  readonly out: string;
  readonly sourceDate: number;
  readonly compression: Compression;
}

/** Returns the files made. Throws TinderboxError. */
async function buildAll({ scratch, out, sourceDate, compression }: Build): Promise<readonly string[]> {
  if (process.platform !== 'linux')
    throw new TinderboxError('unavailable', `nothing to package on ${process.platform}`, {
      remedy: 'Build on Linux.',
    });
  const manifest = await readManifest(ROOT);
  const { version } = manifest;
  await mkdir(out, { recursive: true });

  // npm: the program, the data beside it; npm brings the native modules.
  const npm = join(scratch, 'npm/package');
  const { packages } = await stageProgram(ROOT, npm);
  await writeManifest(npm, manifest, NATIVE_PACKAGES);
  await stageData(ROOT, npm);
  for (const name of ['README.md', 'CHANGELOG.md', 'LICENSE'])
    await copyFile(join(ROOT, name), join(npm, name));
  await writeFile(join(npm, 'COPYRIGHT'), await describeCopyright(ROOT, packages, []));

  // usr/: for the Debian package, and, below a prefix, for the tarball.
  const name = `tinderbox-${version}-linux-${process.arch}`;
  const usr = join(scratch, name);
  const program = join(usr, 'lib/tinderbox');
  for (const part of ['bin', 'lib']) await cp(join(npm, part), join(program, part), { recursive: true });
  const native = await stageRuntime(ROOT, program);
  await writeManifest(program, manifest, []);
  await stageData(ROOT, join(usr, 'share/tinderbox'));
  await stageDocs(ROOT, join(usr, 'share/doc/tinderbox'));
  const copyright = await describeCopyright(ROOT, [...packages, ...native.packages], ['node']);
  await writeFile(join(usr, 'share/doc/tinderbox/copyright'), copyright);
  await stageSystemd(ROOT, usr);
  await stageManuals(join(usr, 'share'), { version, sourceDate });
  await linkLauncher(usr);

  const deb = join(out, `tinderbox_${version}_${debianArchitecture()}.deb`);
  const tree = join(scratch, 'deb');
  await cp(usr, join(tree, 'usr'), { recursive: true, verbatimSymlinks: true });
  await copyFile(
    join(ROOT, 'packaging/debian/lintian-overrides'),
    join(tree, 'usr/share/lintian/overrides/tinderbox'),
  );
  makeDeb(tree, deb, { version, sourceDate, compression, scripts: join(ROOT, 'packaging/debian') });

  for (const script of ['install.sh', 'uninstall.sh'])
    await copyFile(join(ROOT, 'packaging/tarball', script), join(usr, script));
  const tarball = join(out, `${name}.tar.gz`);
  levelTree(usr, sourceDate);
  packTarball(usr, tarball, compression.gzip);

  const tgz = join(out, `tinderbox-${version}.tgz`);
  levelTree(npm, sourceDate);
  packTarball(npm, tgz, compression.gzip);
  return [deb, tarball, tgz];
}

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(ROOT, 'dist') },
    fast: { type: 'boolean', default: false },
  },
});
const scratch = await mkdtemp(join(tmpdir(), 'tinderbox-package-'));
try {
  const files = await buildAll({
    scratch,
    out: values.out,
    sourceDate: readSourceDate(ROOT, process.env['SOURCE_DATE_EPOCH']),
    compression: values.fast ? FAST : SMALL,
  });
  for (const file of files) console.log(file);
} catch (thrown) {
  const { message, remedy } = toTinderboxError(thrown);
  console.error(remedy === undefined ? message : `${message}\n    ${remedy}`);
  process.exitCode = 1;
} finally {
  await rm(scratch, { recursive: true, force: true });
}
