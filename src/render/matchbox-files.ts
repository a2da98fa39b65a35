import { parseDocument } from 'yaml';
import type { ParameterValue } from '../machine/role.ts';

/** What is for the operator to do. */
export interface Note {
  readonly file: string;
  readonly line?: number;
  readonly message: string;
  readonly todo: string;
}

export interface MatchboxProfile {
  readonly file: string;
  readonly id: string;
  /** Its name as a role. */
  readonly role: string;
  readonly description: string;
  readonly kernel: string;
  readonly initrd: readonly string[];
  readonly args: readonly string[];
  readonly ignition: string;
  readonly cloud: string;
  readonly generic: string;
  readonly lineOf: (path: readonly (string | number)[]) => number;
}

export interface MatchboxGroup {
  readonly file: string;
  readonly profile: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, ParameterValue>>;
  readonly lineOf: (path: readonly (string | number)[]) => number;
}

export interface TextFile {
  readonly file: string;
  readonly text: string;
}

export type TemplateFolder = 'ignition' | 'cloud' | 'generic';

export interface MatchboxSource {
  readonly profiles: readonly MatchboxProfile[];
  readonly groups: readonly MatchboxGroup[];
  readonly templates: Readonly<Record<TemplateFolder, ReadonlyMap<string, TextFile>>>;
  readonly notes: readonly Note[];
}

type Json = Readonly<Record<string, unknown>>;

/** A folder of matchbox's, read: `groups` and `profiles` are JSON files. What cannot be read is a note. Pure. */
export function readMatchbox(
  files: { readonly groups: readonly TextFile[]; readonly profiles: readonly TextFile[] },
  templates: MatchboxSource['templates'],
): MatchboxSource {
  const notes: Note[] = [];
  const read = (source: TextFile) => readJson(source, notes);
  const profiles = files.profiles.flatMap((source): MatchboxProfile[] => {
    const found = read(source);
    if (found === undefined) return [];
    const { value, lineOf } = found;
    const id = textOf(value['id']) || baseName(source.file);
    const boot = mapOf(value['boot']);
    if ('cmdline' in boot) {
      notes.push({
        file: source.file,
        line: lineOf(['boot', 'cmdline']),
        message: 'boot.cmdline is of an old matchbox',
        todo: 'Write its arguments into the role by hand.',
      });
    }
    return [
      {
        file: source.file,
        id,
        role: roleName(id),
        description: textOf(value['name']),
        kernel: textOf(boot['kernel']),
        initrd: textsOf(boot['initrd']),
        args: textsOf(boot['args']),
        ignition: textOf(value['ignition_id']),
        cloud: textOf(value['cloud_id']),
        generic: textOf(value['generic_id']),
        lineOf,
      },
    ];
  });
  const groups = files.groups.flatMap((source): MatchboxGroup[] => {
    const found = read(source);
    if (found === undefined) return [];
    const { value, lineOf } = found;
    // Old ones call them so.
    const selector = mapOf(value['selector'] ?? value['require']);
    return [
      {
        file: source.file,
        profile: textOf(value['profile']),
        selector: Object.fromEntries(Object.entries(selector).map(([name, text]) => [name, String(text)])),
        metadata: mapOf(value['metadata']) as MatchboxGroup['metadata'],
        lineOf,
      },
    ];
  });
  return { profiles, groups, templates, notes };
}

/** JSON is YAML, whose parser knows lines. */
function readJson({ file, text }: TextFile, notes: Note[]) {
  const document = parseDocument(text, { prettyErrors: true, logLevel: 'silent', version: '1.2' });
  const [error] = document.errors;
  const value: unknown = error === undefined ? document.toJS({ maxAliasCount: 0 }) : undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    notes.push({
      file,
      line: error?.linePos?.[0].line ?? 1,
      message: error === undefined ? 'it is no map' : `it is no JSON: ${error.message.split('\n')[0]}`,
      todo: 'Mend it, and import again.',
    });
    return undefined;
  }
  const lineOf = (path: readonly (string | number)[]): number => {
    const node = document.getIn(path, true) as { readonly range?: readonly number[] } | undefined;
    return text.slice(0, node?.range?.[0] ?? 0).split('\n').length;
  };
  return { value: value as Json, lineOf };
}

function baseName(file: string): string {
  return (file.split('/').at(-1) ?? file).replace(/\.json$/, '');
}

/** Lower-case letters, digits, hyphens. */
function roleName(id: string): string {
  const name = id
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '');
  return name === '' || name === 'none' ? `profile-${name}`.replace(/-$/, '') : name;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];
}

function mapOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}
