import { type DocumentPath, formatPath } from '../document/located.ts';
import { cloudFile, commandOf, type DescribedDocument, rootFile } from './describe-cloud-config.ts';
import {
  type Inexpressible,
  isNetworkUnit,
  MODULES_FILE,
  modulesText,
  SYSCTL_FILE,
  sysctlText,
  TMPFILES_FILE,
  tmpfilesText,
} from './description-parts.ts';
import type { DescribedFile, DescribedUnit, Description } from './description-schema.ts';

const SYSTEM = '/etc/systemd/system';

/**
 * A description as user-data of cloud-init. It has no units: they are files, and commands at the end of the boot that
 * start them.
 */
export function describeNocloud(description: Description): DescribedDocument {
  const {
    hostname,
    users = [],
    groups = [],
    filesystems = [],
    kernelModules = [],
    sysctl = {},
  } = description;
  const units = (description.units ?? []).filter((unit) => !isNetworkUnit(unit));
  const nodes = tmpfilesText(description);
  const mounts = filesystems.flatMap(({ mount }) => (mount === undefined ? [] : [mount]));

  const files = [
    ...(description.files ?? []).map((file) => nocloudFile(file, mounts)),
    ...(kernelModules.length === 0 ? [] : [rootFile(MODULES_FILE, modulesText(kernelModules))]),
    ...(Object.keys(sysctl).length === 0 ? [] : [rootFile(SYSCTL_FILE, sysctlText(sysctl))]),
    ...(nodes === '' ? [] : [rootFile(TMPFILES_FILE, nodes)]),
    ...units.flatMap(({ name, content, dropIns = [] }) => [
      ...(content === undefined ? [] : [rootFile(`${SYSTEM}/${name}`, content)]),
      ...dropIns.map((dropIn) => rootFile(`${SYSTEM}/${name}.d/${dropIn.name}`, dropIn.content)),
    ]),
  ];
  const commands: readonly (readonly string[])[] = [
    ...(kernelModules.length === 0 ? [] : [['modprobe', '--all', ...kernelModules]]),
    ...(Object.keys(sysctl).length === 0 ? [] : [['sysctl', '--load', SYSCTL_FILE]]),
    ...(nodes === '' ? [] : [['systemd-tmpfiles', '--create', TMPFILES_FILE]]),
    ...(units.length === 0 ? [] : [['systemctl', 'daemon-reload']]),
    ...units.flatMap(commandsOf),
  ];

  const document = {
    ...(hostname === undefined ? {} : { hostname, preserve_hostname: false }),
    ...(groups.length === 0 ? {} : { groups: groups.map(({ name }) => name) }),
    ...(users.length === 0
      ? {}
      : {
          users: users.map(
            ({
              comment,
              home,
              primaryGroup,
              groups: others = [],
              passwordHash,
              sshAuthorizedKeys: keys = [],
              ...rest
            }) => ({
              ...rest,
              // To cloud-init a list that is empty is a mistake.
              ...(others.length > 0 ? { groups: others } : {}),
              ...(comment === undefined ? {} : { gecos: comment }),
              ...(home === undefined ? {} : { homedir: home }),
              ...(primaryGroup === undefined ? {} : { primary_group: primaryGroup }),
              // Without the second it locks the password that it was given.
              ...(passwordHash === undefined ? {} : { hashed_passwd: passwordHash, lock_passwd: false }),
              ...(keys.length > 0 ? { ssh_authorized_keys: keys } : {}),
            }),
          ),
        }),
    ...(filesystems.length === 0
      ? {}
      : {
          fs_setup: filesystems.map(({ device, format, label }) => ({
            device,
            filesystem: format,
            ...(label === undefined ? {} : { label }),
            partition: 'none',
            overwrite: true,
          })),
          mounts: filesystems.flatMap(({ device, format, mount, mountOptions = [] }) => {
            if (mount === undefined && format !== 'swap') return [];
            const options = mountOptions.length === 0 ? 'defaults' : mountOptions.join(',');
            return [[device, mount ?? 'none', format, format === 'swap' ? 'sw' : options, '0', '0']];
          }),
        }),
    ...(files.length === 0 ? {} : { write_files: files }),
    ...(commands.length === 0 ? {} : { runcmd: commands }),
  };
  const origins = new Map<string, DocumentPath>();
  for (const index of users.keys()) origins.set(formatPath(['users', index]), ['users', index]);
  // They are the first of the list.
  for (const index of (description.files ?? []).keys())
    origins.set(formatPath(['write_files', index]), ['files', index]);
  return { document, origins, inexpressible: findInexpressible(description) };
}

/** Files come before users and mounts, unless they are deferred to the end of the boot. */
function nocloudFile(file: DescribedFile, mounts: readonly string[]): object {
  const { path, owner = 'root', group = 'root', append } = file;
  const isBelow = mounts.some((mount) => path.startsWith(`${mount.replace(/\/$/, '')}/`));
  return {
    ...cloudFile(file),
    ...(append === true ? { append } : {}),
    ...(owner !== 'root' || group !== 'root' || isBelow ? { defer: true } : {}),
  };
}

/** Without waiting: what is ordered after the end of cloud-init would wait for this very command. */
function commandsOf(unit: DescribedUnit): readonly (readonly string[])[] {
  const { name, enable, mask } = unit;
  const command = commandOf(unit);
  return [
    ...(mask === true ? [['systemctl', 'mask', name]] : []),
    ...(enable === true ? [['systemctl', 'enable', name]] : []),
    ...(command === undefined ? [] : [['systemctl', '--no-block', command, name]]),
  ];
}

const only = (...path: DocumentPath): Inexpressible => ({ path, others: ['ignition'] });

function findInexpressible(description: Description): readonly Inexpressible[] {
  const { groups = [], files = [], links = [], units = [], disks = [], filesystems = [] } = description;
  return [
    ...groups.flatMap(({ gid, system }, index) => [
      ...(gid === undefined ? [] : [only('groups', index, 'gid')]),
      ...(system === true ? [only('groups', index, 'system')] : []),
    ]),
    ...files.flatMap(({ url }, index) => (url === undefined ? [] : [only('files', index, 'url')])),
    ...links.flatMap(({ hard }, index) => (hard === true ? [only('links', index, 'hard')] : [])),
    ...units.flatMap((unit, index) =>
      isNetworkUnit(unit)
        ? [
            {
              path: ['units', index, 'name'],
              others: ['cloud-config', 'ignition'] as const,
              reason: "networks are described in the role's file network-config",
            },
          ]
        : [],
    ),
    ...(disks.length === 0
      ? []
      : [{ ...only('disks'), reason: 'cloud-init knows sizes in per cent and no labels' }]),
    ...filesystems.flatMap(({ wipe }, index) =>
      wipe === true
        ? []
        : [
            {
              ...only('filesystems', index),
              reason: 'without `wipe: true` cloud-init may format over another one',
            },
          ],
    ),
  ];
}
