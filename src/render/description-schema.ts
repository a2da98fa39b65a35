import { type Static, Type } from 'typebox';
import { LABEL_PATTERN, words } from '../document/text-schemas.ts';

const closed = { additionalProperties: false } as const;
const text = (description: string, ...examples: readonly string[]) =>
  Type.String({ description, examples: [...examples] });
const optional = (description: string, ...examples: readonly string[]) =>
  Type.Optional(text(description, ...examples));
const truth = (description: string) => Type.Optional(Type.Boolean({ description, default: false }));
const path = (description: string, example: string) =>
  Type.String({ ...words('^/', 'an absolute path'), description, examples: [example] });
const mode = (fallback: string) =>
  Type.Optional(
    Type.String({
      ...words('^0?[0-7]{3,4}$', 'an octal mode in quotes, such as "0644"'),
      description: 'Permissions, octal, in quotes.',
      default: fallback,
    }),
  );
const owner = {
  owner: Type.Optional(Type.String({ description: 'Name of the user whose it is.', default: 'root' })),
  group: Type.Optional(Type.String({ description: 'Name of its group.', default: 'root' })),
};
const list = <T extends Parameters<typeof Type.Array>[0]>(
  of: T,
  description: string,
  examples: readonly unknown[] = [],
) =>
  Type.Optional(Type.Array(of, { description, ...(examples.length === 0 ? {} : { examples: [examples] }) }));

const UserSchema = Type.Object(
  {
    name: text('Login name.', 'core'),
    uid: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 0xfffffffe, description: 'Not for cloud-config.' }),
    ),
    system: truth('A system account.'),
    comment: optional('The GECOS field.', 'Operator'),
    home: Type.Optional(path('Home directory.', '/home/core')),
    shell: Type.Optional(path('Login shell.', '/bin/bash')),
    primaryGroup: optional('Name of its primary group, which exists.', 'users'),
    groups: list(Type.String(), 'Names of its other groups.', ['sudo', 'docker']),
    passwordHash: optional('A hash of crypt(5), as mkpasswd makes it.', '$6$…'),
    sshAuthorizedKeys: list(Type.String(), 'Lines of authorized_keys.', ['ssh-ed25519 AAAA… you']),
  },
  { ...closed, description: 'A user.' },
);

const GroupSchema = Type.Object(
  {
    name: text('Name.', 'ops'),
    gid: Type.Optional(Type.Integer({ minimum: 0, maximum: 0xfffffffe, description: 'Ignition only.' })),
    system: truth('A system group. Ignition only.'),
  },
  { ...closed, description: 'A group. Not for cloud-config.' },
);

const FileSchema = Type.Object(
  {
    path: path('Where it is written. What stood there is replaced.', '/etc/motd'),
    mode: mode('0644'),
    ...owner,
    content: optional('Its text.', 'hello\n'),
    contentBase64: optional('Its bytes in base64, instead of `content`.', 'aGVsbG8K'),
    url: optional('Where it is fetched from, instead of `content`. Ignition only.', '{{assetsUrl}}/tool'),
    sha512: Type.Optional(
      Type.String({
        ...words('^[0-9a-f]{128}$', 'a SHA-512 sum: 128 hexadecimal digits'),
        description: 'What is fetched from `url` must have it.',
      }),
    ),
    append: truth('Append to what stands there. Not for cloud-config.'),
  },
  { ...closed, description: 'A file. One of content, contentBase64 and url is wanted.' },
);

const DirectorySchema = Type.Object(
  { path: path('Where.', '/srv/data'), mode: mode('0755'), ...owner },
  { ...closed, description: 'A directory.' },
);

const LinkSchema = Type.Object(
  {
    path: path('Where.', '/etc/localtime'),
    target: text('What it leads to.', '/usr/share/zoneinfo/Europe/Berlin'),
    hard: truth('A hard link. Ignition only.'),
  },
  { ...closed, description: 'A symbolic link. What stood there is replaced.' },
);

