import { parseDocument, stringify } from 'yaml';
import type { ConfigFormat, ParameterValue } from '../machine/role.ts';
import { convertGoTemplate, escapeForHandlebars, type NameOfField } from './convert-go-template.ts';
import type {
  MatchboxGroup,
  MatchboxProfile,
  MatchboxSource,
  Note,
  TemplateFolder,
  TextFile,
} from './matchbox-files.ts';

export interface NewRole {
  readonly name: string;
  /** By their names in the role's folder. */
  readonly files: Readonly<Record<string, string>>;
}

interface Converted {
  readonly format: ConfigFormat;
  readonly template: string;
  readonly text: string;
}

type Parameters = Record<string, ParameterValue>;

/** A profile with its template as a role. `groups`: those that give it, whose metadata are its parameters. */
export function convertProfile(
  source: MatchboxSource,
  profile: MatchboxProfile,
  groups: readonly MatchboxGroup[],
): { readonly role: NewRole; readonly notes: readonly Note[] } {
  const notes: Note[] = [];
  const parameters = defaultsOf(groups);
  const config = convertConfig(source, profile, { groups, parameters, notes });
  const boot = convertBoot(profile, config, notes);
  const role = {
    description: profile.description === '' ? `matchbox's profile ${profile.id}` : profile.description,
    boot,
    ...(config === undefined ? {} : { config: { format: config.format, template: config.template } }),
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
  };
  const text = `# Imported from matchbox's ${profile.file.split('/').slice(-2).join('/')}.\n${stringify(role, { lineWidth: 0 })}`;
  return {
    role: {
      name: profile.role,
      files: { 'role.yaml': text, ...(config === undefined ? {} : { [config.template]: config.text }) },
    },
    notes,
  };
}

/** Every name that some group gives: the type of its default is what a group may give. */
function defaultsOf(groups: readonly MatchboxGroup[]): Parameters {
  const found: Parameters = {};
  for (const { metadata } of groups) {
    for (const [name, value] of Object.entries(metadata)) {
      const empty = emptyOf(value);
      found[name] = name in found && JSON.stringify(found[name]) !== JSON.stringify(empty) ? null : empty;
    }
  }
  return found;
}

function emptyOf(value: ParameterValue): ParameterValue {
  if (Array.isArray(value)) return [];
  if (typeof value === 'object') return value === null ? null : {};
  return typeof value === 'string' ? '' : typeof value === 'boolean' ? false : null;
}

interface Surroundings {
  readonly groups: readonly MatchboxGroup[];
  readonly parameters: Parameters;
  readonly notes: Note[];
}

function convertConfig(
  source: MatchboxSource,
  profile: MatchboxProfile,
  around: Surroundings,
): Converted | undefined {
  const { file, lineOf } = profile;
  const named = (['ignition', 'cloud', 'generic'] as const).filter((folder) => profile[folder] !== '');
  const [folder, ...others] = named;
  if (folder === undefined) return undefined;
  for (const other of others) {
    around.notes.push({
      file,
      line: lineOf([`${other}_id`]),
      message: `a role has one configuration; ${profile[other]} is left out, beside ${profile[folder]}`,
      todo: 'Make a role of its own of it, or put it into the other one.',
    });
  }
  const name = profile[folder];
  const template = source.templates[folder].get(name);
  if (template === undefined) {
    around.notes.push({
      file,
      line: lineOf([`${folder}_id`]),
      message: `there is no ${folder}/${name}`,
      todo: 'Put it there and import again; the role has no configuration.',
    });
    return undefined;
  }
  return convertTemplate(folder, name, template, around);
}

function convertTemplate(
  folder: TemplateFolder,
  name: string,
  source: TextFile,
  around: Surroundings,
): Converted | undefined {
  const isPlain = folder === 'ignition' && /\.(ign|ignition|json)$/.test(name);
  const why = folder === 'ignition' ? whyNoIgnition(source.text, isPlain) : undefined;
  if (why !== undefined) {
    around.notes.push({ file: source.file, ...why });
    return undefined;
  }
  const text = isPlain ? escapeForHandlebars(source.text) : convertText(source, around);
  // One of a folder below, too, lies beside role.yaml.
  const base = name.replace(/\.(tmpl|hbs)$/, '').replaceAll('/', '-');
  const format: ConfigFormat =
    folder === 'ignition'
      ? 'ignition'
      : folder === 'cloud' && /^#cloud-config\s*$/m.test(source.text.split('\n', 1)[0] ?? '')
        ? 'cloud-config'
        : 'raw';
  return { format, template: `${base}.hbs`, text };
}

