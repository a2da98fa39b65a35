import { checkSchema } from '../document/check-schema.ts';
import { MAX_DOCUMENT_BYTES, tooLarge } from '../document/decode-text.ts';
import type { SchemaNode } from '../document/describe-schema.ts';
import { type DocumentPath, formatPath, type Located, locatePath } from '../document/located.ts';
import { parseJson } from '../document/parse-json.ts';
import { parseYaml } from '../document/parse-yaml.ts';
import type { Problem } from '../errors.ts';
import { checkIgnition } from './check-ignition.ts';
import type { ConfigProblem } from './cloud-config-schema.ts';
import { convertButane } from './convert-butane.ts';
import type { IgnitionConfig } from './ignition-config.ts';
import {
  findIgnitionField,
  IGNITION_CONFIG,
  type IgnitionSpelling,
  ignitionSchema,
  NEWEST_MINOR,
  spellField,
} from './ignition-fields.ts';

export interface IgnitionReading {
  /** Absent if there are problems. */
  readonly config?: IgnitionConfig;
  readonly problems: readonly Problem[];
}

/** Butane's variants and versions → the minor version of Ignition's that they make (coreos/butane, docs/specs.md). */
const BUTANE_VERSIONS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  fcos: { '1.0.0': 0, '1.1.0': 1, '1.2.0': 2, '1.3.0': 2, '1.4.0': 3, '1.5.0': 4, '1.6.0': 5 },
  flatcar: { '1.0.0': 3, '1.1.0': 4 },
};

/**
 * An Ignition config of version 3.0 to 3.5, from its JSON or from Butane's YAML, with everything that is wrong with it,
 * placed in the text. Nothing unknown is dropped: it is an error.
 */
