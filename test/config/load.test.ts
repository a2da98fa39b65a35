import { execFileSync } from 'node:child_process';
import { chmod, lchown, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { generateSchemas, readSchema } from '../../schemas/generate.ts';
import { adminSocketCandidates, findConfigFile, loadConfig } from '../../src/config/load.ts';
import { KNOWN_ELSEWHERE, MOVED_KEYS } from '../../src/config/moved-keys.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { parseDuration, parseSize } from '../../src/document/parse-units.ts';
import { formatProblem, type TinderboxError } from '../../src/errors.ts';
import { formatIpv4, formatNetwork, formatRange } from '../../src/machine/ipv4.ts';

const HEAD = 'network: { interface: enp0s8 }\n';

function resolve(text: string, env: Record<string, string> = {}) {
  return resolveConfig({ file: '/etc/tb/tinderbox.yaml', content: text, folder: '/etc/tb', env });
}
function problemsOf(text: string): string[] {
  return resolve(text).problems.map((problem) =>
    formatProblem(problem)
      .replace('/etc/tb/tinderbox.yaml', 'f')
      .replace(/\n {4}/, ' | '),
  );
}
async function rejection(promise: Promise<unknown>): Promise<TinderboxError> {
  return promise.then(
    () => {
      throw new Error('it was accepted');
    },
    (error: unknown) => error as TinderboxError,
  );
}

t.test('the whole example of the design resolves', (t) => {
  const { config, problems } = resolve(`network:
  interface: enp0s8
dhcp:
  mode: proxy
  range: 10.77.0.100-10.77.0.200
  leaseTime: 1h
  router: 10.77.0.1
  dns: [10.77.0.1]
  domain: cluster.local
http:  { port: 80 }
tftp:  { port: 69 }
admin: { listen: 127.0.0.1:8080 }
admission: open
cluster:
  name: kubernetes
  apiServer: https://10.77.0.1:6443
  podNetwork: 10.2.0.0/16
  serviceNetwork: 10.3.0.0/24
  dnsServiceIP: 10.3.0.10
  dnsDomain: cluster.local
paths: { profiles: ./profiles, assets: ./assets, state: ./var }
loaders: { bios: undionly.kpxe }
`);
  t.same(problems, []);
  t.same(config?.network.interfaces, ['enp0s8']);
  const subnet = config?.dhcp.subnets[0];
  t.same(subnet?.ranges.map(formatRange), ['10.77.0.100-10.77.0.200']);
  t.match(subnet, { leaseTime: 3600, domain: 'cluster.local', line: 3 });
  t.same(subnet?.dns.map(formatIpv4), ['10.77.0.1']);
  t.same(config?.admin, {
    listen: { host: '127.0.0.1', port: 8080 },
    socket: '/etc/tb/var/admin.sock',
    names: [],
  });
  t.same(config?.paths, { profiles: '/etc/tb/profiles', assets: '/etc/tb/assets', state: '/etc/tb/var' });
  t.equal(config?.loaders.get('bios'), 'undionly.kpxe');
  t.end();
});

t.test('syslog has a port, or is off', (t) => {
  t.same(resolve(`${HEAD}syslog: { port: off }\n`).config?.syslog, {});
  t.same(resolve(`${HEAD}syslog: { port: 5514 }\n`).config?.syslog, { port: 5514 });
  t.same(resolve(`${HEAD}syslog: {}\n`).config?.syslog, { port: 514 });
  for (const bad of ['0', '65536', 'on', '""']) {
    const { problems } = resolve(`${HEAD}syslog: { port: ${bad} }\n`);
    t.match(problems, [{ severity: 'error', message: /a port from 1 to 65535, or off|65535/ }], bad);
  }
  t.end();
});

t.test('an interface is all that must be said; the rest has defaults', (t) => {
  const { config, problems } = resolve(HEAD);
  t.same(problems, []);
  t.same(config, {
    file: '/etc/tb/tinderbox.yaml',
    network: { interfaces: ['enp0s8'] },
    dhcp: {
      mode: 'proxy',
      subnets: [],
      knownOnly: false,
      probeAddresses: true,
      uefiProxy: 'pxe',
      allowOtherServers: false,
      declineTime: 600,
      probe: 300,
      leaseDurability: 'disk',
    },
    http: {
      port: 80,
      queue: { places: 64, largerThan: 8_388_608 },
      cacheBytes: 536_870_912,
      sessionTime: 3600,
      strictAddress: false,
      matchbox: false,
    },
    assets: { mirrors: [] },
    tftp: { port: 69, maxTransfers: 2048 },
    syslog: { port: 514 },
    admin: { socket: '/etc/tb/var/admin.sock', names: [] },
    admission: 'open',
    stageTime: {},
    log: { level: 'info' },
    history: { keep: 7_776_000, maxSize: 500_000_000 },
    paths: { profiles: '/etc/tb/profiles', assets: '/etc/tb/assets', state: '/etc/tb/var' },
    loaders: new Map(),
  });
  t.end();
});

const queueOf = (text: string) => resolve(`${HEAD}http: { queue: { ${text} } }\n`);

t.test('the boot queue has as many places as it says, and may be off', (t) => {
  for (const [text, queue] of [
    ['', { places: 64, largerThan: 8_388_608 }],
    ['downloads: 1, largerThan: 1GB', { places: 1, largerThan: 1_000_000_000 }],
    ['largerThan: 0', { places: 64, largerThan: 0 }],
    ['downloads: off', undefined],
    ['downloads: 0', undefined],
  ] as const) {
    const { config, problems } = queueOf(text);
    t.same(problems, [], text);
    t.same(config?.http.queue, queue, text);
  }
  for (const text of ['downloads: -1', 'downloads: 1.5', 'downloads: 10001', 'downloads: many', 'places: 3'])
    t.equal(queueOf(text).config, undefined, text);
  t.end();
});

const probeOf = (value: string) => resolve(`${HEAD}dhcp: { probe: ${value} }\n`);

t.test('other DHCP servers are looked for as often as it says', (t) => {
  for (const [value, seconds] of [
    ['off', undefined],
    ['30', 30],
    ['1h', 3600],
    ['1d', 86_400],
  ] as const) {
    t.equal(probeOf(value).config?.dhcp.probe, seconds, value);
  }
  for (const value of ['0', 'never', '2d', '0s']) t.equal(probeOf(value).config, undefined, value);
  t.end();
});

t.test('derived values', (t) => {
  const cluster = resolve(`${HEAD}cluster: { apiServer: 'https://a:6443', serviceNetwork: 10.9.8.0/24 }\n`)
    .config?.cluster;
  t.equal(cluster?.dnsServiceIP, '10.9.8.10', 'the tenth address of the service network');
  t.equal(
    resolve(`${HEAD}http: { url: http://boot.example.net/ }\n`).config?.http.url,
    'http://boot.example.net',
  );
  const socket = (text: string, env = {}) => resolve(HEAD + text, env).config?.admin.socket;
  t.equal(
    socket('', { RUNTIME_DIRECTORY: '/run/tinderbox:/run/other' }),
    '/run/tinderbox/admin.sock',
    'as a service',
  );
  t.equal(
    socket('admin: { socket: x.sock }\n', { RUNTIME_DIRECTORY: '/run/tinderbox' }),
    '/etc/tb/x.sock',
    'as told',
  );
  const plain = resolve(HEAD).config;
  t.same(plain && adminSocketCandidates(plain), ['/etc/tb/var/admin.sock', '/run/tinderbox/admin.sock']);
  const subnets = resolve(`${HEAD}dhcp:
  mode: server
  leaseTime: 30m
  dns: 10.0.0.1
  subnets:
    - { network: 10.1.0.0/24, range: [10.1.0.10-10.1.0.20, 10.1.0.40-10.1.0.50] }
    - { range: 10.2.0.10-10.2.0.20, leaseTime: 120, mtu: 9000 }
`).config?.dhcp.subnets;
  t.same(
    subnets?.map((subnet) => [
      subnet.leaseTime,
      subnet.dns.map(formatIpv4),
      subnet.ranges.length,
      subnet.mtu,
      subnet.line,
    ]),
    [
      [1800, ['10.0.0.1'], 2, undefined, 7],
      [120, ['10.0.0.1'], 1, 9000, 8],
    ],
  );
  t.equal(subnets?.[0]?.network && formatNetwork(subnets[0].network), '10.1.0.0/24');
  t.end();
});

t.test('a bad configuration says where, what is wrong and what to do', (t) => {
  const server = `${HEAD}dhcp: { mode: server, range: 10.77.0.100-10.77.0.200`;
  const separate = 'Pods and services need networks of their own.';
  const table: readonly [string, string, readonly string[]][] = [
    [
      'no network',
      'dhcp: { mode: off }\n',
      ['f:1:1: the file: the key "network" is missing; expected a map with the keys interface'],
    ],
    ['an empty file', '', ['f:1:1: the file is empty; it needs: network']],
    [
      'an interface name',
      'network: { interface: "a/b" }\n',
      [
        'f:1:23: "network.interface": expected the name of a network interface, as `ip link` shows it; got "a/b"',
      ],
    ],
    [
      'the same interface twice',
      'network: { interface: [a, b, a] }\n',
      ['f:1:30: the interface a is there twice'],
    ],
    [
      'a slip in a key',
      `${HEAD}dhcp: { leastime: 1h }\n`,
      [
        'f:2:9: unknown key "leastime" in "dhcp"; did you mean "leaseTime"? allowed: mode, network, range, leaseTime, router, dns, domain, ntp, mtu, subnets, knownOnly, probeAddresses, uefiProxy, declineTime, probe, allowOtherServers, leaseDurability',
      ],
    ],
    [
      'server without a range',
      `${HEAD}dhcp: { mode: server }\n`,
      [
        'f:2:15: dhcp.mode is server, but there are no addresses to give | Add `range: FIRST-LAST` to dhcp, or `subnets:`; or let another server give addresses (mode: proxy).',
      ],
    ],
    [
      'a range backwards',
      `${HEAD}dhcp: { range: 10.77.0.200-10.77.0.100 }\n`,
      ['f:2:16: the range 10.77.0.200-10.77.0.100 runs backwards; the lower address comes first'],
    ],
    [
      'a range over several networks',
      `${HEAD}dhcp: { range: 10.77.0.100-10.79.0.200 }\n`,
      [
        'f:2:16: the range 10.77.0.100-10.79.0.200 has 131173 addresses: too many for one network | Give `network:` too if that is meant.',
      ],
    ],
    [
      'a range outside of its network',
      `${HEAD}dhcp: { network: 10.77.0.0/24, range: 10.77.0.100-10.77.1.20 }\n`,
      ['f:2:39: the range 10.77.0.100-10.77.1.20 leaves the network 10.77.0.0/24 (10.77.1.20)'],
    ],
    [
      'a router outside',
      `${HEAD}dhcp: { network: 10.77.0.0/24, range: 10.77.0.100-10.77.0.120, router: 10.78.0.1 }\n`,
      [
        'f:2:72: the router 10.78.0.1 is outside of the network 10.77.0.0/24 | Machines can only use a router that is in their own network.',
      ],
    ],
    [
      'overlapping ranges',
      `${HEAD}dhcp: { range: [10.77.0.100-10.77.0.120, 10.77.0.120-10.77.0.130] }\n`,
      [
        'f:2:16: the range 10.77.0.120-10.77.0.130 overlaps 10.77.0.100-10.77.0.120 (line 2) | Give every address in one range only.',
      ],
    ],
    [
      'overlapping networks',
      `${HEAD}dhcp:\n  subnets:\n    - { network: 10.77.0.0/24 }\n    - { network: 10.77.0.128/25 }\n`,
      ['f:5:18: the network 10.77.0.128/25 overlaps 10.77.0.0/24 (line 4)'],
    ],
    [
      'a network with host bits',
      `${HEAD}dhcp: { network: 10.77.0.1/24 }\n`,
      ['f:2:18: 10.77.0.1/24 is an address within a network, not a network; did you mean 10.77.0.0/24?'],
    ],
    [
      'range and subnets',
      `${server}, subnets: [{ network: 10.77.0.0/24 }] }\n`,
      ['f:2:23: dhcp.range and dhcp.subnets are given both | Move range into an entry of subnets.'],
    ],
    [
      'a lease time',
      `${server}, leaseTime: 1 hour }\n`,
      ['f:2:66: "dhcp.leaseTime": expected a time such as 30m, 1h, 1d or 3600 (seconds); got "1 hour"'],
    ],
    [
      'a lease too short',
      `${server}, leaseTime: 5s }\n`,
      ['f:2:66: a lease of 5 s; allowed: 60 s to 4294967294 s'],
    ],
    [
      'a cache size',
      `${HEAD}http: { cacheBytes: 512mb }\n`,
      ['f:2:21: "http.cacheBytes": expected a size such as 512MiB, 2GB or 0; got "512mb"'],
    ],
    [
      'a history too small',
      `${HEAD}history: { maxSize: 1MB }\n`,
      ['f:2:21: 1MB is less than 16MiB, which machines and leases may take'],
    ],
    [
      'a level',
      `${HEAD}log: { level: verbose }\n`,
      ['f:2:15: "log.level": expected one of trace, debug, info, warn, error; got "verbose"'],
    ],
    [
      'a port',
      `${HEAD}tftp: { port: 69000 }\n`,
      ['f:2:15: "tftp.port": expected a whole number from 0 to 65535; got the number 69000'],
    ],
    [
      'an admin port',
      `${HEAD}admin: { listen: 127.0.0.1:99999 }\n`,
      ['f:2:18: port 99999: expected a whole number from 0 to 65535'],
    ],
    [
      'an admin address',
      `${HEAD}admin: { listen: 127.0.0.300:80 }\n`,
      ['f:2:18: 127.0.0.300 is no IPv4 address'],
    ],
    [
      'an admin plane where machines are',
      `${HEAD}admin: { listen: 0.0.0.0:8080 }\n`,
      [
        'f:2:18: machines can reach the admin plane too at 0.0.0.0:8080 | Name the one address that people use.',
      ],
    ],
    [
      'an admin plane in the clear',
      `${HEAD}admin: { listen: 10.77.0.1:8080, tls: off }\n`,
      [
        'f:2:39: 10.77.0.1 can be reached from other hosts, and the token would go there in the clear | Leave admin.tls out (Tinderbox makes a certificate), or listen on 127.0.0.1.',
      ],
    ],
    [
      'a name that only looks like loopback',
      `${HEAD}admin: { listen: 127.evil.example:8080, tls: off }\n`,
      [
        'f:2:46: 127.evil.example can be reached from other hosts, and the token would go there in the clear | Leave admin.tls out (Tinderbox makes a certificate), or listen on 127.0.0.1.',
      ],
    ],
    [
      'a socket path too long',
      `${HEAD}admin: { socket: /${'x'.repeat(120)} }\n`,
      [
        `f:2:18: the path of the admin socket is longer than 107 bytes: /${'x'.repeat(120)} | Give a shorter one as admin.socket.`,
      ],
    ],
    [
      'pods and services',
      `${HEAD}cluster: { apiServer: 'https://a', podNetwork: 10.3.0.0/16 }\n`,
      [`f:2:48: podNetwork 10.3.0.0/16 and serviceNetwork 10.3.0.0/24 overlap | ${separate}`],
    ],
    [
      'pods and machines',
      `${HEAD}dhcp: { range: 10.2.0.100-10.2.0.120 }\ncluster: { apiServer: 'https://a', podNetwork: 10.2.0.0/16 }\n`,
      [`f:3:48: podNetwork 10.2.0.0/16 overlaps the machines' own addresses (line 2) | ${separate}`],
    ],
    [
      'cluster DNS',
      `${HEAD}cluster: { apiServer: 'https://a', dnsServiceIP: 10.4.0.10 }\n`,
      [
        'f:2:50: dnsServiceIP 10.4.0.10 is outside of serviceNetwork 10.3.0.0/24 | Leave it out to derive it.',
      ],
    ],
    [
      'cluster DNS at the API server',
      `${HEAD}cluster: { apiServer: 'https://a', dnsServiceIP: 10.3.0.1 }\n`,
      [
        "f:2:50: dnsServiceIP 10.3.0.1 is the first address of serviceNetwork, the API server's own | Leave it out to derive it.",
      ],
    ],
    [
      'cluster DNS that is no address of a service',
      `${HEAD}cluster: { apiServer: 'https://a', dnsServiceIP: 10.3.0.255 }\n`,
      [
        'f:2:50: dnsServiceIP 10.3.0.255 is the first or the last of serviceNetwork: no service can have it | Leave it out to derive it.',
      ],
    ],
    [
      'an API server among the pods',
      `${HEAD}cluster: { apiServer: 'https://10.2.0.1:6443' }\n`,
      [`f:2:23: the API server is at 10.2.0.1, inside of podNetwork 10.2.0.0/16 | ${separate}`],
    ],
    [
      'a controller among the services',
      `${HEAD}cluster: { apiServer: 'https://a', controllers: [{ hostname: m-1, address: 10.3.0.7 }] }\n`,
      [`f:2:50: m-1 is at 10.3.0.7, inside of serviceNetwork 10.3.0.0/24 | ${separate}`],
    ],
    [
      'two members of one name',
      `${HEAD}cluster: { apiServer: 'https://a', etcd: [{ hostname: e-1, address: 10.77.0.7 }, { hostname: E-1, address: 10.77.0.8 }] }\n`,
      ['f:2:82: e-1 (10.77.0.8) has the name or the address of e-1 | Give each its own.'],
    ],
    [
      'pods of one node',
      `${HEAD}cluster: { apiServer: 'https://a', podNetwork: 10.2.0.0/24 }\n`,
      [
        'f:2:48: podNetwork 10.2.0.0/24 has room for one node: each gets a /24 of it | Give a larger one: 10.2.0.0/16 holds 256 nodes.',
      ],
    ],
    ...(['25', '26', '30'] as const).map((prefix): [string, string, string[]] => [
      `pods of less than a node: /${prefix}`,
      `${HEAD}cluster: { apiServer: 'https://a', podNetwork: 10.2.0.0/${prefix} }\n`,
      [
        `f:2:48: podNetwork 10.2.0.0/${prefix} is smaller than the /24 that each node gets of it | Give a larger one: 10.2.0.0/16 holds 256 nodes.`,
      ],
    ]),
    ...(
      [
        ['https://127.0.0.1:6443', 'at 127.0.0.1 each machine would look for the API server on itself'],
        ['https://127.1', 'at 127.0.0.1 each machine would look for the API server on itself'],
        ['https://localhost:6443', 'at localhost each machine would look for the API server on itself'],
        ['https://api.localhost', 'at api.localhost each machine would look for the API server on itself'],
        ['https://0.0.0.0:6443', 'at 0.0.0.0 each machine would look for the API server on itself'],
        [
          'https://api_x.example.org',
          'api_x.example.org is no host name (RFC 1123): no certificate can name it',
        ],
        ['https://[::1]:6443', '[::1] is an IPv6 address: machines have IPv4'],
        ['https://[::1', 'https://[::1 is no URL'],
        ['https://a:99999', 'https://a:99999 is no URL'],
        ['https://10.77.0.300', 'https://10.77.0.300 is no URL'],
      ] as const
    ).map(([url, message]): [string, string, string[]] => [
      `an API server nobody reaches: ${url}`,
      `${HEAD}cluster: { apiServer: '${url}' }\n`,
      [
        `f:2:23: ${message} | ${
          message.endsWith('itself')
            ? 'Give the address or the name at which machines reach it.'
            : 'Write it as https://10.77.0.1:6443 or https://kubernetes.example.org:6443.'
        }`,
      ],
    ]),
    [
      'a member of etcd that is another host as a controller',
      `${HEAD}cluster:\n  apiServer: https://a\n  controllers: [{ hostname: m-1, address: 10.77.0.7 }]\n  etcd: [{ hostname: m-1, address: 10.77.0.8 }]\n`,
      [
        'f:5:10: m-1 (10.77.0.8) is m-1 (10.77.0.7) in cluster.controllers (line 4) | One host has one name and one address.',
      ],
    ],
    [
      'a loader outside',
      `${HEAD}loaders: { bios: ../x }\n`,
      [
        'f:2:18: "loaders.bios": expected a file name such as undionly.kpxe, relative and without .., of at most 127 characters; got "../x"',
      ],
    ],
    [
      'two loaders that claim an architecture',
      `${HEAD}secureBoot: true\nloaders: { bios: x.pxe, uefi-x64: snponly.efi }\n`,
      ['f:3:35: two loaders claim uefi-x64: snponly.efi, and by secureBoot shimx64.efi'],
    ],
    [
      'one architecture twice',
      `${HEAD}loaders:\n  uefi-x64: a.efi\n  uefi-x64: b.efi\n`,
      ['f:4:3: the key "uefi-x64" is there twice; first on line 3'],
    ],
    [
      'an unknown loader',
      `${HEAD}loaders: { uefi-x65: x }\n`,
      ['f:2:12: unknown key "uefi-x65" in "loaders"; did you mean "uefi-x64"?'],
    ],
    [
      'all at once',
      `${HEAD}admission: opn\nhttp: { port: no }\n`,
      [
        'f:2:12: "admission": expected one of open, approve, listed; got "opn"',
        'f:3:15: "http.port": expected a whole number from 0 to 65535; got "no"',
      ],
    ],
  ];
  for (const [name, text, expected] of table) {
    const got = problemsOf(text);
    t.equal(got.length, expected.length, `${name}: ${got.join('; ')}`);
    // The list of loaders is long and grows.
    t.same(
      got.map((line) => line.replace(/ allowed: bios.*/, '')),
      expected,
      name,
    );
  }
  t.end();
});

const cluster = (name: string): string =>
  `${HEAD}cluster: { name: ${JSON.stringify(name)}, apiServer: 'https://a' }\n`;

t.test('the name of a cluster is a word that kubeconfig files and commands can hold', (t) => {
  for (const name of ['kubernetes', 'rack-1', 'Lab.example.org', 'x'.repeat(63)]) {
    t.same(problemsOf(cluster(name)), [], name);
  }
  for (const name of ['my cluster', 'a/b', '-a', 'a.', '', 'ü', 'x'.repeat(64)]) {
    t.match(
      problemsOf(cluster(name)),
      [
        /^f:2:18: "cluster\.name": expected a name of letters, .* such as rack-1, of at most 63 characters; got/,
      ],
      name,
    );
  }
  t.end();
});

t.test('times and sizes', (t) => {
  const times: [string | number, number | undefined][] = [
    ['1h', 3600],
    ['30m', 1800],
    ['3600', 3600],
    [3600, 3600],
    ['90s', 90],
    ['2d', 172_800],
    ['1w', undefined],
    ['', undefined],
    ['-1h', undefined],
    ['1 h', undefined],
    ['constructor', undefined],
  ];
  for (const [text, seconds] of times) t.equal(parseDuration(text), seconds, String(text));
  const sizes: [string | number, number | undefined][] = [
    ['512MiB', 536_870_912],
    ['2GB', 2e9],
    ['0', 0],
    [10, 10],
    ['1kB', 1000],
    ['1mb', undefined],
    ['999999999999999GiB', undefined],
  ];
  for (const [text, size] of sizes) t.equal(parseSize(text), size, String(text));
  t.end();
});

t.test('root passes over a tinderbox.yaml of somebody else in the working folder, and says so', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'tinderbox-doubt-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [local, systemFile] = [join(dir, 'tinderbox.yaml'), join(dir, 'etc.yaml')];
  await writeFile(systemFile, HEAD);
  await writeFile(local, HEAD, { mode: 0o644 });
  if (process.geteuid?.() === 0) await lchown(local, 1000, 1000);
  const owner = (await stat(local)).uid;
  const find = async (uid: number, env = {}, flag?: string) => {
    const said: string[] = [];
    const warn = (problem: Parameters<typeof formatProblem>[0]) => void said.push(formatProblem(problem));
    return [await findConfigFile({ flag, env, uid, warn, cwd: dir, systemFile }), ...said];
  };
  const sudo = { SUDO_UID: String(owner) };
  const said = `${local}: is passed over, since it belongs to another user (${owner}), and this runs as root\n    If it is meant: --config ${local}`;
  t.same(await find(0), [systemFile, said]);
  t.same(await find(0, { SUDO_UID: '4242' }), [systemFile, said]);
  t.same(await find(0, sudo), [local], 'who runs sudo is the operator');
  t.same(await find(0, {}, local), [local], 'it was named');
  t.same(await find(4242), [local], 'anybody else harms nobody but themselves');
  await chmod(local, 0o664);
  t.match(await find(0, sudo), [systemFile, /others than its owner may write it/]);
  await chmod(local, 0o644);
  await rm(systemFile);
  const none = await rejection(find(0));
  t.match(none, { code: 'not-found', message: `${local} is passed over, and ${systemFile} does not exist` });
  if (process.geteuid?.() !== 0) return;
  await writeFile(systemFile, HEAD);
  await rm(local);
  await symlink('/etc/hostname', local);
  t.same(await find(0), [local], "root's link to root's file");
  await lchown(local, 1000, 1000);
  t.match(await find(0), [systemFile, /belongs to another user \(1000\)/]);
});

