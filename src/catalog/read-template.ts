import { realpath } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { decodeText } from '../document/decode-text.ts';
import { describeFileError } from '../document/describe-file-error.ts';
import type { TemplateSource } from '../machine/role.ts';
import { readProfileFile } from './read-profile-file.ts';

/** What several roles share; no role. */
export const PARTIALS_FOLDER = 'partials';

/** Why a template cannot be used. */
export interface TemplateFault {
  readonly message: string;
  readonly remedy?: string;
}

/**
 * A template lies in the role's own folder or in `partials`, links followed: a role that somebody hands on must not
 * be able to serve /etc/shadow to the provisioning network. `folder`: that of the role, or `partials` itself.
 */
export async function readTemplate(folder: string, name: string): Promise<TemplateSource | TemplateFault> {
  const file = resolve(folder, name);
  const allowed = [folder, join(folder, '..', PARTIALS_FOLDER)];
  const outside = {
    message: `the template "${name}" is outside of the role's folder and of ${PARTIALS_FOLDER}`,
    remedy: `Move it into ${folder}.`,
  };
  if (!allowed.some((each) => isInside(resolve(each), file))) return outside;
  try {
    const real = await realpath(file);
    const realAllowed = await Promise.all(allowed.map((each) => realpath(each).catch(() => undefined)));
    if (!realAllowed.some((each) => each !== undefined && isInside(each, real))) return outside;
  } catch (error) {
    const { message } = describeFileError(file, error);
    return { message: `the template "${name}": ${message}`, remedy: `Looked for ${file}.` };
  }
  const content = await readProfileFile(file);
  if ('problem' in content) return { message: `the template "${name}": ${content.problem.message}` };
  const decoded = decodeText(content.bytes, file);
  if ('problem' in decoded) {
    const { line, message } = decoded.problem;
    return { message: `the template "${name}": ${line === undefined ? '' : `line ${line}: `}${message}` };
  }
  if (decoded.text.trim() === '') return { message: `the template "${name}" is empty` };
  return { file, text: decoded.text, line: 1 };
}

function isInside(folder: string, file: string): boolean {
  const path = relative(folder, file);
  return path !== '' && path !== '..' && !path.startsWith(`..${sep}`);
}
