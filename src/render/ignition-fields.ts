import type { SchemaNode } from '../document/describe-schema.ts';

/**
 * What an Ignition config of version 3 may hold: each field once, with the minor version that brought it
 * (coreos/ignition, docs/configuration-v3_0.md to v3_5.md). Names are as in the JSON; Butane's YAML has the same in
 * snake_case.
 */
export type IgnitionField = { readonly since?: number } & (
  | { readonly kind: 'text' | 'truth' | 'number' }
  | { readonly kind: 'list'; readonly of: IgnitionField }
  | IgnitionMap
);

export interface IgnitionMap {
  readonly kind: 'map';
  readonly since?: number;
  readonly fields: { readonly [name: string]: IgnitionField };
  readonly needs: readonly string[];
  /** Of Butane's alone, by its own spelling; the conversion resolves them. */
  readonly butane?: { readonly [name: string]: IgnitionField };
}

/** The minor versions of 3.x that are known. */
export const NEWEST_MINOR = 5;

const TEXT: IgnitionField = { kind: 'text' };
const TRUTH: IgnitionField = { kind: 'truth' };
const NUMBER: IgnitionField = { kind: 'number' };

function list(of: IgnitionField): IgnitionField {
  return { kind: 'list', of };
}

function map(fields: IgnitionMap['fields'], ...needs: readonly string[]): IgnitionMap {
  return { kind: 'map', fields, needs };
}

function since<T extends IgnitionField>(minor: number, field: T): T {
  return { ...field, since: minor };
}

/** Fields of one sort, by name. */
function each(field: IgnitionField, names: string): IgnitionMap['fields'] {
  return Object.fromEntries(names.split(' ').map((name) => [name, field]));
}

/** Something to be fetched: a file's contents, another config, a certificate. */
function resource(compressionSince: number): IgnitionMap {
  return {
    ...map({
      source: TEXT,
      compression: since(compressionSince, TEXT),
      httpHeaders: since(1, list(map({ name: TEXT, value: TEXT }, 'name'))),
      verification: map({ hash: TEXT }),
    }),
    butane: { inline: TEXT },
  };
}

const OWNER = map({ id: NUMBER, name: TEXT });
const NODE = { path: TEXT, overwrite: TRUTH, user: OWNER, group: OWNER };

const STORAGE = map({
  disks: list(
    map(
      {
        device: TEXT,
        wipeTable: TRUTH,
        partitions: list(
          map({
            ...each(TEXT, 'label typeGuid guid'),
            ...each(NUMBER, 'number sizeMiB startMiB'),
            ...each(TRUTH, 'wipePartitionEntry shouldExist'),
            resize: since(2, TRUTH),
          }),
        ),
      },
      'device',
    ),
  ),
  raid: list(
    map(
      { ...each(TEXT, 'name level'), devices: list(TEXT), spares: NUMBER, options: list(TEXT) },
      'name',
      'level',
      'devices',
    ),
  ),
  filesystems: list({
    ...map(
      {
        ...each(TEXT, 'device format path label uuid'),
        wipeFilesystem: TRUTH,
        options: list(TEXT),
        mountOptions: since(1, list(TEXT)),
      },
      'device',
      'format',
    ),
    butane: { with_mount_unit: TRUTH },
  }),
  files: list(map({ ...NODE, contents: resource(0), append: list(resource(0)), mode: NUMBER }, 'path')),
  directories: list(map({ ...NODE, mode: NUMBER }, 'path')),
  links: list(map({ ...NODE, target: TEXT, hard: TRUTH }, 'path', 'target')),
  luks: since(
    2,
    list(
      map(
        {
          ...each(TEXT, 'name device label uuid'),
          keyFile: resource(0),
          options: list(TEXT),
          wipeVolume: TRUTH,
          discard: since(4, TRUTH),
          openOptions: since(4, list(TEXT)),
          clevis: map({
            tang: list(
              map({ ...each(TEXT, 'url thumbprint'), advertisement: since(4, TEXT) }, 'url', 'thumbprint'),
            ),
            tpm2: TRUTH,
            threshold: NUMBER,
            custom: map({ pin: TEXT, config: TEXT, needsNetwork: TRUTH }, 'pin', 'config'),
          }),
          cex: since(5, map({ enabled: TRUTH })),
        },
        'name',
        'device',
      ),
    ),
  ),
});