const tlsOf = (admin: string) => resolve(`${HEAD}admin: { ${admin} }\n`).config?.admin.tls;

t.test('beyond loopback the admin plane speaks TLS, whether that is said or not', (t) => {
  t.equal(tlsOf('listen: 127.0.0.1:8080'), undefined);
  t.equal(tlsOf('listen: "[::1]:8080"'), undefined);
  t.equal(tlsOf('listen: localhost:8080, tls: off'), undefined);
  t.equal(tlsOf('tls: own'), undefined, 'nobody listens');
  t.same(tlsOf('listen: 127.0.0.1:8080, tls: own'), { kind: 'own' });
  t.same(tlsOf('listen: 10.77.0.1:8080'), { kind: 'own' });
  t.same(tlsOf('listen: boot.example.net:8443, tls: { certificate: a.pem, key: /k.pem }'), {
    kind: 'files',
    certificate: '/etc/tb/a.pem',
    key: '/k.pem',
  });
  t.end();
});

t.test('files are found in order, and read or refused', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'tb-config-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const local = join(dir, 'tinderbox.yaml');
  const systemFile = join(dir, 'etc.yaml');
  const find = (flag?: string, env = {}) => findConfigFile({ flag, env, cwd: dir, systemFile });
  const none = await rejection(find());
  t.equal(none.code, 'not-found');
  t.equal(none.message, `there is no configuration: neither ${local} nor ${systemFile} exists`);
  t.match(none.remedy, /--config FILE or \$TINDERBOX_CONFIG, or write a first one: sudo tinderbox init$/);
  await writeFile(systemFile, HEAD);
  t.equal(await find(), systemFile);
  await writeFile(local, `${HEAD}admin: { listen: 0.0.0.0:8080 }\n`);
  t.equal(await find(), local);
  t.equal(
    await find(undefined, { TINDERBOX_CONFIG: 'other.yaml' }),
    join(dir, 'other.yaml'),
    'named, so it is that one',
  );
  t.equal(await find('flag.yaml', { TINDERBOX_CONFIG: 'other.yaml' }), join(dir, 'flag.yaml'));

  const { config, warnings } = await loadConfig(local, {});
  t.equal(config.paths.state, join(dir, 'var'));
  t.equal(warnings.length, 1);
  const missing = await rejection(loadConfig(join(dir, 'no.yaml'), {}));
  t.same([missing.code, missing.message], ['not-found', `${join(dir, 'no.yaml')}: there is no such file`]);
  t.match(missing.remedy, 'A first one is written by `tinderbox init`');
  await mkdir(join(dir, 'folder'));
  t.equal(
    (await rejection(loadConfig(join(dir, 'folder'), {}))).message,
    `${join(dir, 'folder')}: this is a folder, not a file`,
  );
  await writeFile(local, 'network: { interface: a }\nx: 1\ny: 2\n');
  const broken = await rejection(loadConfig(local, {}));
  t.equal(broken.code, 'invalid-config');
  t.equal(broken.problems.length, 2);
  t.match(broken.message, /has 2 errors, the first: .*tinderbox\.yaml:2:1: unknown key "x"/);
  await writeFile(local, Buffer.alloc(1_100_000, 'a'));
  t.match((await rejection(loadConfig(local, {}))).message, /at most 1048576/);
  await chmod(local, 0o600);
});

