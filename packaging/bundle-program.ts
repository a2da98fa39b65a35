import { globSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

/** What stays a package of its own: each loads a native module from a path beside itself. */
export const NATIVE_PACKAGES = ['better-sqlite3', 'koffi'] as const;

// Packages that are CommonJS call require() for Node's own modules; a file of the bundle is an ES module.
const REQUIRE = `import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);`;

/**
 * Builds the program into `out`, one file deep: what a source finds at `new URL('..', import.meta.url)` from src/, a
 * built file finds from lib/. Parts that are imported when needed stay files of their own. Not minified, so that a stack trace
 * names the functions that one sees in the source; it would not start faster.
 *
 * Returns the names of the npm packages whose code is in it, sorted.
 */
export async function bundleProgram(root: string, out: string): Promise<readonly string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: entryPoints(root),
    outdir: out,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // The names of files are in the bundle, as comments: wherever node_modules really is, it is called so.
    preserveSymlinks: true,
    external: [...NATIVE_PACKAGES],
    plugins: [nameExports(root, 'undici')],
    banner: { js: REQUIRE },
    // They are all in the file of copyrights.
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  });
  return packagesOf(Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs)));
}

/**
 * Of a CommonJS package that is imported when needed, Node gives the exports by their names, and esbuild `default` alone:
 * `const { Agent } = await import('undici')` would be undefined.
 */
function nameExports(root: string, name: string): Plugin {
  const names = Object.keys(createRequire(join(root, 'package.json'))(name) as object);
  return {
    name: `exports-of-${name}`,
    setup(bundler) {
      bundler.onResolve({ filter: new RegExp(`^${name}$`) }, ({ kind }) =>
        kind === 'dynamic-import' ? { path: name, namespace: 'named-exports' } : undefined,
      );
      bundler.onLoad({ filter: /^/, namespace: 'named-exports' }, () => ({
        contents: `export { ${names.join(', ')} } from '${name}';`,
        resolveDir: root,
      }));
    },
  };
}

/** The program, and each thread: `x-worker.ts`, which is started by its path and not imported. */
function entryPoints(root: string): Readonly<Record<string, string>> {
  const workers = globSync('src/**/*-worker.ts', { cwd: root }).toSorted();
  return Object.fromEntries(['src/main.ts', ...workers].map((file) => [basename(file, '.ts'), file]));
}

/** `node_modules/a/node_modules/@b/c/x.js` is of `a/node_modules/@b/c`: as npm's folders nest. */
export function packagesOf(files: readonly string[]): readonly string[] {
  const found = files.flatMap((file) => {
    const match = /^(?:.*?)node_modules\/((?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(file);
    return match?.[1] === undefined ? [] : [match[1]];
  });
  return [...new Set(found)].toSorted();
}

export const packageFolder = (root: string, name: string): string => join(root, 'node_modules', name);
