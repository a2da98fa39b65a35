import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');

export interface BuiltPackages {
  readonly folder: string;
  readonly deb: string;
  readonly tarball: string;
  readonly npm: string;
}

/** `npm run package -- --fast`, into a new folder; the caller removes it. */
export function buildPackages(root: string = ROOT, env: NodeJS.ProcessEnv = {}): BuiltPackages {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-built-'));
  execFileSync(process.execPath, [join(root, 'packaging/build.ts'), '--fast', '--out', folder], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...env },
  });
  const find = (pattern: RegExp): string => {
    const name = readdirSync(folder).find((each) => pattern.test(each));
    if (name === undefined) throw new Error(`nothing built matches ${pattern}`);
    return join(folder, name);
  };
  return { folder, deb: find(/\.deb$/), tarball: find(/\.tar\.gz$/), npm: find(/\.tgz$/) };
}

/** The same package under another version, changed; not compressed. */
export function repack(deb: string, version: string, change: (tree: string) => void = () => {}): string {
  const tree = mkdtempSync(join(tmpdir(), 'tinderbox-repacked-'));
  try {
    execFileSync('dpkg-deb', ['--raw-extract', deb, tree]);
    const control = join(tree, 'DEBIAN/control');
    writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, `Version: ${version}`));
    change(tree);
    const file = deb.replace(/_[^_]+_/, `_${version}_`);
    execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '--build', tree, file], { stdio: 'ignore' });
    return file;
  } finally {
    rmSync(tree, { recursive: true });
  }
}

/** What lintian says, a line each. */
export function lintDeb(deb: string): readonly string[] {
  const { stdout } = spawnSync('lintian', ['--fail-on', 'none', '--allow-root', deb], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => /^[EW]:/.test(line));
}
