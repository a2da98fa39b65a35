import { type DocumentPath, formatPath } from '../document/located.ts';
import {
  fourDigits,
  type Inexpressible,
  isNetworkUnit,
  isPlainText,
  MODULES_FILE,
  modulesText,
  SYSCTL_FILE,
  sysctlText,
  TMPFILES_FILE,
  tmpfilesText,
} from './description-parts.ts';
import type { DescribedFile, DescribedUnit, Description } from './description-schema.ts';

export interface DescribedDocument {
  /** To be written as YAML. */
  readonly document: object;
  /** Where in the description an entry comes from, by its path in the document: `write_files[2]`. */
  readonly origins: ReadonlyMap<string, DocumentPath>;
  readonly inexpressible: readonly Inexpressible[];
}

/**
 * A description as a cloud-config of coreos-cloudinit, which runs when the system is up already: what it writes for
 * services that have run by then has them run again.
 */
export function describeCloudConfig(description: Description): DescribedDocument {
  const { hostname, users = [], kernelModules = [], sysctl = {} } = description;
  const origins = new Map<string, DocumentPath>();
  const files: object[] = [];
  const units: object[] = [];
  const addFile = (file: object, origin: DocumentPath) => {
    origins.set(formatPath(['write_files', files.length]), origin);
    files.push(file);
  };
  const addUnit = (unit: object, origin: DocumentPath) => {
    origins.set(formatPath(['coreos', 'units', units.length]), origin);
    units.push(unit);
  };

  for (const [index, file] of (description.files ?? []).entries()) addFile(cloudFile(file), ['files', index]);
  // Modules first: some parameters are theirs.
  if (kernelModules.length > 0) {
    addFile(rootFile(MODULES_FILE, modulesText(kernelModules)), ['kernelModules']);
    addUnit({ name: 'systemd-modules-load.service', command: 'restart' }, ['kernelModules']);
  }
  if (Object.keys(sysctl).length > 0) {
    addFile(rootFile(SYSCTL_FILE, sysctlText(sysctl)), ['sysctl']);
    addUnit({ name: 'systemd-sysctl.service', command: 'restart' }, ['sysctl']);
  }
  const nodes = tmpfilesText(description);
  if (nodes !== '') {
    const origin = [description.directories === undefined ? 'links' : 'directories'];
    addFile(rootFile(TMPFILES_FILE, nodes), origin);
    addUnit({ name: 'tinderbox-nodes.service', command: 'start', content: NODES_UNIT }, origin);
  }
  for (const [index, unit] of (description.units ?? []).entries()) addUnit(unitOf(unit), ['units', index]);
  for (const index of users.keys()) origins.set(formatPath(['users', index]), ['users', index]);

  const document = {
    ...(hostname === undefined ? {} : { hostname }),
    ...(users.length === 0
      ? {}
      : {
          users: users.map(
            ({ comment, home, primaryGroup, passwordHash, sshAuthorizedKeys, uid: _uid, ...rest }) => ({
              ...rest,
              ...(comment === undefined ? {} : { gecos: comment }),
              ...(home === undefined ? {} : { homedir: home }),
              ...(primaryGroup === undefined ? {} : { primary_group: primaryGroup }),
              ...(passwordHash === undefined ? {} : { passwd: passwordHash }),
              ...(sshAuthorizedKeys === undefined ? {} : { ssh_authorized_keys: sshAuthorizedKeys }),
            }),
          ),
        }),
    ...(files.length === 0 ? {} : { write_files: files }),
    ...(units.length === 0 ? {} : { coreos: { units } }),
  };
  return { document, origins, inexpressible: findInexpressible(description) };
}

const NODES_UNIT = `[Unit]
Description=Directories and links of the description
[Service]
Type=oneshot
ExecStart=/usr/bin/systemd-tmpfiles --create ${TMPFILES_FILE}
`;

function findInexpressible(description: Description): readonly Inexpressible[] {
  const { users = [], groups = [], files = [], links = [], disks = [], filesystems = [] } = description;
  return [
    ...users.flatMap(({ uid }, index) =>
      uid === undefined ? [] : [{ path: ['users', index, 'uid'], others: ['nocloud', 'ignition'] as const }],
    ),
    ...(groups.length === 0 ? [] : [{ path: ['groups'], others: ['nocloud', 'ignition'] as const }]),
    ...files.flatMap(({ url, append }, index) => [
      ...(url === undefined ? [] : [{ path: ['files', index, 'url'], others: ['ignition'] as const }]),
      ...(append === true
        ? [{ path: ['files', index, 'append'], others: ['nocloud', 'ignition'] as const }]
        : []),
    ]),
    ...links.flatMap(({ hard }, index) =>
      hard === true ? [{ path: ['links', index, 'hard'], others: ['ignition'] as const }] : [],
    ),
    ...(disks.length === 0 ? [] : [{ path: ['disks'], others: ['ignition'] as const }]),
    ...(filesystems.length === 0
      ? []
      : [{ path: ['filesystems'], others: ['nocloud', 'ignition'] as const }]),
  ];
}

/** An entry of write_files, as both cloud-inits know it but for the name of base64. */
export function cloudFile({
  path,
  mode = '0644',
  owner,
  group,
  content = '',
  contentBase64,
}: DescribedFile): object {
  const whose = owner !== undefined || group !== undefined;
  return {
    path,
    permissions: fourDigits(mode),
    ...(whose ? { owner: `${owner ?? 'root'}:${group ?? 'root'}` } : {}),
    ...(contentBase64 === undefined && isPlainText(content)
      ? { content }
      : { encoding: 'base64', content: contentBase64 ?? Buffer.from(content).toString('base64') }),
  };
}

export function rootFile(path: string, content: string): object {
  return { path, permissions: '0644', content };
}

function unitOf(unit: DescribedUnit): object {
  const { name, enable, mask, content, dropIns } = unit;
  const command = commandOf(unit);
  return {
    name,
    ...(enable === true && !isNetworkUnit(unit) ? { enable } : {}),
    ...(mask === true ? { mask } : {}),
    ...(command === undefined ? {} : { command }),
    ...(content === undefined ? {} : { content }),
    ...(dropIns === undefined ? {} : { drop_ins: dropIns }),
  };
}

/** What makes a unit at this moment what it is to be after a boot. */
export function commandOf(unit: DescribedUnit): 'start' | 'restart' | 'try-restart' | 'stop' | undefined {
  if (isNetworkUnit(unit)) return undefined;
  const hasDropIns = (unit.dropIns ?? []).length > 0;
  if (unit.mask === true) return 'stop';
  if (unit.enable === true) return hasDropIns ? 'restart' : 'start';
  return hasDropIns ? 'try-restart' : undefined;
}