export function readIgnition(text: string, file: string): IgnitionReading {
  if (text.length > MAX_DOCUMENT_BYTES * 16) return { problems: [tooLarge(file, text.length)] };
  const spelling: IgnitionSpelling = /^\s*\{/.test(text) ? 'json' : 'butane';
  const { root, problems, size } = spelling === 'json' ? parseJson(file, text) : parseYaml(file, text);
  if (root === undefined) return { problems };
  const place = (path: DocumentPath) => locatePath(root, path).key;
  const version = spelling === 'json' ? jsonVersion(root) : butaneVersion(root);
  if ('message' in version) {
    const { path, message, remedy } = version;
    return { problems: [{ severity: 'error', file, ...place(path), message, remedy }] };
  }
  const { minor } = version;
  const checked = checkSchema(schemaFor(spelling, minor), root, {
    file,
    size,
    quotesValues: () => false,
    moved: (path) => explainUnknown(path, spelling, minor),
  });
  if (checked.problems.length > 0) return { problems: checked.problems };
  const made =
    spelling === 'json'
      ? { config: checked.value as IgnitionConfig, problems: [] }
      : convertButane(root, minor);
  const found = [...made.problems, ...checkIgnition(made.config, minor)];
  if (found.length === 0) return { config: made.config, problems: [] };
  const spelled = (path: ConfigProblem['path']) =>
    path.map((part) => (typeof part === 'number' ? part : spellField(part, spelling)));
  return {
    problems: found.map(({ path, message }) => ({
      severity: 'error',
      file,
      ...place(spelled(path)),
      message: `"${formatPath(spelled(path))}": ${message}`,
    })),
  };
}

type Version =
  | { readonly minor: number }
  | { readonly path: DocumentPath; readonly message: string; readonly remedy: string };

const VERSIONS = `3.0.0 to 3.${NEWEST_MINOR}.0`;

function jsonVersion(root: Located): Version {
  const path = ['ignition', 'version'];
  const { found, whole } = locatePath(root, path);
  const remedy = `Ignition's versions ${VERSIONS} are known.`;
  if (!whole) return { path: [], message: 'this is no Ignition config: ignition.version is missing', remedy };
  const given = found.kind === 'scalar' ? String(found.value) : '';
  const minor = /^3\.(\d)\.0$/.exec(given)?.[1];
  if (minor !== undefined && Number(minor) <= NEWEST_MINOR) return { minor: Number(minor) };
  if (/^[12]\./.test(given)) {
    return { path, message: `version ${given.slice(0, 1)} of Ignition is another language`, remedy };
  }
  return { path, message: 'this version of Ignition is not known', remedy };
}

function butaneVersion(root: Located): Version {
  const text = (name: string) => {
    const { found, whole } = locatePath(root, [name]);
    return whole && found.kind === 'scalar' ? String(found.value) : undefined;
  };
  const variants = Object.keys(BUTANE_VERSIONS).join(' or ');
  const variant = text('variant');
  if (variant === undefined) {
    const message = 'this is neither JSON, which begins with {, nor a YAML that says its `variant`';
    return { path: [], message, remedy: `Write variant: ${variants}, and a version.` };
  }
  const versions = Object.hasOwn(BUTANE_VERSIONS, variant) ? BUTANE_VERSIONS[variant] : undefined;
  if (versions === undefined)
    return { path: ['variant'], message: 'this variant is not known', remedy: `Known: ${variants}.` };
  const remedy = `Known of ${variant}: ${Object.keys(versions).join(', ')}.`;
  const given = text('version');
  if (given === undefined) return { path: [], message: 'the `version` is missing', remedy };
  const minor = Object.hasOwn(versions, given) ? versions[given] : undefined;
  if (minor === undefined)
    return { path: ['version'], message: `this version of ${variant} is not known`, remedy };
  return { minor };
}

const schemas = new Map<string, SchemaNode>();

function schemaFor(spelling: IgnitionSpelling, minor: number): SchemaNode {
  const name = `${spelling} ${minor}`;
  const known = schemas.get(name);
  if (known !== undefined) return known;
  const plain = ignitionSchema(IGNITION_CONFIG, minor, spelling);
  const made = spelling === 'json' ? plain : withButaneHead(plain);
  schemas.set(name, made);
  return made;
}

/** Butane says its own version above, and Ignition's nowhere. */
function withButaneHead({ properties = {}, ...rest }: SchemaNode): SchemaNode {
  const { ignition = {}, ...others } = properties;
  const { version: _version, ...head } = ignition.properties ?? {};
  return {
    ...rest,
    required: ['variant', 'version'],
    properties: {
      variant: { type: 'string' },
      version: { type: 'string' },
      ignition: { ...ignition, properties: head, required: [] },
      ...others,
    },
  };
}

/** Fields that Butane has and that nothing here can stand for. */
const ELSEWHERE: readonly (readonly [RegExp, string, string])[] = [
  [
    /(^|\.)(local|contents_local|ssh_authorized_keys_local)$/,
    'a template has no files beside it to read',
    'Write the text itself (inline, contents), or the URL of an asset ({{assetsUrl}}/…) as source.',
  ],
  [/^storage\.trees$/, 'a template has no folders beside it to read', 'Write storage.files.'],
  [/^boot_device$/, 'boot_device is not converted', 'Write storage.luks or storage.raid.'],
  [/^grub$/, 'grub is not converted: what is booted over the network has no GRUB on a disk', 'Remove it.'],
  [/^networkd$/, 'version 3 has no networkd', 'Write files below /etc/systemd/network.'],
  [/^ignition\.config\.append$/, 'version 3 has no append', 'Write ignition.config.merge.'],
];

function explainUnknown(path: string, spelling: IgnitionSpelling, minor: number) {
  for (const [pattern, message, remedy] of ELSEWHERE) {
    if (pattern.test(path)) return { message: `"${path}": ${message}`, remedy };
  }
  const names = path.replaceAll('[]', '').split('.');
  const later = findIgnitionField(names, spelling)?.since;
  if (later === undefined || later <= minor) return undefined;
  return {
    message: `"${path}" is a field of Ignition's version 3.${later}.0; this is 3.${minor}.0`,
    remedy:
      spelling === 'json'
        ? `Say 3.${later}.0 in ignition.version, if the machine's Ignition knows it.`
        : 'Say a newer `version`, if the machine knows it.',
  };
}