const UnitSchema = Type.Object(
  {
    name: text(
      "A unit of systemd; one of networkd's (.network, .netdev, .link) not for nocloud.",
      'hello.service',
    ),
    enable: truth('It starts, at this boot and at others. Needs an [Install] section.'),
    mask: truth('It never starts.'),
    content: optional('Its text; absent: the unit is there already.', '[Service]\n…'),
    dropIns: list(
      Type.Object(
        { name: text('Ends in .conf.', '10-proxy.conf'), content: text('Its text.', '[Service]\n…') },
        { ...closed, description: 'A drop-in.' },
      ),
      'Settings beside its own.',
    ),
  },
  { ...closed, description: 'A unit.' },
);

const DiskSchema = Type.Object(
  {
    device: path('The whole disk.', '/dev/disk/by-id/…'),
    wipe: truth('Its partition table is made anew: everything on it is lost.'),
    partitions: list(
      Type.Object(
        {
          label: optional('Its name in GPT; /dev/disk/by-partlabel/… leads to it.', 'data'),
          number: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 128, description: 'Absent: the next one.' }),
          ),
          sizeMiB: Type.Optional(Type.Integer({ minimum: 0, description: 'Absent or 0: what is left.' })),
          startMiB: Type.Optional(
            Type.Integer({ minimum: 0, description: 'Absent or 0: where there is place.' }),
          ),
          type: optional('GUID of its type; absent: Linux.', '0FC63DAF-8483-4772-8E79-3D69D8477DE4'),
        },
        { ...closed, description: 'A partition. A label or a number is wanted.' },
      ),
      'In this order.',
    ),
  },
  { ...closed, description: 'A disk. Ignition only.' },
);

const FilesystemSchema = Type.Object(
  {
    device: path('A partition, or a whole disk.', '/dev/disk/by-partlabel/data'),
    format: Type.Enum(['ext4', 'xfs', 'btrfs', 'vfat', 'swap'], { description: 'What it is formatted as.' }),
    label: optional('Its label.', 'data'),
    wipe: truth('It is formatted at every boot, whatever is on it. nocloud: must be true.'),
    mount: Type.Optional(path('Where it is mounted.', '/var/lib/data')),
    mountOptions: list(Type.String(), 'Options of mount(8).', ['noatime']),
  },
  { ...closed, description: 'A file system. Not for cloud-config.' },
);

/** `config.description` of a role, rendered: a machine in words that belong to no dialect. */
export const DescriptionSchema = Type.Object(
  {
    hostname: Type.Optional(
      Type.String({
        ...words(LABEL_PATTERN, 'a host name of letters, digits and inner hyphens, without a domain'),
        description: 'What the machine calls itself.',
        examples: ['{{machine.hostname}}'],
      }),
    ),
    users: list(UserSchema, 'Users that there are besides.'),
    groups: list(GroupSchema, 'Groups that there are besides.'),
    files: list(FileSchema, 'Files.'),
    directories: list(
      DirectorySchema,
      'Directories with an owner or a mode of their own; others come with their files.',
    ),
    links: list(LinkSchema, 'Links.'),
    units: list(UnitSchema, 'Units of systemd, started in this order.'),
    kernelModules: list(
      Type.String(words('^[A-Za-z0-9_-]+$', 'the name of a kernel module')),
      'Kernel modules that are loaded.',
      ['br_netfilter', 'overlay'],
    ),
    sysctl: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Integer()]), {
        propertyNames: words('^[A-Za-z0-9_./-]+$', 'the name of a kernel parameter'),
        description: 'Kernel parameters.',
        examples: [{ 'net.ipv4.ip_forward': 1 }],
      }),
    ),
    disks: list(DiskSchema, 'Partition tables.'),
    filesystems: list(FilesystemSchema, 'File systems, and where they are mounted.'),
  },
  {
    ...closed,
    title: 'description',
    description: 'What a machine is to be, whichever dialect its operating system reads.',
  },
);
export type Description = Static<typeof DescriptionSchema>;
export type DescribedFile = NonNullable<Description['files']>[number];
export type DescribedUnit = NonNullable<Description['units']>[number];
export type DescribedUser = NonNullable<Description['users']>[number];
