import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { type AddedMachines, addToMachines } from './catalog/add-to-machines.ts';
import { editInProfiles } from './catalog/edit-in-profiles.ts';
import { loadCatalog, MACHINES_FILE } from './catalog/load-catalog.ts';
import { describeFileError } from './document/describe-file-error.ts';
import { type Problem, TinderboxError } from './errors.ts';
import { checkRoleTemplates } from './render/check-templates.ts';
import { convertMatchbox } from './render/convert-matchbox.ts';
import { type MatchboxSource, type Note, readMatchbox, type TextFile } from './render/matchbox-files.ts';

/** What is larger, or more, is no folder of matchbox's. */
const MAX_FILES = 5_000;
const MAX_BYTES = 1024 * 1024;
/** Of one of its folders. */
const MAX_ALL_BYTES = 64 * 1024 * 1024;

export interface ImportOptions {
  /** matchbox's data: groups, profiles, ignition, cloud, generic. */
  readonly from: string;
  /** profiles/. Made where it is missing. */
  readonly to: string;
  readonly dryRun: boolean;
}

export interface ImportResult {
  readonly to: string;
  readonly written: boolean;
  /** Names of the roles that are new. */
  readonly roles: readonly string[];
  readonly added: AddedMachines['added'];
  /** What is there already and stays. */
  readonly kept: readonly string[];
  /** What is to be done by hand. */
  readonly notes: readonly Note[];
  /** What is wrong with profiles/ as they are with the import. An error: nothing was written. */
  readonly problems: readonly Problem[];
}

/**
 * Turns matchbox's groups, profiles and templates into roles, rules and entries. Nothing that is there is changed. It is
 * tried out in a copy first: if that has errors, nothing is written. Throws TinderboxError `not-found` where `from` is
 * no folder of matchbox's, `not-writable`, `invalid-catalog`.
 */
export async function importMatchbox({ from, to, dryRun }: ImportOptions): Promise<ImportResult> {
  const plan = convertMatchbox(await readFolder(from));
  const there = new Set(await namesIn(to));
  const kept = plan.roles
    .filter(({ name }) => there.has(name))
    .map(({ name }) => `there is a role ${name} already, which stays`);
  const roles = plan.roles.filter(({ name }) => !there.has(name));
  const trial = await mkdtemp(join(tmpdir(), 'tinderbox-import-'));
  try {
    if (there.size > 0) await cp(to, trial, { recursive: true });
    for (const role of roles) await writeRole(trial, role);
    const file = join(trial, MACHINES_FILE);
    const before = there.has(MACHINES_FILE) ? await readFile(file, 'utf8') : '';
    const edited = addToMachines(before, plan);
    await writeFile(file, edited.text);
    const { catalog, problems } = await loadCatalog(trial, { generation: 0, checkRole: checkRoleTemplates });
    const result = {
      to,
      roles: roles.map(({ name }) => name),
      added: edited.added,
      kept: [...kept, ...edited.kept],
      notes: plan.notes,
      problems: problems.map((problem) => ({
        ...problem,
        ...(problem.file === undefined ? {} : { file: problem.file.replace(trial, to) }),
      })),
    };
    if (catalog === undefined || dryRun) return { ...result, written: false };
    await write(to, roles, plan, there.has(MACHINES_FILE));
    return { ...result, written: true };
  } finally {
    await rm(trial, { recursive: true, force: true });
  }
}

type NewRole = ReturnType<typeof convertMatchbox>['roles'][number];

async function write(
  to: string,
  roles: readonly NewRole[],
  plan: ReturnType<typeof convertMatchbox>,
  hasMachines: boolean,
): Promise<void> {
  try {
    await mkdir(to, { recursive: true });
    for (const role of roles) await writeRole(to, role);
    if (!hasMachines)
      return await writeFile(join(to, MACHINES_FILE), addToMachines('', plan).text, { flag: 'wx' });
  } catch (error) {
    const { message } = describeFileError(to, error);
    throw new TinderboxError('not-writable', `${to}: ${message}`, {
      cause: error,
      remedy: 'Run it as the user that may write there.',
    });
  }
  await editInProfiles({ dir: to, checkRole: checkRoleTemplates }, (text) => addToMachines(text, plan));
}

async function writeRole(folder: string, { name, files }: NewRole): Promise<void> {
  await mkdir(join(folder, name));
  for (const [file, text] of Object.entries(files))
    await writeFile(join(folder, name, file), text, { flag: 'wx' });
}

const isJson = ({ file }: TextFile): boolean => file.endsWith('.json');

async function readFolder(from: string): Promise<MatchboxSource> {
  const [groups, profiles, ignition, cloud, generic] = await Promise.all(
    ['groups', 'profiles', 'ignition', 'cloud', 'generic'].map((name) => readFiles(from, name)),
  );
  if (groups === undefined || profiles === undefined) {
    throw new TinderboxError(
      'not-found',
      `${from} is no data folder of matchbox: it needs groups/ and profiles/`,
      {
        remedy: 'Give the folder of its -data-path, as a rule /var/lib/matchbox.',
      },
    );
  }
  const byName = (files: readonly TextFile[] = [], folder: string) =>
    new Map(files.map((file) => [file.file.slice(join(from, folder).length + 1), file]));
  return readMatchbox(
    { groups: groups.filter(isJson), profiles: profiles.filter(isJson) },
    {
      ignition: byName(ignition, 'ignition'),
      cloud: byName(cloud, 'cloud'),
      generic: byName(generic, 'generic'),
    },
  );
}

/** The files of a folder, those below too, in the order of their names; undefined: there is no such folder. */
async function readFiles(from: string, name: string): Promise<readonly TextFile[] | undefined> {
  const folder = join(from, name);
  const found = await realpath(folder).catch(() => undefined);
  if (found === undefined) return undefined;
  // What is read here is served to machines: a folder from elsewhere must not say which of this host's files that is.
  if (!found.startsWith(`${await realpath(from)}${sep}`)) {
    throw new TinderboxError('refused', `${folder} leads out of ${from}`, {
      remedy: 'Put the files themselves there: cp -rL.',
    });
  }
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return undefined;
  const names = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const strange = names.find((file) => /[\p{C}\u2028\u2029]/u.test(file));
  if (strange !== undefined || names.length > MAX_FILES) {
    throw new TinderboxError(
      'refused',
      strange === undefined
        ? `${folder} has ${names.length} files, more than ${MAX_FILES}`
        : `the name of ${JSON.stringify(strange)} holds what cannot be shown`,
      { remedy: 'Move away what is none of matchbox, or rename it.' },
    );
  }
  const files: TextFile[] = [];
  let left = MAX_ALL_BYTES;
  for (const file of names.toSorted()) {
    const { size } = await stat(file);
    left -= size;
    if (size > MAX_BYTES || left < 0) {
      const what = size > MAX_BYTES ? `${file} is larger than 1 MiB` : `${folder} is larger than 64 MiB`;
      throw new TinderboxError('refused', what, { remedy: 'Move away what is no template.' });
    }
    files.push({ file, text: await readFile(file, 'utf8') });
  }
  return files;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    const { message } = describeFileError(folder, error);
    throw new TinderboxError('not-found', `${folder}: ${message}`, { cause: error });
  }
}
