import type { DocumentPath, Located } from '../document/located.ts';
import type { ConfigProblem } from './cloud-config-schema.ts';
import { textDataUrl } from './data-url.ts';
import type { IgnitionConfig, IgnitionFilesystem, IgnitionUnit } from './ignition-config.ts';
import { IGNITION_CONFIG, type IgnitionField, type IgnitionMap, spellField } from './ignition-fields.ts';
import { mountUnit } from './mount-unit.ts';

export interface ConvertedButane {
  readonly config: IgnitionConfig;
  /** Of the YAML, spelled as in the JSON. */
  readonly problems: readonly ConfigProblem[];
}

/** Butane's YAML, whose fields were found to be known and of the right type, as the Ignition config that it means. */
export function convertButane(root: Located, minor: number): ConvertedButane {
  const problems: ConfigProblem[] = [];
  const mounted: number[] = [];

  const convert = (field: IgnitionField, node: Located, path: DocumentPath): unknown => {
    if (field.kind === 'list')
      return node.kind === 'list'
        ? node.items.map((item, index) => convert(field.of, item, [...path, index]))
        : [];
    if (field.kind === 'map') return convertMap(field, node, path);
    if (node.kind !== 'scalar') return undefined;
    return path.at(-1) === 'mode' ? readMode(node) : node.value;
  };

  const convertMap = (field: IgnitionMap, node: Located, path: DocumentPath): unknown => {
    const entries = node.kind === 'map' ? node.entries : new Map<string, never>();
    const made: Record<string, unknown> = {};
    for (const [name, inner] of Object.entries(field.fields)) {
      const given = entries.get(spellField(name, 'butane'))?.value;
      if (given !== undefined && !isEmpty(given)) made[name] = convert(inner, given, [...path, name]);
    }
    const inline = textOf(entries.get('inline')?.value);
    if (field.butane?.['inline'] !== undefined && inline !== undefined) {
      const source = textDataUrl(inline);
      if (made['source'] !== undefined)
        problems.push({
          path: [...path, 'inline'],
          message: 'it stands instead of a source, not beside one',
        });
      else if (source === undefined)
        problems.push({ path: [...path, 'inline'], message: 'this is no Unicode' });
      else made['source'] = source;
    }
    const mount = entries.get('with_mount_unit')?.value;
    if (field.butane?.['with_mount_unit'] !== undefined && mount?.kind === 'scalar' && mount.value === true) {
      const needsPath = made['format'] !== 'swap' && made['path'] === undefined;
      if (needsPath || made['format'] === 'none')
        problems.push({
          path: [...path, 'with_mount_unit'],
          message: 'a mount unit needs a path and a format',
        });
      else mounted.push(Number(path.at(-1)));
    }
    return made;
  };

  const body = convertMap(IGNITION_CONFIG, root, []) as Omit<IgnitionConfig, 'ignition'> & {
    ignition?: object;
  };
  const config = { ...body, ignition: { ...body.ignition, version: `3.${minor}.0` } };
  return { config: addMountUnits(config, mounted), problems };
}

/** Those that the config writes itself stay as they are. */
function addMountUnits(config: IgnitionConfig, mounted: readonly number[]): IgnitionConfig {
  const own = config.systemd?.units ?? [];
  const names = new Set(own.map(({ name }) => name));
  const made = mounted
    .map((index) => mountUnit(config.storage?.filesystems?.[index] as IgnitionFilesystem))
    .filter((unit): unit is IgnitionUnit => unit !== undefined && !names.has(unit.name));
  if (made.length === 0) return config;
  return { ...config, systemd: { ...config.systemd, units: [...own, ...made] } };
}

/** As YAML 1.1 has it, and with it Butane: a leading zero makes a number octal. */
function readMode({ value, source }: Located & { readonly kind: 'scalar' }): unknown {
  return /^0[0-7]+$/.test(source) ? Number.parseInt(source, 8) : value;
}

function textOf(node: Located | undefined): string | undefined {
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
}

function isEmpty(node: Located): boolean {
  return node.kind === 'scalar' && node.value === null;
}