const PASSWD = map({
  users: list(
    map(
      {
        ...each(TEXT, 'name passwordHash gecos homeDir primaryGroup shell'),
        ...each(list(TEXT), 'sshAuthorizedKeys groups'),
        ...each(TRUTH, 'noCreateHome noUserGroup noLogInit system'),
        uid: NUMBER,
        shouldExist: since(2, TRUTH),
      },
      'name',
    ),
  ),
  groups: list(
    map({ name: TEXT, gid: NUMBER, passwordHash: TEXT, system: TRUTH, shouldExist: since(2, TRUTH) }, 'name'),
  ),
});

const SYSTEMD = map({
  units: list(
    map(
      {
        ...each(TEXT, 'name contents'),
        ...each(TRUTH, 'enabled mask'),
        dropins: list(map({ name: TEXT, contents: TEXT }, 'name')),
      },
      'name',
    ),
  ),
});

/** The whole config. */
export const IGNITION_CONFIG = map(
  {
    ignition: map(
      {
        version: TEXT,
        config: map({ merge: list(resource(1)), replace: resource(1) }),
        timeouts: map(each(NUMBER, 'httpResponseHeaders httpTotal')),
        security: map({ tls: map({ certificateAuthorities: list(resource(1)) }) }),
        proxy: since(1, map({ ...each(TEXT, 'httpProxy httpsProxy'), noProxy: list(TEXT) })),
      },
      'version',
    ),
    storage: STORAGE,
    systemd: SYSTEMD,
    passwd: PASSWD,
    kernelArguments: since(3, map(each(list(TEXT), 'shouldExist shouldNotExist'))),
  },
  'ignition',
);

export type IgnitionSpelling = 'json' | 'butane';

/** `sizeMiB` → `size_mib`: as Butane spells it. */
export function spellField(name: string, spelling: IgnitionSpelling): string {
  if (spelling === 'json') return name;
  return name.replace('MiB', '_mib').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** As a schema of what version 3.`minor` knows. */
export function ignitionSchema(field: IgnitionField, minor: number, spelling: IgnitionSpelling): SchemaNode {
  switch (field.kind) {
    case 'text':
      return { type: 'string' };
    case 'truth':
      return { type: 'boolean' };
    case 'number':
      return { type: 'integer', minimum: 0 };
    case 'list':
      return { type: 'array', items: ignitionSchema(field.of, minor, spelling) };
    case 'map': {
      const known = Object.entries(field.fields).filter(([, { since: from = 0 }]) => from <= minor);
      const own = spelling === 'butane' ? Object.entries(field.butane ?? {}) : [];
      return {
        type: 'object',
        additionalProperties: false,
        properties: Object.fromEntries(
          [...known, ...own].map(([name, inner]) => [
            spellField(name, spelling),
            ignitionSchema(inner, minor, spelling),
          ]),
        ),
        required: field.needs.map((name) => spellField(name, spelling)),
      };
    }
  }
}

/** What a path of spelled names (without list indexes) leads to in the newest version. */
export function findIgnitionField(
  names: readonly string[],
  spelling: IgnitionSpelling,
): IgnitionField | undefined {
  let field: IgnitionField | undefined = IGNITION_CONFIG;
  for (const name of names) {
    while (field?.kind === 'list') field = field.of;
    if (field?.kind !== 'map') return undefined;
    const found: readonly [string, IgnitionField] | undefined = Object.entries(field.fields).find(
      ([key]) => spellField(key, spelling) === name,
    );
    field = found?.[1];
  }
  return field;
}
