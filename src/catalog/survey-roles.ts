import { readdir, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { describeFileError } from '../document/describe-file-error.ts';
import type { Problem } from '../errors.ts';
import { PARTIALS_FOLDER, readTemplate } from './read-template.ts';
import { ROLE_NAME_PATTERN } from './schema.ts';

/** A role is some small files; these bounds hold whatever somebody puts there. */
const MAX_ROLES = 500;
const MAX_FILES = 100;
const MAX_DEPTH = 3;
/** Characters of one file, and of all. */
const MAX_FILE_TEXT = 128 * 1024;
const MAX_TEXT = 1024 * 1024;

/** A file of a role as it is on disk. `name`: relative to the role's folder. */
export interface RoleFile {
  readonly name: string;
  readonly text: string;
  readonly problem?: Problem;
}

/** The folders of roles on disk, broken ones too; those without a role.yaml are none. Sorted. Empty where `dir` cannot be read. */
export async function surveyRoles(dir: string): Promise<readonly string[]> {
  const names = await readdir(dir).catch((): string[] => []);
  const roles: string[] = [];
  for (const name of names.toSorted()) {
    if (roles.length === MAX_ROLES) break;
    if (name.startsWith('.') || name === PARTIALS_FOLDER || !isRoleName(name)) continue;
    const stats = await stat(join(dir, name, 'role.yaml')).catch(() => undefined);
    if (stats !== undefined) roles.push(name);
  }
  return roles;
}

/** Whether a folder of this name can be a role: what it is looked up by comes from a URL. */
export function isRoleName(name: string): boolean {
  return new RegExp(ROLE_NAME_PATTERN, 'u').test(name);
}

/**
 * The texts of a role: role.yaml first, then the other files of its folder, then the partials that it uses. A file that
 * is no text, too large or a link to elsewhere has a problem in the place of its text.
 */
export async function readRoleFiles(dir: string, name: string): Promise<readonly RoleFile[]> {
  const folder = join(dir, name);
  const own = await listFiles(folder, '', 0);
  const files: RoleFile[] = [];
  let left = MAX_TEXT;
  const add = async (path: string): Promise<void> => {
    if (files.length >= MAX_FILES || files.some((file) => file.name === path)) return;
    const file = await readRoleFile(folder, path);
    const text = file.text.slice(0, Math.min(MAX_FILE_TEXT, left));
    left -= text.length;
    files.push(text.length === file.text.length ? file : { ...file, text, problem: cut(folder, path, text) });
  };
  await add('role.yaml');
  for (const path of own) await add(path);
  const partials = await readdir(join(dir, PARTIALS_FOLDER)).catch((): string[] => []);
  // Grows while it is walked: a partial uses others.
  for (let index = 0; index < files.length; index++) {
    for (const partial of partialsOf(files[index]?.text ?? '')) {
      const file = partials.find((candidate) => candidate.split('.')[0] === partial);
      if (file !== undefined) await add(join('..', PARTIALS_FOLDER, file));
    }
  }
  return files;
}

/** The problems that are said of a role: of its folder, and of the partials among its files. */
export function problemsOfRole(
  dir: string,
  name: string,
  files: readonly Pick<RoleFile, 'name'>[],
  problems: readonly Problem[],
): readonly Problem[] {
  const folder = join(dir, name);
  const partials = new Set(files.map((file) => resolve(folder, file.name)));
  return problems.filter(({ file }) => {
    if (file === undefined) return false;
    // `render` says "(rendered)" behind the file of what it rendered.
    const path = file.replace(/ \(rendered\)$/, '');
    return path === folder || path.startsWith(`${folder}${sep}`) || partials.has(path);
  });
}

async function listFiles(folder: string, below: string, depth: number): Promise<readonly string[]> {
  const entries = await readdir(join(folder, below), { withFileTypes: true }).catch(() => []);
  const found: string[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || found.length > MAX_FILES) continue;
    const path = join(below, entry.name);
    if (entry.isDirectory() && depth < MAX_DEPTH) found.push(...(await listFiles(folder, path, depth + 1)));
    else if (!entry.isDirectory()) found.push(path);
  }
  return found;
}

async function readRoleFile(folder: string, name: string): Promise<RoleFile> {
  const file = join(folder, name);
  try {
    const read = await readTemplate(folder, name);
    if (!('message' in read)) return { name, text: read.text };
    return { name, text: '', problem: { severity: 'warning', message: read.message, file } };
  } catch (error) {
    return { name, text: '', problem: describeFileError(file, error) };
  }
}

function partialsOf(text: string): readonly string[] {
  return Array.from(text.matchAll(/\{\{~?#?>\s*([a-z0-9-]+)/g), (match) => match[1] ?? '');
}

function cut(folder: string, name: string, text: string): Problem {
  const message = `only the first ${text.length} characters are shown`;
  return { severity: 'warning', message, file: join(folder, name) };
}
