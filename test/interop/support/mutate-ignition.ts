import fc from 'fast-check';

const hash = `sha512-${'a'.repeat(128)}`;
const unit = '[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n';

/** An Ignition config of version 3.3.0 with nearly every field in it; sound. */
export const FULL_IGNITION = {
  ignition: {
    version: '3.3.0',
    config: {
      merge: [{ source: 'http://10.77.0.1/a.ign', verification: { hash }, compression: 'gzip' }],
      replace: { source: 'https://10.77.0.1/b.ign', httpHeaders: [{ name: 'X-A', value: 'b' }] },
    },
    timeouts: { httpResponseHeaders: 10, httpTotal: 0 },
    security: { tls: { certificateAuthorities: [{ source: 'data:,PEM' }] } },
    proxy: { httpProxy: 'http://p:3128', httpsProxy: 'https://p', noProxy: ['10.0.0.0/8', '.x'] },
  },
  storage: {
    disks: [
      {
        device: '/dev/sda',
        wipeTable: true,
        partitions: [
          {
            label: 'a',
            number: 1,
            sizeMiB: 100,
            startMiB: 1,
            typeGuid: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
          },
          { label: 'b', number: 2, sizeMiB: 100, startMiB: 200, wipePartitionEntry: true, resize: true },
          { label: 'c', number: 0, sizeMiB: 0, startMiB: 0, guid: '01234567-89ab-cdef-edcb-a98765432101' },
        ],
      },
      { device: '/dev/sdb', partitions: [{ number: 3, shouldExist: false, wipePartitionEntry: true }] },
    ],
    raid: [
      {
        name: 'md0',
        level: 'raid1',
        devices: ['/dev/sdc', '/dev/sdd', '/dev/sde'],
        spares: 1,
        options: ['-x'],
      },
    ],
    filesystems: [
      {
        device: '/dev/sda1',
        format: 'ext4',
        path: '/srv',
        label: 'srv',
        uuid: 'x',
        wipeFilesystem: true,
        options: ['-q'],
        mountOptions: ['ro'],
      },
      { device: '/dev/sda2', format: 'xfs', label: 'twelve-bytes', path: '/var/lib/x' },
      { device: '/dev/sda3', format: 'swap' },
      { device: '/dev/sdf', format: 'none', wipeFilesystem: true },
    ],
    files: [
      {
        path: '/etc/a',
        mode: 420,
        overwrite: true,
        contents: { source: 'data:,hi', verification: { hash }, compression: '' },
        user: { id: 0 },
        group: { name: 'root' },
      },
      {
        path: '/etc/b',
        append: [
          { source: 'data:;base64,aGk=' },
          { source: 'http://10.77.0.1/x', httpHeaders: [{ name: 'A', value: 'b' }] },
        ],
      },
      { path: '/opt/d/c', contents: { source: 'tftp://10.77.0.1/x' } },
      { path: '/opt/e', contents: { source: 's3://bucket/key' } },
    ],
    directories: [{ path: '/opt/d', mode: 493, overwrite: false, user: { name: 'core' } }],
    links: [
      { path: '/etc/l', target: '/etc/a', overwrite: true, user: { id: 0 }, group: { id: 0 } },
      { path: '/etc/h', target: 'a', hard: true },
    ],
    luks: [
      {
        name: 'data',
        device: '/dev/sdg',
        label: 'l',
        uuid: 'u',
        wipeVolume: true,
        options: ['-x'],
        keyFile: { source: 'data:,key' },
        clevis: { tang: [{ url: 'http://tang', thumbprint: 't' }], tpm2: true, threshold: 2 },
      },
      {
        name: 'other',
        device: '/dev/sdh',
        clevis: { custom: { pin: 'sss', config: '{}', needsNetwork: true } },
      },
    ],
  },
  systemd: {
    units: [
      { name: 'a.service', enabled: true, contents: unit },
      { name: 'b.service', mask: true },
      { name: 'c.timer', enabled: true },
      { name: 'docker.service', dropins: [{ name: '10-a.conf', contents: '[Service]\nEnvironment=A=b\n' }] },
    ],
  },
  passwd: {
    users: [
      {
        name: 'core',
        passwordHash: '$6$salt$hash',
        sshAuthorizedKeys: ['ssh-ed25519 AAAA a', 'ssh-rsa BBBB b'],
        uid: 1000,
        gecos: 'C',
        homeDir: '/home/core',
        noCreateHome: false,
        primaryGroup: 'core',
        groups: ['sudo', 'docker'],
        noUserGroup: true,
        noLogInit: true,
        shell: '/bin/bash',
        system: false,
      },
      { name: 'gone', shouldExist: false },
    ],
    groups: [{ name: 'ops', gid: 990, passwordHash: '*', system: true, shouldExist: true }],
  },
  kernelArguments: { shouldExist: ['quiet', 'a=b'], shouldNotExist: ['debug'] },
};

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Path = readonly (string | number)[];