t.test('the JSON Schemas that ship are those that the files are read with', (t) => {
  for (const [name, text] of generateSchemas()) {
    t.equal(readSchema(name), text, `${name} (node schemas/generate.ts)`);
    const schema = JSON.parse(text) as {
      examples?: unknown;
      properties: Record<string, { description?: string }>;
    };
    t.ok(Object.keys(schema.properties).length > 2, name);
  }
  const config = readSchema('tinderbox.schema.json');
  t.match(config, /"examples": \[\s+"10\.77\.0\.100-10\.77\.0\.200"/, 'editors have examples to complete');
  t.end();
});

t.test('what is no regular file is refused, and not waited for', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-config-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const rows: [string, string][] = [
    [fifo, 'this is no regular file'],
    ['/dev/zero', 'this is no regular file'],
    [folder, 'this is a folder, not a file'],
  ];
  for (const [file, message] of rows) {
    const error = await rejection(loadConfig(file));
    t.match(error, { code: 'invalid-config', problems: [{ file, message }] }, file);
  }
});

t.test('a key that has moved is said with its place, the new one and since when', (t) => {
  const text = `${HEAD}dhcp:\n  mode: server\n  subnets:\n    - { range: 10.77.0.9-10.77.0.10, lease: 1h }\n  proxyPort: 4011\n`;
  const moved = {
    'dhcp.proxyPort': { to: 'dhcp.proxy.port', since: '0.2.0' },
    'dhcp.subnets[].lease': { to: 'dhcp.subnets[].leaseTime', since: '0.3.0' },
  };
  const { config, problems } = resolveConfig({ file: 'f', content: text, folder: '/', env: {} }, moved);
  t.equal(config, undefined);
  t.same(problems.map(formatProblem), [
    'f:5:38: dhcp.subnets[].lease is now dhcp.subnets[].leaseTime\n    Move it there, with its value (since 0.3.0; CHANGELOG.md says why).',
    'f:6:3: dhcp.proxyPort is now dhcp.proxy.port\n    Move it there, with its value (since 0.2.0; CHANGELOG.md says why).',
  ]);
  t.end();
});

