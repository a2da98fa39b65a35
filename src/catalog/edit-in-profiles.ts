import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Problem, TinderboxError, toTinderboxError } from '../errors.ts';
import type { Catalog } from '../machine/role.ts';
import { brokenCatalog } from './catalog-holder.ts';
import { hasErrors, type LoadCatalogOptions, loadCatalog, MACHINES_FILE } from './load-catalog.ts';
import { lockProfiles } from './lock-profiles.ts';
import { writeFileAtomically } from './write-file-atomically.ts';

const NOT_WRITTEN = 'Nothing was written.';

/** Edits of people, who take no lock, between our reading and our writing. */
const MAX_ATTEMPTS = 5;

/** Somebody else may be able to, as a service in a sandbox may not (EROFS). */
const RIGHTS: readonly string[] = ['EACCES', 'EPERM', 'EROFS'];

export interface EditOptions extends Pick<LoadCatalogOptions, 'checkRole' | 'checkCatalog'> {
  readonly dir: string;
  /** machines.yaml, where it is another one than that in `dir`. */
  readonly file?: string;
  /** Throws to keep an edit from being written although it is sound. */
  readonly accept?: (catalog: Catalog) => void;
}

/**
 * Edits machines.yaml. The whole catalog is checked with the new text first: TinderboxError `invalid-catalog` if it
 * would be broken, with what the edit breaks, and nothing is written; `not-writable` where this process may not. Edits at the same time, by this process or another, are made one after the
 * other. Returns what `edit` said, and the catalog as it is with it.
 */
export async function editInProfiles<Edited extends { readonly text: string; readonly changed: boolean }>(
  options: EditOptions,
  edit: (text: string) => Edited,
): Promise<{ readonly edited: Edited; readonly catalog: Catalog }> {
  const { dir, file = join(options.dir, MACHINES_FILE) } = options;
  try {
    await using lock = await lockProfiles(dir);
    void lock;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const text = await readText(file);
      const edited = edit(text ?? '');
      const { catalog, problems } = await loadCatalog(dir, {
        ...options,
        generation: 0,
        machinesText: edited.text,
      });
      if (catalog === undefined) throw await refuseEdit(options, text ?? '', problems);
      options.accept?.(catalog);
      if (!edited.changed) return { edited, catalog };
      if ((await readText(file)) !== text) continue;
      await writeFileAtomically(file, edited.text);
      return { edited, catalog };
    }
  } catch (error) {
    throw explain(file, error);
  }
  throw new TinderboxError('busy', `${file} changed again and again while it was edited`, {
    remedy: 'Try again.',
  });
}

/**
 * What an edit would break is said without a place: its line stands in a text that was never written. Where the files
 * are broken as they are, that is said instead.
 */
async function refuseEdit(
  options: EditOptions,
  text: string,
  problems: readonly Problem[],
): Promise<TinderboxError> {
  const { dir } = options;
  const present = await loadCatalog(dir, { ...options, generation: 0, machinesText: text });
  if (present.catalog === undefined) return brokenCatalog(dir, present.problems);
  const lines = text.trimEnd().split('\n').length;
  const errors = problems
    .filter((problem) => hasErrors([problem]))
    .map(({ severity, message, remedy }) => ({
      severity,
      message: message.replace(/ \(line (\d+)\)/g, (whole, line) => (Number(line) > lines ? '' : whole)),
      ...(remedy === undefined ? {} : { remedy }),
    }));
  const [first, ...more] = errors;
  if (first === undefined || more.length > 0) {
    return new TinderboxError('invalid-catalog', `${MACHINES_FILE} would not be sound`, {
      problems: errors,
      remedy: NOT_WRITTEN,
    });
  }
  const { message, severity, remedy } = first;
  return new TinderboxError('invalid-catalog', message, {
    problems: [{ severity, message }],
    remedy: remedy === undefined ? NOT_WRITTEN : `${remedy} ${NOT_WRITTEN}`,
  });
}

/** Undefined if there is none yet. Refuses what is not UTF-8: writing it back would spoil it. */
async function readText(file: string): Promise<string | undefined> {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code !== 'ERR_ENCODING_INVALID_ENCODED_DATA') throw error;
    throw new TinderboxError('invalid-catalog', `${file} is not UTF-8 text`, {
      remedy: 'Save the file as UTF-8 text.',
    });
  }
}

function explain(file: string, thrown: unknown): TinderboxError {
  if (thrown instanceof TinderboxError) return thrown;
  const error = toTinderboxError(thrown);
  const isRight = RIGHTS.includes((thrown as NodeJS.ErrnoException).code ?? '');
  return new TinderboxError(
    isRight ? 'not-writable' : error.code,
    `${file} cannot be written: ${error.message}`,
    {
      cause: thrown,
      remedy: 'Give the user that Tinderbox runs as the right to write the folder.',
    },
  );
}
