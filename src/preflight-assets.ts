import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from './config/port.ts';
import type { Problem } from './errors.ts';
import { findAsset } from './http/asset-file.ts';
import { parseAssetPath } from './http/asset-path.ts';
import { IMAGE_VENDORS } from './images/vendors/index.ts';
import { checkRoleImages } from './preflight-images.ts';
import type { TriedRole } from './preflight-roles.ts';

/**
 * Looks for what roles would have their machines fetch from /assets, by the rules of the HTTP server that serves it. A
 * role that some machine can get must be whole. What only roles want that nobody uses is one warning for all: a fresh
 * installation has a dozen roles, and the images of one or two.
 */
export async function checkRoleAssets(
  config: Config,
  roles: readonly TriedRole[],
): Promise<readonly Problem[]> {
  const errors = new Map<string, Problem>();
  const warnings = new Map<string, { readonly problem: Problem; readonly roles: Set<string> }>();
  const needed = new Set<string>();
  const refusals = new Map<string, Awaited<ReturnType<typeof refusedAsset>>>();
  const mismatches = new Map<string, Problem>();
  for (const tried of roles) {
    const { file, name } = tried.role;
    for (const one of await checkRoleImages(config.paths.assets, tried)) {
      const severity = tried.used ? 'error' : 'warning';
      if (mismatches.get(one.message)?.severity !== 'error')
        mismatches.set(one.message, { severity, ...one });
    }
    for (const { path, line } of namedFiles(tried)) {
      if (!refusals.has(path)) refusals.set(path, await refusedAsset(config, path));
      const refused = refusals.get(path);
      if (refused === undefined) continue;
      if (tried.used) {
        needed.add(path);
        errors.set(`${file}:${line}:${path}`, { severity: 'error', file, line, ...refused });
      } else {
        const problem: Problem = { severity: 'warning', file, line, ...refused };
        const known = warnings.get(path) ?? { problem, roles: new Set() };
        warnings.set(path, { ...known, roles: known.roles.add(name) });
      }
    }
  }
  const unused = [...warnings].filter(([path]) => !needed.has(path));
  return [...errors.values(), ...mismatches.values(), ...sayUnused(unused)];
}

type Unused = readonly [path: string, { readonly problem: Problem; readonly roles: ReadonlySet<string> }];

function sayUnused(unused: readonly Unused[]): readonly Problem[] {
  const [first, ...others] = unused;
  if (first === undefined) return [];
  const [path, { problem, roles }] = first;
  if (others.length === 0) {
    const wanted = `(wanted by ${[...roles].join(', ')}, used by no machine)`;
    return [{ ...problem, message: `${problem.message} ${wanted}` }];
  }
  const names = [...new Set(unused.flatMap(([, one]) => [...one.roles]))].toSorted();
  const message = `${unused.length} assets cannot be served, ${path} the first, of roles that no machine uses: ${names.join(', ')}`;
  const remedy = 'Fetch them before you use one (tinderbox assets pull); then each file is named here.';
  return [{ severity: 'warning', message, remedy }];
}

/** What a machine would fetch, with the line of role.yaml that names it. */
function namedFiles({ role: { boot }, files }: TriedRole) {
  if (boot.kind !== 'kernel' || files === undefined) return [];
  const { kernel, initrd } = files;
  // An initrd that renders to nothing is left out: then the list's own line has to do.
  const lineOf = (index: number): number =>
    (initrd.length === boot.initrd.length ? boot.initrd[index] : boot.initrd[0])?.line ?? boot.kernel.line;
  return [
    { path: kernel, line: boot.kernel.line },
    ...initrd.map((path, index) => ({ path, line: lineOf(index) })),
  ];
}

/** The command that fetches it, where it is of a vendor's image by its place; with its version where it has one. */
function pullOf(segments: readonly string[]): string {
  const [image = '', version, ...rest] = segments;
  const vendor = IMAGE_VENDORS.find(({ name }) => image === name || image === `${name}-arm64`);
  if (vendor === undefined || version === undefined || rest.length > 1) return '';
  const flags = [
    image === vendor.name ? '' : ' --arch arm64',
    rest.length === 0 ? '' : ` --version ${version}`,
  ];
  return `tinderbox assets pull ${vendor.name}${flags.join('')}, or by hand: `;
}

/** What is fetched when it is asked for may be missing: that it can be is doctor's to say. */
async function refusedAsset(
  { paths: { assets }, assets: { pullThrough } }: Pick<Config, 'paths' | 'assets'>,
  path: string,
): Promise<{ message: string; remedy: string } | undefined> {
  // Another server's URL is that server's business.
  if (!path.startsWith('/')) return undefined;
  const parsed = parseAssetPath(path);
  if (parsed.kind === 'bad') {
    const remedy = 'Name a file below /assets/, without dots in front and without `..`.';
    return { message: `the asset ${path}: ${parsed.reason}`, remedy };
  }
  const file = join(assets, ...parsed.segments);
  const found = await findAsset(assets, parsed.segments);
  if (found.kind === 'missing' && pullThrough !== undefined) return undefined;
  if (found.kind !== 'file') {
    const remedy =
      found.kind === 'missing'
        ? `${pullOf(parsed.segments)}Put it at ${file}, where the user that Tinderbox runs as may read it.`
        : `Put the file itself at ${file}, or what it is linked to into ${assets}.`;
    return { message: `the asset ${path}: ${found.reason}`, remedy };
  }
  if (found.file.size === 0) {
    return { message: `the asset ${path} is empty`, remedy: `Put it at ${file}.` };
  }
  const readable = await access(found.file.realPath, constants.R_OK).then(
    () => true,
    () => false,
  );
  if (readable) return undefined;
  const remedy = `Give the user that Tinderbox runs as the right to read it: chmod a+r ${file}`;
  return { message: `the asset ${path} may not be read`, remedy };
}