function pathsOf(value: Json, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [
    path,
    ...Object.entries(value).flatMap(([key, inner]) =>
      pathsOf(inner, [...path, Array.isArray(value) ? Number(key) : key]),
    ),
  ];
}

const POOL: readonly Json[] = [
  '',
  'x',
  '/',
  '/etc/a',
  '/etc/a/b',
  '/etc//a',
  '/etc/../a',
  '/etc/l/x',
  '/opt/d',
  'etc/a',
  '/etc/systemd/system/a.service',
  '/etc/systemd/system/docker.service.d/10-a.conf',
  'a:b',
  'http://',
  'http:',
  'http://h:x/',
  'ftp://h/x',
  'data:',
  'data:;base64,*',
  'data:,%zz',
  'gs://b/k',
  'oem:///x',
  's3://b/k?versionId=',
  '://',
  'data:,a b',
  'http://h/%zz',
  'http://h/\u0001',
  'sha512-aa',
  'sha256-' + 'b'.repeat(64),
  'md5-x',
  hash,
  'gzip',
  'xz',
  'ext4',
  'vfat',
  'none',
  'swap',
  'a label that is much too long for anything',
  'a.service',
  'b.service',
  'a.conf',
  'a.foo',
  '.service',
  '[Unit',
  '[Unit]\nfoo',
  'foo=bar',
  '[Unit]\nA=\\\n',
  '[Unit]\nA=' + 'x'.repeat(3000),
  '[Unit]x\nA=b',
  'garbage',
  '[]',
  '[Unit]\n = x',
  '[Service]\n=x',
  '[Unit]\nA=b\\',
  '#x',
  '[A]\n[B]\n',
  ' [A]\nb=c',
  '[A]\n b=c',
  'raid0',
  'raid7',
  'linear',
  'tpm2',
  'md0',
  'core',
  'ops',
  'data',
  'a',
  'b',
  '0FC63DAF-8483',
  '01234567-89ab-cdef-edcb-a98765432101',
  '/dev/sda',
  '/dev/sdc',
  '/dev/sdg',
  'http://tang',
  'A',
  'X-A',
  'ssh-rsa BBBB b',
  'sudo',
  '10.0.0.0/8',
  0,
  1,
  2,
  3,
  100,
  420,
  511,
  644,
  755,
  4095,
  4096,
  -1,
  129,
  150,
  201,
  1.5,
  true,
  false,
  null,
  [],
  {},
  '3.0.0',
  '3.1.0',
  '3.2.0',
  '3.3.0',
  '3.6.0',
  '2.3.0',
  '3.3.0-experimental',
];

function change(value: Json, [first, ...rest]: Path, by: (old: Json | undefined) => Json | undefined): Json {
  if (first === undefined) return by(value) ?? null;
  if (Array.isArray(value)) {
    const list = [...(value as readonly Json[])];
    const made = rest.length === 0 ? by(list[Number(first)]) : change(list[Number(first)] ?? null, rest, by);
    if (made === undefined) list.splice(Number(first), 1);
    else list[Number(first)] = made;
    return list;
  }
  const map = { ...(value as { readonly [key: string]: Json }) };
  const made = rest.length === 0 ? by(map[first]) : change(map[first] ?? null, rest, by);
  if (made === undefined) delete map[first];
  else map[first] = made;
  return map;
}

const PATHS = pathsOf(FULL_IGNITION as unknown as Json).filter((path) => path.length > 0);

interface Step {
  readonly path: Path;
  readonly kind: 'set' | 'delete' | 'double' | 'unknown';
  readonly value: Json;
}

function apply(config: Json, { path, kind, value }: Step): Json {
  if (!pathsOf(config).some((known) => JSON.stringify(known) === JSON.stringify(path))) return config;
  switch (kind) {
    case 'set':
      return change(config, path, () => value);
    case 'delete':
      return change(config, path, () => undefined);
    case 'double':
      return change(config, path, (old) =>
        Array.isArray(old) && old[0] !== undefined
          ? [...(old as readonly Json[]), (old as readonly Json[])[0] ?? null]
          : old,
      );
    case 'unknown':
      return change(config, path, (old) =>
        typeof old === 'object' && old !== null && !Array.isArray(old)
          ? { ...(old as { readonly [key: string]: Json }), unknwon: 1 }
          : old,
      );
  }
}

/** That config with a few things changed, some of which Ignition refuses. */
export const mutatedIgnition: fc.Arbitrary<Json> = fc
  .array(
    fc.record<Step>({
      path: fc.constantFrom(...PATHS),
      kind: fc.oneof(
        { weight: 8, arbitrary: fc.constant('set' as const) },
        fc.constantFrom('delete' as const, 'double' as const, 'unknown' as const),
      ),
      value: fc.constantFrom(...POOL),
    }),
    { minLength: 1, maxLength: 2 },
  )
  .map((steps) => steps.reduce<Json>(apply, FULL_IGNITION as unknown as Json));
