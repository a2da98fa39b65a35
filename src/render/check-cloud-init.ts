import type { ConfigProblem } from './cloud-config-schema.ts';
import { CLOUD_INIT_KEYS, type CloudInitKind, WRITE_FILE_KEYS } from './cloud-init-keys.ts';
import { suggestName } from './suggest-name.ts';

type Path = ConfigProblem['path'];
type YamlMap = { readonly [key: string]: unknown };

/**
 * What is wrong with a `#cloud-config` that was parsed from YAML, as far as cloud-init would drop it or stop at it: unknown keys,
 * values of another type, commands that YAML takes for maps, files without a path.
 */
export function checkCloudInit(document: unknown): readonly ConfigProblem[] {
  const config = document as YamlMap;
  return [
    ...checkKeys(config, CLOUD_INIT_KEYS, []),
    ...['runcmd', 'bootcmd'].flatMap((key) => checkCommands(config[key], key)),
    ...entriesOf(config['write_files']).flatMap((file, index) => checkFile(file, ['write_files', index])),
    ...checkAutoinstall(config['autoinstall']),
  ];
}

function checkKeys(given: YamlMap, keys: ReadonlyMap<string, CloudInitKind>, path: Path): ConfigProblem[] {
  return Object.entries(given).flatMap(([key, value]) => {
    const kind = keys.get(key);
    const here = [...path, key];
    if (kind === undefined) return [{ path: here, message: unknownKey(key, keys, path) }];
    return isOf(kind, value) ? [] : [{ path: here, message: wrongKind(key, kind, value) }];
  });
}

function unknownKey(key: string, keys: ReadonlyMap<string, unknown>, path: Path): string {
  if (path.length === 0 && key === 'coreos')
    return '`coreos` is a key of coreos-cloudinit; for cloud-init write files with write_files and start units with runcmd';
  const where = path.length === 0 ? 'cloud-init knows' : 'a file of write_files has';
  const nearest = suggestName(key, [...keys.keys()]);
  return `${where} no key \`${key}\`${nearest === undefined ? '' : `; ${nearest}`}`;
}

function isOf(kind: CloudInitKind, value: unknown): boolean {
  switch (kind) {
    case 'any':
      return true;
    case 'list':
      return Array.isArray(value);
    case 'map':
      return isMap(value);
    case 'text':
      return typeof value === 'string' || value instanceof Uint8Array;
    case 'truth':
      return typeof value === 'boolean';
  }
}

function wrongKind(key: string, kind: Exclude<CloudInitKind, 'any'> | CloudInitKind, value: unknown): string {
  switch (kind) {
    case 'text':
      return `\`${key}\` must be text${isScalar(value) ? ': put it in quotes' : ''}`;
    case 'truth':
      return `\`${key}\` must be true or false`;
    default:
      return `\`${key}\` must be a ${kind}`;
  }
}

/** `- echo a: b` is a map to YAML, and cloud-init stops at it when the machine is up. */
function checkCommands(given: unknown, key: string): ConfigProblem[] {
  return entriesOf(given).flatMap((command, index) => {
    const path = [key, index];
    if (isMap(command)) {
      const message = `a command of \`${key}\` is a map to YAML: one with \`: \` in it must be in quotes`;
      return [{ path, message }];
    }
    const parts = Array.isArray(command) ? command : [command ?? ''];
    return parts.every((part) => typeof part === 'string')
      ? []
      : [{ path, message: `a command of \`${key}\` is a text, or a list of texts: put each in quotes` }];
  });
}

function checkFile(file: unknown, path: Path): ConfigProblem[] {
  if (!isMap(file)) return [{ path, message: 'a file of `write_files` must be a map' }];
  const missing =
    file['path'] === undefined ? [{ path, message: 'a file of `write_files` has no `path`' }] : [];
  return [...missing, ...checkKeys(file, WRITE_FILE_KEYS, path)];
}

/** Ubuntu's installer reads it, and asks a person where it makes no sense of it. */
function checkAutoinstall(given: unknown): ConfigProblem[] {
  if (!isMap(given) || typeof given['version'] === 'number') return [];
  return [{ path: ['autoinstall'], message: '`autoinstall` has no `version: 1`' }];
}

function entriesOf(given: unknown): readonly unknown[] {
  return Array.isArray(given) ? given : [];
}

export function isMap(given: unknown): given is YamlMap {
  return typeof given === 'object' && given !== null && !Array.isArray(given) && !isScalar(given);
}

function isScalar(given: unknown): boolean {
  return typeof given !== 'object' || given === null || given instanceof Date || given instanceof Uint8Array;
}