/** Which of the texts that matchbox called Ignition it is: Butane has a `variant`, what came before has not. */
function whyNoIgnition(text: string, isPlain: boolean): Pick<Note, 'line' | 'message' | 'todo'> | undefined {
  if (isPlain) {
    const document = parseDocument(text, { logLevel: 'silent' });
    const version: unknown = document.errors.length > 0 ? undefined : document.getIn(['ignition', 'version']);
    if (typeof version === 'string' && /^3\.\d+\.\d+/.test(version)) return undefined;
    return {
      line: 1,
      message:
        typeof version === 'string'
          ? `it is Ignition ${version}, and only 3.x is served`
          : 'it is no Ignition config',
      todo: 'Convert it to 3.x (ign-converter, or write it anew in Butane) and add it to the role; the role has no configuration.',
    };
  }
  if (/^variant:\s*["']?[a-z]/m.test(text)) return undefined;
  return {
    line: 1,
    message: 'it is a Container Linux Config, which cannot be converted: it has no `variant:`',
    todo: 'Write it anew in Butane (variant: flatcar or fcos) or as a description, and add it to the role; the role has no configuration.',
  };
}

function convertText(source: TextFile, { groups, parameters, notes }: Surroundings): string {
  const unknown = new Set<string>();
  const { text, notes: found } = convertGoTemplate(source.text, namesFor(groups, parameters, unknown));
  const lineOf = (name: string): number =>
    source.text.slice(0, Math.max(0, source.text.search(new RegExp(`[.]${name}\\b|"${name}"`)))).split('\n')
      .length;
  for (const name of unknown) {
    parameters[name] = '';
    notes.push({
      file: source.file,
      line: lineOf(name),
      message: `nothing gives ${name}: no group has it, as metadata or as a selector`,
      todo: `It is the parameter ${name} of the role, empty: give it a value.`,
    });
  }
  for (const { line, message } of found) {
    notes.push({
      file: source.file,
      line,
      message,
      todo: 'It stands as a comment where it was: write it by hand.',
    });
  }
  if (/\.request\.raw_query\b/.test(source.text)) {
    notes.push({
      file: source.file,
      line: source.text.slice(0, source.text.indexOf('.request.raw_query')).split('\n').length,
      message: 'the query is written as `mac=…&uuid=…`, without its other labels',
      todo: "If the URL is one of matchbox's, set http: { matchbox: true } in tinderbox.yaml and let it name this server.",
    });
  }
  return text;
}

const label = (name: string): string => `(default machine.labels.${name} "")`;

/** As matchbox lays values over each other: metadata, then selectors, then `.request`. */
function namesFor(
  groups: readonly MatchboxGroup[],
  parameters: Parameters,
  unknown: Set<string>,
): NameOfField {
  return ([name = '', ...more]) => {
    if (name === 'request') {
      const [kind, asked = ''] = more;
      if (kind === 'raw_query') return '(concat "mac=" machine.mac "&uuid=" machine.uuid)';
      if (kind !== 'query' || !/^\w+$/.test(asked)) return undefined;
      return ['mac', 'uuid', 'serial'].includes(asked) ? `machine.${asked}` : label(asked);
    }
    if (['mac', 'uuid', 'serial'].includes(name)) return `machine.${name}`;
    const isSelector = groups.some(({ selector }) => Object.hasOwn(selector, name));
    if (isSelector && !Object.hasOwn(parameters, name)) return label(name);
    if (!Object.hasOwn(parameters, name)) unknown.add(name);
    return ['parameters', name, ...more].join('.');
  };
}

/** Roads to matchbox's own routes: what they gave is the session's now. */
const OWN_ROUTE = /^([\w.-]+=)https?:\/\/[^/\s]+\/(ignition|cloud|generic)(\?\S*)?$/;

function convertBoot(profile: MatchboxProfile, config: Converted | undefined, notes: Note[]) {
  const { file, lineOf, kernel } = profile;
  if (kernel === '') {
    notes.push({
      file,
      message: 'the profile boots nothing: the role boots its own disk',
      todo: 'Where an installed machine asks for it (`&os=installed`), set http: { matchbox: true } in tinderbox.yaml.',
    });
    return 'local';
  }
  const initrd = profile.initrd.map((entry) => escapeForHandlebars(entry.replace(/^--name\s+\S+\s+/, '')));
  const cmdline = profile.args.flatMap((arg, index): string[] => {
    // Which initrds there are, the script says itself.
    if (arg.startsWith('initrd=')) return [];
    const route = OWN_ROUTE.exec(arg);
    if (route !== null && config !== undefined) return [`${route[1]}{{configUrl}}`];
    const text = escapeForHandlebars(arg.replaceAll('$${', '${'));
    if (
      route !== null ||
      (/\/(ignition|cloud|generic|metadata|assets)\b/.test(arg) && /https?:\/\//.test(arg))
    ) {
      notes.push({
        file,
        line: lineOf(['boot', 'args', index]),
        message: `the argument names a server: ${arg.slice(0, 120)}`,
        todo: 'Let it name this one: {{configUrl}}, {{assetsUrl}} or {{server.url}}.',
      });
    }
    return [text];
  });
  return { kernel: escapeForHandlebars(kernel), initrd, cmdline };
}