type Node = { properties?: Record<string, Node>; items?: Node; anyOf?: Node[] };

function isKey(node: Node | undefined, path: readonly string[]): boolean {
  const [first, ...rest] = path;
  if (node === undefined || first === undefined) return node !== undefined;
  if (node.anyOf?.some((branch) => isKey(branch, path)) === true) return true;
  return first === '[]' ? isKey(node.items, rest) : isKey(node.properties?.[first], rest);
}

t.test('every key that has moved, or is called otherwise, leads to one that is there', (t) => {
  const schema = JSON.parse(readSchema('tinderbox.schema.json')) as Node;
  const words = [...Object.values(MOVED_KEYS).map(({ to }) => to), ...Object.values(KNOWN_ELSEWHERE)];
  for (const path of words) {
    if (path.startsWith('machines.yaml:')) continue;
    t.ok(isKey(schema, path.replaceAll('[]', '.[]').split('.')), path);
  }
  for (const path of [...Object.keys(MOVED_KEYS), ...Object.keys(KNOWN_ELSEWHERE)])
    t.notOk(isKey(schema, path.replaceAll('[]', '.[]').split('.')), `${path} is no key of today`);
  t.end();
});

t.test("what other programs call it is answered with Tinderbox's word", (t) => {
  t.same(
    problemsOf(
      'interfaces: [eth0]\nnetwork: { interface: eth0 }\ndhcp: { lease_time: 1h, gateway: 10.0.0.1 }\nhttp: { listen: 80 }\n',
    ),
    [
      'f:1:1: interfaces is called network.interface here',
      'f:3:9: dhcp.lease_time is called dhcp.leaseTime here',
      'f:3:25: dhcp.gateway is called dhcp.router here',
      'f:4:9: http.listen is called http.port here',
    ],
  );
  t.end();
});
