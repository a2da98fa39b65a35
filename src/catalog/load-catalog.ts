import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describeFileError } from '../document/describe-file-error.ts';
import { readDocument } from '../document/read-document.ts';
import type { Problem } from '../errors.ts';
import type { Catalog, Role } from '../machine/role.ts';
import { buildMachines } from './build-machines.ts';
import { checkLoaders } from './check-loaders.ts';
import { checkMenus } from './check-menus.ts';
import { checkOverrides } from './check-overrides.ts';
import { loadPartials } from './load-partials.ts';
import { loadRole } from './load-role.ts';
import { readProfileFile } from './read-profile-file.ts';
import { PARTIALS_FOLDER } from './read-template.ts';
import { MachinesSchema, ROLE_NAME_PATTERN } from './schema.ts';

export const MACHINES_FILE = 'machines.yaml';

export interface LoadCatalogOptions {
  readonly generation: number;
  /** What is wrong with a role's templates; they are the render layer's. */
  readonly checkRole: (role: Role) => readonly Problem[];
  /** What only the daemon can tell of a catalog that is sound in itself: a reservation outside of every network, a role that does not render. */
  readonly checkCatalog?: (catalog: Catalog) => readonly Problem[];
  /** Instead of what machines.yaml holds: to try an edit out. */
  readonly machinesText?: string;
}

export interface LoadedCatalog {
  /** Absent if any problem is an error. */
  readonly catalog?: Catalog;
  /** Errors and warnings. */
  readonly problems: readonly Problem[];
}

/** Reads and checks the whole of `profiles/`. Finds as much as it can in one go; never throws for what is in there. */
export async function loadCatalog(dir: string, options: LoadCatalogOptions): Promise<LoadedCatalog> {
  const file = join(dir, MACHINES_FILE);
  const found = await loadRoles(dir, options.checkRole);
  if (found.unreadable !== undefined) return { problems: [found.unreadable] };
  const problems = [...found.problems, ...checkMenus(found.roles, found.names)];

  const source = await machinesSource(file, options.machinesText);
  if ('severity' in source) return { problems: [...problems, source] };
  const reading = readDocument(MachinesSchema, source);
  problems.push(...reading.problems);
  if (reading.value === undefined) return { problems };
  const { part, problems: machineProblems } = buildMachines(file, reading, found.names);
  problems.push(...machineProblems, ...checkOverrides(file, reading, part, found.roles));

  problems.push(...checkLoaders({ ...part, roles: found.roles, file }));

  const catalog: Catalog = { roles: found.roles, ...part, file, generation: options.generation };
  if (!hasErrors(problems)) problems.push(...(options.checkCatalog?.(catalog) ?? []));
  return hasErrors(problems) ? { problems } : { catalog, problems };
}

export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === 'error');
}

async function machinesSource(
  file: string,
  text: string | undefined,
): Promise<{ file: string; text: string } | { file: string; bytes: Uint8Array } | Problem> {
  if (text !== undefined) return { file, text };
  const content = await readProfileFile(file);
  if ('bytes' in content) return { file, bytes: content.bytes };
  // Gone is not empty: an editor or a deployment that fails half-way must not make every machine unknown.
  return content.missing ? { ...content.problem, remedy: 'Create it; it may be empty.' } : content.problem;
}

interface FoundRoles {
  readonly roles: ReadonlyMap<string, Role>;
  /** Broken ones too. */
  readonly names: readonly string[];
  readonly problems: readonly Problem[];
  readonly unreadable?: Problem;
}

async function loadRoles(dir: string, checkRole: LoadCatalogOptions['checkRole']): Promise<FoundRoles> {
  const roles = new Map<string, Role>();
  const names: string[] = [];
  const { partials, problems: partialProblems } = await loadPartials(dir);
  const problems = [...partialProblems];
  let entries: string[];
  try {
    entries = await listFolders(dir);
  } catch (error) {
    const problem = describeFileError(dir, error);
    const message = problem.message === 'there is no such file' ? 'there is no such folder' : problem.message;
    const unreadable = {
      ...problem,
      message,
      remedy: 'It holds the roles and machines.yaml (paths.profiles).',
    };
    return { roles, names, problems, unreadable };
  }
  for (const name of entries) {
    const folder = join(dir, name);
    const content = await readProfileFile(join(folder, 'role.yaml'));
    if ('problem' in content) {
      problems.push(content.missing ? noRole(folder) : content.problem);
      continue;
    }
    if (!new RegExp(ROLE_NAME_PATTERN, 'u').test(name)) {
      const message = `"${name}" cannot be the name of a role: lower-case letters, digits and hyphens, and not "none"`;
      problems.push({ severity: 'error', message, file: folder, remedy: 'Rename the folder.' });
      continue;
    }
    names.push(name);
    const loaded = await loadRole(folder, content.bytes, partials);
    problems.push(...loaded.problems);
    if (loaded.role === undefined) continue;
    for (const problem of checkRole(loaded.role)) {
      // A partial is checked with each role that calls it.
      const said = problems.some(
        ({ file, line, column, message }) =>
          file === problem.file &&
          line === problem.line &&
          column === problem.column &&
          message === problem.message,
      );
      if (!said) problems.push(problem);
    }
    roles.set(name, loaded.role);
  }
  return { roles, names, problems };
}

async function listFolders(dir: string): Promise<string[]> {
  const names: string[] = [];
  for (const name of (await readdir(dir)).toSorted()) {
    if (name.startsWith('.') || name === PARTIALS_FOLDER) continue;
    const stats = await stat(join(dir, name)).catch(() => undefined);
    if (stats?.isDirectory() === true) names.push(name);
  }
  return names;
}

function noRole(folder: string): Problem {
  return { severity: 'warning', message: 'the folder has no role.yaml: it is no role', file: folder };
}
