import fc from 'fast-check';
import type { Description } from '../../src/render/description-schema.ts';

/** Everything that a description can say. */
export const FULL_DESCRIPTION = `
hostname: node-1
groups:
  - { name: ops, gid: 990 }
users:
  - name: core
    uid: 1200
    comment: Operator
    home: /home/core
    shell: /bin/bash
    groups: [ops]
    passwordHash: $6$salt$hash
    sshAuthorizedKeys: [ssh-ed25519 AAAA you]
  - { name: metrics, system: true }
files:
  - path: /etc/motd
    content: |
      100 % welcome? # yes
  - { path: /etc/key, mode: "0600", owner: core, group: ops, contentBase64: AAEC }
  - { path: /etc/bell, content: "a\\ab" }
  - { path: /etc/profile, append: true, content: "umask 027\\n" }
directories:
  - { path: /srv/data, mode: "0700", owner: core }
links:
  - { path: /etc/l, target: /etc/motd }
  - { path: /etc/h, target: /etc/motd, hard: true }
units:
  - name: hello.service
    enable: true
    content: |
      [Service]
      ExecStart=/bin/true
      [Install]
      WantedBy=multi-user.target
  - { name: sshd.service, mask: true }
  - name: docker.service
    dropIns: [{ name: 10-a.conf, content: "[Service]\\nEnvironment=A=b\\n" }]
  - { name: 10-x.network, content: "[Match]\\nName=eth0\\n[Network]\\nDHCP=yes\\n" }
kernelModules: [overlay]
sysctl: { net.ipv4.ip_forward: 1 }
disks:
  - device: /dev/sdb
    wipe: true
    partitions: [{ label: data, number: 1, sizeMiB: 1024, startMiB: 1 }, { label: swap, number: 2 }]
filesystems:
  - { device: /dev/disk/by-partlabel/data, format: ext4, label: data, wipe: true, mount: /var/lib/data, mountOptions: [noatime] }
  - { device: /dev/disk/by-partlabel/swap, format: swap, wipe: true }
`;

const name = fc
  .string({ unit: fc.constantFrom(...'abcxyz019_-'.split('')), minLength: 1, maxLength: 8 })
  .map((tail) => `n${tail}`);
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
/** Text that YAML, JSON, URLs and shells have an opinion of. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom(...' \n\t%#?"\'\\:-|>{}[]&*!@`~yesno01~é€\u2028\u0085\ufeff'.split('')),
    maxLength: 40,
  }),
  fc.constantFrom(
    '',
    'yes',
    '0644',
    '1e3',
    '~',
    '- a',
    'a: b',
    '#x',
    '2001-01-01',
    ' lead',
    'trail ',
    '\n\n',
    'a\n b\n',
    '12:30:45',
    '<<',
    '=',
  ),
);
const mode = fc.constantFrom('0644', '600', '0755', '1777', '4755');
const some = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
const unitText = fc.constantFrom(
  '[Service]\nExecStart=/bin/true\n',
  '[Unit]\nA=b\n[Install]\nWantedBy=multi-user.target\n',
  '[Unit]\nDescription=é "x" %n: #\n',
);

/** Most of them sound; those that are not must be refused. */
export const anyDescription: fc.Arbitrary<Description> = fc
  .record({
    hostname: some(fc.constantFrom('a', 'node-1', 'yes', '1')),
    users: some(
      fc.array(
        fc.record({
          name,
          uid: some(fc.nat(60_000)),
          comment: some(text),
          shell: some(path),
          groups: some(fc.uniqueArray(name, { maxLength: 3 })),
          passwordHash: some(fc.constantFrom('$6$a$b', '*', '!')),
          system: some(fc.boolean()),
        }),
        { maxLength: 3 },
      ),
    ),
    files: some(
      fc.array(
        fc.record({
          path,
          mode: some(mode),
          owner: some(name),
          group: some(name),
          content: text,
          append: some(fc.boolean()),
        }),
        { maxLength: 4 },
      ),
    ),
    directories: some(fc.array(fc.record({ path, mode: some(mode), owner: some(name) }), { maxLength: 2 })),
    links: some(
      fc.array(fc.record({ path, target: fc.oneof(path, text), hard: some(fc.boolean()) }), { maxLength: 2 }),
    ),
    units: some(
      fc.array(
        fc.record({
          name: name.map((one) => `${one}.service`),
          enable: some(fc.boolean()),
          mask: some(fc.boolean()),
          content: some(unitText),
          dropIns: some(
            fc.array(fc.record({ name: name.map((one) => `${one}.conf`), content: unitText }), {
              maxLength: 2,
            }),
          ),
        }),
        { maxLength: 3 },
      ),
    ),
    kernelModules: some(fc.array(name, { maxLength: 2 })),
    sysctl: some(fc.dictionary(name, fc.oneof(text, fc.nat()), { maxKeys: 2 })),
    filesystems: some(
      fc.array(
        fc.record({
          device: path,
          format: fc.constantFrom('ext4' as const, 'xfs' as const, 'swap' as const),
          label: some(name),
          wipe: some(fc.boolean()),
          mount: some(path),
        }),
        { maxLength: 2 },
      ),
    ),
  })
  // As JSON has it: what is undefined is absent.
  .map((description) => JSON.parse(JSON.stringify(description)) as Description);
