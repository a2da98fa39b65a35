import { chmod, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { bundleProgram, packageFolder } from './bundle-program.ts';
import { stagePage } from './stage-page.ts';

export interface StagedProgram {
  /** npm packages whose code is in what was staged. */
  readonly packages: readonly string[];
}

/** The built program, without what ships beside it: bin/tinderbox, lib/ and package.json. */
export async function stageProgram(root: string, out: string): Promise<StagedProgram> {
  const lib = join(out, 'lib');
  const packages = [...(await bundleProgram(root, lib)), ...(await stagePage(root, lib))].toSorted();
  await mkdir(join(out, 'bin'), { recursive: true });
  await cp(join(root, 'bin/tinderbox'), join(out, 'bin/tinderbox'));
  await chmod(join(out, 'bin/tinderbox'), 0o755);
  return { packages };
}

/** The Node that the tests ran under, and the native modules, for this platform alone. */
export async function stageRuntime(root: string, out: string): Promise<StagedProgram> {
  await copyFile(join(root, 'node_modules/node/bin/node'), join(out, 'bin/node'));
  await chmod(join(out, 'bin/node'), 0o755);
  const { arch } = process;
  const files = [
    ...['package.json', 'LICENSE', `prebuilds/linux-${arch}.node`].map((name) => `better-sqlite3/${name}`),
    ...(await scripts(root, 'better-sqlite3/lib')).filter(
      (name) => !/(darwin|win32|linux|linuxmusl)-/.test(name),
    ),
    ...['package.json', 'LICENSE.txt', 'index.cjs', 'src/koffi/index.cjs', 'src/koffi/src/static.cjs'].map(
      (name) => `koffi/${name}`,
    ),
    ...['package.json', 'index.js', `linux_${arch}/koffi.node`].map(
      (name) => `@koromix/koffi-linux-${arch}/${name}`,
    ),
  ];
  for (const file of files) await copyFile(packageFolder(root, file), join(out, 'node_modules', file));
  return { packages: ['better-sqlite3', 'koffi'] };
}

async function scripts(root: string, folder: string): Promise<readonly string[]> {
  const found = await readdir(packageFolder(root, folder), { recursive: true });
  return found
    .filter((name) => name.endsWith('.js'))
    .map((name) => `${folder}/${name}`)
    .toSorted();
}

export async function copyFile(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { dereference: true });
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly author: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

export async function readManifest(root: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest;
}

/** package.json of the built program: of the dependencies only those that are not inside it. */
export async function writeManifest(
  out: string,
  { name, version, description, license, author, engines, bin, dependencies }: Manifest,
  kept: readonly string[],
): Promise<void> {
  const outside = Object.fromEntries(kept.map((key) => [key, dependencies[key]]));
  const manifest = {
    name,
    version,
    description,
    license,
    author,
    type: 'module',
    engines,
    bin,
    os: ['linux'],
    ...(kept.length > 0 && { dependencies: outside }),
  };
  await writeFile(join(out, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}
