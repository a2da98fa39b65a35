import { type DocumentPath, formatPath } from '../document/located.ts';
import { base64DataUrl, textDataUrl } from './data-url.ts';
import { isNetworkUnit, MODULES_FILE, modulesText, SYSCTL_FILE, sysctlText } from './description-parts.ts';
import type { DescribedFile, DescribedUser, Description } from './description-schema.ts';
import type {
  IgnitionConfig,
  IgnitionFile,
  IgnitionNode,
  IgnitionResource,
  IgnitionUnit,
  IgnitionUser,
} from './ignition-config.ts';
import { mountUnit } from './mount-unit.ts';

export interface DescribedIgnition {
  readonly config: IgnitionConfig;
  readonly minor: number;
  /** Where in the description an entry comes from, by its path in the config: `storage.files[2]`. */
  readonly origins: ReadonlyMap<string, DocumentPath>;
}

/** A description as the Ignition config that it means. It can say everything that a description can. */
export function describeIgnition(description: Description): DescribedIgnition {
  const origins = new Map<string, DocumentPath>();
  const files: IgnitionFile[] = [];
  const units: IgnitionUnit[] = [];
  const addFile = (file: IgnitionFile, origin: DocumentPath) => {
    origins.set(formatPath(['storage', 'files', files.length]), origin);
    files.push(file);
  };
  const addUnit = (unit: IgnitionUnit, origin: DocumentPath) => {
    origins.set(formatPath(['systemd', 'units', units.length]), origin);
    units.push(unit);
  };
  const { users = [], groups = [], directories = [], links = [], disks = [], filesystems = [] } = description;

  const { hostname, kernelModules = [], sysctl = {} } = description;
  if (hostname !== undefined) addFile(textFile('/etc/hostname', `${hostname}\n`), ['hostname']);
  if (kernelModules.length > 0)
    addFile(textFile(MODULES_FILE, modulesText(kernelModules)), ['kernelModules']);
  if (Object.keys(sysctl).length > 0) addFile(textFile(SYSCTL_FILE, sysctlText(sysctl)), ['sysctl']);
  for (const [index, file] of (description.files ?? []).entries()) addFile(fileOf(file), ['files', index]);
  for (const [index, unit] of (description.units ?? []).entries()) {
    const origin = ['units', index];
    if (isNetworkUnit(unit)) {
      addFile(textFile(`/etc/systemd/network/${unit.name}`, unit.content ?? ''), origin);
      continue;
    }
    addUnit(
      {
        name: unit.name,
        ...(unit.enable === true ? { enabled: true } : {}),
        ...(unit.mask === true ? { mask: true } : {}),
        ...(unit.content === undefined ? {} : { contents: unit.content }),
        ...(unit.dropIns === undefined
          ? {}
          : { dropins: unit.dropIns.map(({ name, content }) => ({ name, contents: content })) }),
      },
      origin,
    );
  }
  for (const [index, { mount, ...filesystem }] of filesystems.entries()) {
    const unit = mountUnit({ ...filesystem, ...(mount === undefined ? {} : { path: mount }) });
    if (unit !== undefined) addUnit(unit, ['filesystems', index]);
  }
  for (const [kind, list] of Object.entries({ directories, links, disks, filesystems })) {
    for (const index of list.keys()) origins.set(formatPath(['storage', kind, index]), [kind, index]);
  }
  for (const [kind, list] of Object.entries({ users, groups })) {
    for (const index of list.keys()) origins.set(formatPath(['passwd', kind, index]), [kind, index]);
  }

  // Sticky and setuid bits came with 3.4.0; everything else an older Ignition knows, too.
  const modes = [...(description.files ?? []), ...directories].map(({ mode = '' }) =>
    Number.parseInt(mode, 8),
  );
  const minor = modes.some((mode) => mode > 0o777) ? 4 : 3;
  const config: IgnitionConfig = {
    ignition: { version: `3.${minor}.0` },
    ...some('passwd', { ...some('users', users.map(userOf)), ...some('groups', groups) }),
    ...some('storage', {
      ...some(
        'disks',
        disks.map(({ device, wipe, partitions = [] }) => ({
          device,
          ...(wipe === true ? { wipeTable: true } : {}),
          ...some(
            'partitions',
            partitions.map(({ type, ...rest }) => ({
              ...rest,
              ...(type === undefined ? {} : { typeGuid: type }),
            })),
          ),
        })),
      ),
      ...some(
        'filesystems',
        filesystems.map(({ wipe, mount, ...rest }) => ({
          ...rest,
          ...(mount === undefined ? {} : { path: mount }),
          ...(wipe === true ? { wipeFilesystem: true } : {}),
        })),
      ),
      ...some(
        'directories',
        directories.map(({ path, mode = '0755', ...rest }) => ({
          path,
          mode: Number.parseInt(mode, 8),
          ...ownersOf(rest),
        })),
      ),
      ...some('files', files),
      ...some(
        'links',
        links.map(({ path, target, hard }) => ({
          path,
          target,
          overwrite: true,
          ...(hard === true ? { hard } : {}),
        })),
      ),
    }),
    ...some('systemd', { ...some('units', units) }),
  };
  return { config, minor, origins };
}

/** The field, unless it would be empty. */
function some<N extends string, T extends object>(name: N, value: T): { readonly [key in N]?: T } {
  return (Object.keys(value).length === 0 ? {} : { [name]: value }) as { readonly [key in N]?: T };
}

function textFile(path: string, text: string): IgnitionFile {
  return { path, mode: 0o644, overwrite: true, contents: { source: textDataUrl(text) ?? '' } };
}

function fileOf(file: DescribedFile): IgnitionFile {
  const { path, mode = '0644', append } = file;
  const contents = contentsOf(file);
  return {
    path,
    mode: Number.parseInt(mode, 8),
    ...ownersOf(file),
    ...(append === true ? { append: [contents] } : { overwrite: true, contents }),
  };
}

function contentsOf({ content, contentBase64, url, sha512 }: DescribedFile): IgnitionResource {
  if (url !== undefined)
    return { source: url, ...(sha512 === undefined ? {} : { verification: { hash: `sha512-${sha512}` } }) };
  if (contentBase64 !== undefined) return { source: base64DataUrl(contentBase64) };
  return { source: textDataUrl(content ?? '') ?? '' };
}

function ownersOf({
  owner,
  group,
}: {
  readonly owner?: string;
  readonly group?: string;
}): Pick<IgnitionNode, 'user' | 'group'> {
  return {
    ...(owner === undefined ? {} : { user: { name: owner } }),
    ...(group === undefined ? {} : { group: { name: group } }),
  };
}

function userOf({ comment, home, system, ...rest }: DescribedUser): IgnitionUser {
  return {
    ...rest,
    ...(comment === undefined ? {} : { gecos: comment }),
    ...(home === undefined ? {} : { homeDir: home }),
    ...(system === true ? { system } : {}),
  };
}
