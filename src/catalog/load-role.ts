import { realpath } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { decodeText } from '../document/decode-text.ts';
import { describeFileError } from '../document/describe-file-error.ts';
import { readDocument } from '../document/read-document.ts';
import type { Problem } from '../errors.ts';
import type { Parameters, Role, TemplateSource } from '../machine/role.ts';
import { readProfileFile } from './read-profile-file.ts';
import { type RawRole, RoleSchema } from './schema.ts';

/** What several roles share; no role. */
export const PARTIALS_FOLDER = 'partials';

export interface LoadedRole {
  /** Absent if any problem is an error. */
  readonly role?: Role;
  readonly problems: readonly Problem[];
}

/** Reads `<folder>/role.yaml` and its template. `bytes`: the content of role.yaml. */
export async function loadRole(folder: string, bytes: Uint8Array): Promise<LoadedRole> {
  const file = join(folder, 'role.yaml');
  const reading = readDocument(RoleSchema, { file, bytes });
  const raw = reading.value;
  if (raw === undefined) return { problems: reading.problems };

  const text = (path: readonly (string | number)[], value: string): TemplateSource => ({
    file,
    text: value,
    line: reading.locateText(path),
  });
  const template = raw.config === undefined ? undefined : await readTemplate(folder, raw.config.template);
  if (template !== undefined && 'message' in template) {
    const place = reading.locate(['config', 'template']);
    const remedy = template.remedy === undefined ? {} : { remedy: template.remedy };
    const problem: Problem = { severity: 'error', message: template.message, file, ...place, ...remedy };
    return { problems: [...reading.problems, problem] };
  }
  return { role: buildRole(folder, raw, text, template), problems: reading.problems };
}

function buildRole(
  folder: string,
  raw: RawRole,
  text: (path: readonly (string | number)[], value: string) => TemplateSource,
  template: TemplateSource | undefined,
): Role {
  const { boot, config } = raw;
  return {
    name: basename(folder),
    description: raw.description ?? '',
    file: join(folder, 'role.yaml'),
    boot: {
      kernel: text(['boot', 'kernel'], boot.kernel),
      initrd: (boot.initrd ?? []).map((value, index) => text(['boot', 'initrd', index], value)),
      cmdline: (boot.cmdline ?? []).map((value, index) => text(['boot', 'cmdline', index], value)),
    },
    ...(config === undefined || template === undefined
      ? {}
      : { config: { format: config.format, template } }),
    identity: raw.identity ?? 'none',
    parameters: (raw.parameters ?? {}) as Parameters,
  };
}

/**
 * A template lies in the role's own folder or in `partials`, links followed: a role that somebody hands on must not
 * be able to serve /etc/shadow to the provisioning network.
 */
async function readTemplate(
  folder: string,
  name: string,
): Promise<TemplateSource | { readonly message: string; readonly remedy?: string }> {
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
