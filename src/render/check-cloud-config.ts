import { checkUnits } from './check-units.ts';
import {
  CLOUD_CONFIG,
  type CloudConfig,
  type ConfigProblem,
  type FieldShape,
} from './cloud-config-schema.ts';

/**
 * All that is wrong with a cloud-config that was parsed from YAML: unknown keys, values of another type, and what
 * coreos-cloudinit or systemd would refuse or ignore when the machine is already up.
 */
export function checkCloudConfig(document: unknown): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  checkShape(problems, document, CLOUD_CONFIG, []);
  // What follows reads the document as what it should be: not before it is that.
  if (problems.length > 0) return problems;
  const config = document as CloudConfig;
  return [...checkFiles(config), ...checkUsers(config), ...checkUnits(config.coreos?.units ?? [])];
}

function checkShape(
  problems: ConfigProblem[],
  given: unknown,
  shape: FieldShape,
  path: ConfigProblem['path'],
): void {
  switch (shape.kind) {
    case 'text':
      if (typeof given !== 'string') {
        problems.push({
          path,
          message: `${nameOf(path)} must be text${isScalar(given) ? ': put it in quotes' : ''}`,
        });
      } else if (shape.pattern !== undefined && !shape.pattern.test(given)) {
        problems.push({ path, message: `${nameOf(path)} must be ${shape.allowed}, not \`${given}\`` });
      }
      return;
    case 'truth':
      if (typeof given !== 'boolean')
        problems.push({ path, message: `${nameOf(path)} must be true or false` });
      return;
    case 'number':
      if (!Number.isInteger(given))
        problems.push({ path, message: `${nameOf(path)} must be a whole number` });
      return;
    case 'list':
      if (!Array.isArray(given)) problems.push({ path, message: `${nameOf(path)} must be a list` });
      else
        for (const [index, item] of given.entries()) checkShape(problems, item, shape.of, [...path, index]);
      return;
    case 'map':
      checkMap(problems, given, shape, path);
  }
}

function checkMap(
  problems: ConfigProblem[],
  given: unknown,
  shape: Extract<FieldShape, { kind: 'map' }>,
  path: ConfigProblem['path'],
): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    problems.push({ path, message: `${nameOf(path)} must be a map` });
    return;
  }
  for (const [key, value] of Object.entries(given)) {
    const here = [...path, key];
    const known = Object.hasOwn(shape.keys, key) ? shape.keys[key] : undefined;
    if (known === undefined) problems.push({ path: here, message: unknownKey(key, shape.keys, path) });
    else checkShape(problems, value, known, here);
  }
  for (const key of shape.needs) {
    const value = (given as { readonly [key: string]: unknown })[key];
    if (value === undefined || value === '')
      problems.push({ path, message: `${nameOf(path)} has no \`${key}\`` });
  }
}

function unknownKey(
  key: string,
  keys: { readonly [key: string]: FieldShape },
  path: ConfigProblem['path'],
): string {
  const underscored = key.replaceAll('-', '_');
  if (underscored !== key && Object.hasOwn(keys, underscored)) {
    return `spell \`${key}\` as \`${underscored}\`: with hyphens the current coreos-cloudinit drops it without a word`;
  }
  if (path[0] === 'coreos' && path.length === 1 && key === 'write_files')
    return '`write_files` stands beside `coreos`, not in it';
  if (path.length === 0 && (key === 'runcmd' || key === 'packages' || key === 'bootcmd')) {
    return `\`${key}\` is a key of cloud-init; coreos-cloudinit has none, write a unit under coreos.units`;
  }
  return `${nameOf(path)} has no key \`${key}\`; known: ${Object.keys(keys).join(', ')}`;
}

function nameOf(path: ConfigProblem['path']): string {
  if (path.length === 0) return 'the cloud-config';
  return `\`${path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('')}\``;
}

function isScalar(given: unknown): boolean {
  return typeof given !== 'object' || given === null || given instanceof Date;
}

/** On Container Linux and Flatcar `/usr` is read-only, and these four lead into it. */
const READ_ONLY = /^\/(usr|bin|sbin|lib|lib64)(\/|$)/;

function checkFiles({ write_files: files = [] }: CloudConfig): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const seen = new Map<string, number>();
  for (const [index, file] of files.entries()) {
    const complain = (key: string, message: string) =>
      problems.push({ path: ['write_files', index, key], message });
    const parts = file.path.split('/');
    if (
      !file.path.startsWith('/') ||
      file.path.endsWith('/') ||
      parts.includes('..') ||
      parts.includes('.')
    ) {
      complain('path', `\`${file.path}\` is no absolute path of a file`);
    }
    const path = file.path.replace(/\/+/g, '/');
    if (READ_ONLY.test(path))
      complain('path', `\`${path}\` is on a read-only file system; programs go to /opt/bin`);
    const earlier = seen.get(path);
    if (earlier !== undefined)
      complain('path', `\`${path}\` is written twice: write_files[${earlier}] is lost`);
    seen.set(path, index);
    if (/^(b64|base64)$|\+/.test(file.encoding ?? '') && !isBase64(file.content ?? '')) {
      complain('content', `the content of \`${path}\` is not base64`);
    }
  }
  return problems;
}

function isBase64(content: string): boolean {
  const text = content.replace(/\s/g, '');
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

function checkUsers({ users = [] }: CloudConfig): readonly ConfigProblem[] {
  const names = users.map(({ name }) => name);
  return names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [{ path: ['users', index, 'name'], message: `user \`${name}\` stands here twice` }],
  );
}
