import t from 'tap';
import { readIgnition } from '../../src/render/read-ignition.ts';

const json = (rest: object, version = '3.3.0') => JSON.stringify({ ignition: { version }, ...rest });
const file = (rest: object, version?: string) =>
  json({ storage: { files: [{ path: '/etc/a', ...rest }] } }, version);
const unit = (rest: object) => json({ systemd: { units: [{ name: 'a.service', ...rest }] } });
const user = (rest: object) => json({ passwd: { users: [{ name: 'core', ...rest }] } });
const disk = (...partitions: readonly object[]) =>
  json({ storage: { disks: [{ device: '/dev/sda', partitions }] } });
const butane = (rest: string, head = 'variant: flatcar\nversion: 1.0.0\n') => `${head}${rest}`;

function problemsOf(text: string): readonly string[] {
  return readIgnition(text, 'c.hbs').problems.map(
    ({ line, column, message, remedy }) =>
      `${line}:${column}: ${message}${remedy === undefined ? '' : ` ${remedy}`}`,
  );
}

t.test(
  'what Ignition would refuse at boot, and what it would take in silence, is an error with its place',
  async (t) => {
    const table: readonly [string, RegExp][] = [
      ['{', /^1:2: not JSON/],
      ['{}', /ignition\.version is missing.*3\.0\.0 to 3\.5\.0/],
      [json({}, '2.3.0'), /^1:14: version 2 of Ignition is another language/],
      [json({}, '3.6.0'), /not known/],
      [json({}, '3.5.0-experimental'), /not known/],
      [json({ storag: {} }), /unknown key "storag"; did you mean "storage"\?/],
      [json({ networkd: {} }), /no networkd.*\/etc\/systemd\/network/],
      [
        '{\n  "ignition": {"version": "3.3.0"},\n  "storage": {"files": [{"path": "/a", "contnts": {}}]}\n}',
        /^3:40: unknown key "contnts" in "storage\.files\[0\]"; did you mean "contents"\?/,
      ],
      [json({ kernelArguments: {} }, '3.2.0'), /field of Ignition's version 3\.3\.0; this is 3\.2\.0/],
      [json({ storage: { luks: [] } }, '3.1.0'), /version 3\.2\.0/],
      [file({ mode: '0644' }), /"storage\.files\[0\]\.mode": expected a whole number/],
      [file({ mode: 644 }), /means 01204; 0644 is 420/],
      [file({ mode: 4096 }), /is no mode/],
      [file({ mode: 0o1777 }), /sticky are dropped before version 3\.4\.0/],
      [file({ path: 'etc/a' }), /no absolute path/],
      [file({ path: '/etc/../a' }), /has an empty part/],
      [file({ path: '/etc/' }), /has an empty part/],
      [file({ overwrite: true }), /has contents with a source/],
      [file({ user: { id: 1, name: 'x' } }), /an id or a name, not both/],
      [file({ contents: { source: 'ftp://h/x' } }), /URL of http, https, tftp, s3, data, gs$/],
      [file({ contents: { source: 'gs://h/x' } }, '3.1.0'), /gs since version 3\.2\.0/],
      [file({ contents: { source: '/x' } }), /a source is a URL/],
      [file({ contents: { source: 'http:///x' } }), /names no host/],
      [file({ contents: { source: 'data:;base64,*' } }), /no data URL/],
      [file({ contents: { source: 'data:,a b' } }), /no spaces/],
      [file({ contents: { source: 'data:,a', compression: 'xz' } }), /gzip, or nothing/],
      [
        file({ contents: { source: 'data:,a', verification: { hash: 'sha512-aa' } } }),
        /128 hexadecimal digits/,
      ],
      [
        file(
          { contents: { source: 'data:,a', verification: { hash: `sha256-${'a'.repeat(64)}` } } },
          '3.0.0',
        ),
        /sha512-<digits>$/,
      ],
      [file({ contents: { verification: { hash: `sha512-${'a'.repeat(128)}` } } }), /verifies nothing/],
      [file({ contents: { source: 'data:,a', httpHeaders: [{ name: 'A' }] } }), /only http and https/],
      [
        json({ storage: { files: [{ path: '/a' }], links: [{ path: '/a', target: '/b' }] } }),
        /`\/a` stands in files\[0\] already/,
      ],
      [
        json({ storage: { files: [{ path: '/a/b/c' }], links: [{ path: '/a', target: '/b' }] } }),
        /`\/a` above it is a link \(links\[0\]\)/,
      ],
      [json({ storage: { files: [{ path: '/a' }, { path: '/a/b' }] } }), /`\/a` above it is a file/],
      [
        json({
          storage: { links: [{ path: '/a', target: '/d', hard: true }], directories: [{ path: '/d' }] },
        }),
        /no hard links/,
      ],
      [json({ storage: { links: [{ path: '/a' }] } }), /the key "target" is missing/],
      [
        json({
          storage: { files: [{ path: '/etc/systemd/system/a.service' }] },
          systemd: { units: [{ name: 'a.service', contents: '[Unit]\n' }] },
        }),
        /is written by systemd\.units/,
      ],
      [disk({ number: 1 }, { number: 1 }), /entry \[0\] of this list has the same/],
      [disk({ label: 'a' }, { label: 'a' }), /has the same/],
      [disk({}), /a number from 1 on, or a label/],
      [disk({ label: 'a:b' }), /at its colon/],
      [disk({ label: 'a'.repeat(37) }), /longer than 36/],
      [disk({ number: 1, guid: 'x' }), /a GUID has the form/],
      [
        disk({ number: 1, startMiB: 1, sizeMiB: 10 }, { number: 2, startMiB: 10, sizeMiB: 1 }),
        /overlaps partitions\[0\]/,
      ],
      [disk({ number: 1, shouldExist: false, label: 'x' }), /named by its number/],
      [json({ storage: { filesystems: [{ device: '/dev/a', format: 'zfs' }] } }), /the format is one of/],
      [
        json({ storage: { filesystems: [{ device: '/dev/a', format: 'none' }] } }, '3.2.0'),
        /the format is one of/,
      ],
      [
        json({ storage: { filesystems: [{ device: '/dev/a', format: 'xfs', label: 'thirteen-long' }] } }),
        /at most 12/,
      ],
      [
        json({ storage: { raid: [{ name: 'a', level: 'raid0', devices: ['/dev/a'], spares: 1 }] } }),
        /no spares/,
      ],
      [json({ storage: { luks: [{ name: 'a/b', device: '/dev/a' }] } }), /no slash/],
      [
        unit({ enabled: true, contents: '[Service]\nExecStart=/bin/true\n' }),
        /"systemd\.units\[0\]\.enabled": unit `a\.service` has no \[Install\] section/,
      ],
      [unit({ contents: '[Unit]\nnonsense\n' }), /line 2 of the unit/],
      [unit({ dropins: [{ name: 'a' }] }), /a drop-in ends in \.conf/],
      [unit({ mask: true, contents: '[Unit]\n' }), /a masked unit has no contents/],
      [json({ systemd: { units: [{ name: 'a' }] } }), /no unit name/],
      [
        json({ systemd: { units: [{ name: '10-a.network', contents: '[Match]\nName=a' }] } }),
        /write it as a file/,
      ],
      [user({ sshAuthorizedKeys: ['nonsense'] }), /no line of authorized_keys/],
      [user({ passwordHash: 'correct horse' }), /no hash of crypt/],
      [user({ name: 'a b' }), /a name is of letters/],
      [user({ groups: ['a', 'a'] }), /has the same/],
      ['- a\n', /neither JSON.*nor a YAML that says its `variant`/],
      ['variant: rhcos\n', /^1:1: this variant is not known Known: fcos or flatcar/],
      ['variant: fcos\n', /the `version` is missing Known of fcos: 1\.0\.0, /],
      ['variant: fcos\nversion: 9.0.0\n', /^2:1: this version of fcos is not known/],
      [
        butane('storage:\n  files:\n    - path: /a\n      contents: { local: x }\n'),
        /^6:19: "storage\.files\[\]\.contents\.local": a template has no files beside it/,
      ],
      [butane('storage: { trees: [] }\n'), /no folders beside it/],
      [butane('boot_device: {}\n'), /boot_device is not converted/],
      [
        butane('storage:\n  files:\n    - path: /a\n      contents: { inline: x, source: "data:,x" }\n'),
        /^6:19: .*instead of a source/,
      ],
      [
        butane('storage:\n  files:\n    - path: /a\n      mode: 644\n'),
        /^6:7: "storage\.files\[0\]\.mode": 644 is read as a decimal/,
      ],
      [
        butane('storage: { filesystems: [{ device: /dev/a, format: ext4, with_mount_unit: true }] }\n'),
        /needs a path/,
      ],
      [
        butane('storage: { filesystems: [{ device: /dev/a, format: ext4, wipeFilesystem: true }] }\n'),
        /did you mean "wipe_filesystem"/,
      ],
      [
        butane('passwd: { users: [{ name: core, ssh_authorized_keys: [x] }] }\n'),
        /"passwd\.users\[0\]\.ssh_authorized_keys\[0\]": this is no line/,
      ],
      [
        butane('kernel_arguments: {}\n', 'variant: fcos\nversion: 1.1.0\n'),
        /version 3\.3\.0; this is 3\.1\.0/,
      ],
      [butane('a: 1\na: 2\n'), /twice/],
    ];
    for (const [text, expected] of table) t.match(problemsOf(text)[0] ?? 'no problem', expected, text);
  },
);

t.test("Butane's YAML becomes the JSON that it means", async (t) => {
  const { config, problems } = readIgnition(
    butane(`storage:
  disks:
    - { device: /dev/sda, wipe_table: true, partitions: [{ number: 1, size_mib: 100, start_mib: 0, type_guid: '0FC63DAF-8483-4772-8E79-3D69D8477DE4' }] }
  filesystems:
    - { device: /dev/sda1, format: ext4, path: /var/lib/my-x, with_mount_unit: true, wipe_filesystem: true }
    - { device: /dev/sdb, format: swap, with_mount_unit: true }
  files:
    - path: /etc/a
      mode: 0600
      contents:
        inline: |
          100 % of it? #1
    - { path: /etc/b, mode: 420, append: [{ source: 'http://h/x', http_headers: [{ name: A, value: b }] }] }
passwd:
  users: [{ name: core, password_hash: '$6$a$b', home_dir: /h, no_create_home: true }]
kernel_arguments: { should_exist: [quiet] }
ignition: { timeouts: { http_total: 3 } }
`),
    'c',
  );
  t.strictSame(problems, []);
  t.match(config, {
    ignition: { version: '3.3.0', timeouts: { httpTotal: 3 } },
    storage: {
      disks: [
        { device: '/dev/sda', wipeTable: true, partitions: [{ number: 1, sizeMiB: 100, startMiB: 0 }] },
      ],
      filesystems: [
        { device: '/dev/sda1', path: '/var/lib/my-x', wipeFilesystem: true },
        { device: '/dev/sdb' },
      ],
      files: [
        { path: '/etc/a', mode: 0o600, contents: { source: 'data:,100%20%25%20of%20it%3F%20%231%0A' } },
        {
          path: '/etc/b',
          mode: 0o644,
          append: [{ source: 'http://h/x', httpHeaders: [{ name: 'A', value: 'b' }] }],
        },
      ],
    },
    passwd: { users: [{ name: 'core', passwordHash: '$6$a$b', homeDir: '/h', noCreateHome: true }] },
    kernelArguments: { shouldExist: ['quiet'] },
    systemd: {
      units: [
        {
          name: 'var-lib-my\\x2dx.mount',
          enabled: true,
          contents: /^Where=\/var\/lib\/my-x\nWhat=\/dev\/sda1$/m,
        },
        { name: 'dev-sdb.swap', enabled: true, contents: /^What=\/dev\/sdb$/m },
      ],
    },
  });
  t.notMatch(JSON.stringify(config), /with_mount_unit|withMountUnit/);
});

t.test('fields of later versions are taken by those versions', async (t) => {
  const later = {
    storage: { luks: [{ name: 'a', device: '/dev/a', discard: true, cex: { enabled: true } }] },
  };
  t.match(problemsOf(json(later, '3.4.0'))[0], /"storage\.luks\[\]\.cex" is a field of .* 3\.5\.0/);
  t.strictSame(problemsOf(json(later, '3.5.0')), []);
  t.strictSame(
    problemsOf(file({ mode: 0o1777, contents: { source: 'arn:aws:s3:::bucket/object' } }, '3.4.0')),
    [],
  );
});

t.test('no message quotes what may be a secret', async (t) => {
  const secret = 'correct-horse-battery';
  for (const text of [
    user({ passwordHash: secret }),
    user({ sshAuthorizedKeys: [secret, secret] }),
    file({ contents: { source: secret } }),
    file({ contents: { source: `data:;base64,${secret}!` } }),
    file({ contents: { source: `http://h/${secret} x` } }),
    file({ contents: secret }),
    unit({ contents: `[Unit]\n${secret}` }),
    file({ contents: { source: 'http://h/', httpHeaders: [{ name: 'A', value: `${secret}\n` }] } }),
    `{"ignition": {"version": "3.3.0"}, "storage": "${secret}}`,
    butane(`storage: { files: [{ path: /a, contents: ${secret} }] }\n`),
    butane(`storage: { files: [{ path: /a, contents: { inline: [${secret}] } }] }\n`),
  ]) {
    const found = problemsOf(text);
    t.not(found.length, 0, text);
    t.notMatch(found.join(' '), /horse/);
  }
});
