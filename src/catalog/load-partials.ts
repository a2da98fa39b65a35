import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Problem } from '../errors.ts';
import type { Partials, TemplateSource } from '../machine/role.ts';
import { PARTIALS_FOLDER, readTemplate } from './read-template.ts';

/** What `{{> name}}` may say. */
const PARTIAL_NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/;

export interface LoadedPartials {
  readonly partials: Partials;
  readonly problems: readonly Problem[];
}

/** Reads `profiles/partials/<name>[.<what it makes>].hbs`; a folder that is not there has none. */
export async function loadPartials(dir: string): Promise<LoadedPartials> {
  const folder = join(dir, PARTIALS_FOLDER);
  const partials = new Map<string, TemplateSource>();
  const problems: Problem[] = [];
  const names = await readdir(folder).catch((): string[] => []);
  for (const fileName of names.toSorted()) {
    if (fileName.startsWith('.') || !fileName.endsWith('.hbs')) continue;
    const file = join(folder, fileName);
    const [name = ''] = fileName.split('.');
    const error = (message: string, remedy?: string): void =>
      void problems.push({ severity: 'error', file, message, ...(remedy === undefined ? {} : { remedy }) });
    if (!PARTIAL_NAME.test(name)) {
      error(`"${name}" cannot be the name of a partial: lower-case letters, digits and inner hyphens`);
      continue;
    }
    const other = partials.get(name);
    if (other !== undefined) {
      error(`{{> ${name}}} could mean ${other.file} too`, 'Rename one of them.');
      continue;
    }
    const read = await readTemplate(folder, fileName);
    if ('message' in read) error(read.message, read.remedy);
    else partials.set(name, read);
  }
  return { partials, problems };
}
