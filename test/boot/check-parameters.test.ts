import fc from 'fast-check';
import t from 'tap';
import { checkDeclarations, checkParameters } from '../../src/boot/check-parameters.ts';
import { PARAMETER_KINDS } from '../../src/boot/parameter-kinds.ts';
import { formatPath } from '../../src/document/located.ts';
import type { ParameterChecks, Parameters } from '../../src/machine/role.ts';

const PARAMETERS: Parameters = {
  image: 'flatcar',
  level: 3,
  loud: false,
  keys: [],
  labels: {},
  anything: null,
  addons: { network: 'flannel', dashboard: false, more: { deep: 1 } },
};
const say = (given: Parameters, checks: ParameterChecks = {}, parameters = PARAMETERS): readonly string[] =>
  checkParameters({ name: 'worker', parameters, checks }, given).map(
    ({ kind, path, message }) => `${kind} ${formatPath(path)}: ${message}`,
  );

t.test('what has the type of its default passes', async (t) => {
  const rows: readonly Parameters[] = [
    {},
    { image: '' },
    { level: -1.5 },
    { loud: true },
    { keys: ['a', 1] },
    { labels: { any: 'key', at: { all: [] } } },
    { anything: 1 },
    { anything: [{ a: null }] },
    { addons: {} },
    { addons: { dashboard: true } },
    { addons: { more: { deep: 2 } } },
  ];
  for (const given of rows) t.same(say(given), [], JSON.stringify(given));
});

t.test('what has another type, or a name that the role does not know, is named with its path', async (t) => {
  const rows: readonly [Parameters, string][] = [
    [
      { image: 2024 },
      'value image: the parameter image of role worker: expected text; got the number 2024 (text needs quotes here)',
    ],
    [{ image: null }, 'value image: the parameter image of role worker: expected text; got nothing'],
    [{ level: '3' }, 'value level: the parameter level of role worker: expected a number; got "3"'],
    [{ loud: 'yes' }, 'value loud: the parameter loud of role worker: expected true or false; got "yes"'],
    [{ keys: 'ssh-rsa' }, 'value keys: the parameter keys of role worker: expected a list; got "ssh-rsa"'],
    [{ labels: [] }, 'value labels: the parameter labels of role worker: expected a map; got a list'],
    [{ addons: true }, 'value addons: the parameter addons of role worker: expected a map; got true'],
    [
      { addons: { network: false } },
      'value addons.network: the parameter addons.network of role worker: expected text; got false (text needs quotes here)',
    ],
    [
      { addons: { more: { deep: {} } } },
      'value addons.more.deep: the parameter addons.more.deep of role worker: expected a number; got a map',
    ],
    [
      { imge: 'x' },
      'unknown imge: the role worker has no parameter "imge"; did you mean "image"? allowed: image, level, loud, keys, labels, anything, addons',
    ],
    [
      { constructor: 'x' },
      'unknown constructor: the role worker has no parameter "constructor"; allowed: image, level, loud, keys, labels, anything, addons',
    ],
    [
      { addons: { dashbord: true } },
      'unknown addons.dashbord: the role worker has no parameter "dashbord" in addons; did you mean "dashboard"? allowed: network, dashboard, more',
    ],
    [
      { dashboard: true },
      'value dashboard: the role worker has no parameter "dashboard"; did you mean "addons.dashboard"?',
    ],
  ];
  for (const [given, message] of rows) t.same(say(given), [message], JSON.stringify(given));
  t.same(say({ a: 1 }, {}, {}), ['unknown a: the role worker has no parameters, so not "a"']);
});

t.test('a check is one of some values, a kind, a range; of a list it is said of each entry', async (t) => {
  const checks: ParameterChecks = {
    image: ['auto', '', '<device>'],
    level: ['<1 to 100>'],
    keys: ['<address>'],
    'addons.network': ['flannel', 'calico', 'none'],
  };
  for (const given of [
    { image: 'auto' },
    { image: '' },
    { image: '/dev/sda' },
    { level: 1 },
    { level: 100 },
    { keys: ['10.0.0.1', '10.0.0.2'] },
    { addons: { network: 'none' } },
  ]) {
    t.same(say(given, checks), [], JSON.stringify(given));
  }
  const rows: readonly [Parameters, string][] = [
    [
      { image: 'atuo' },
      'value image: the parameter image of role worker: expected auto, or \'\', or the path of a disk such as /dev/sda or /dev/disk/by-id/…; got "atuo"; did you mean "auto"?',
    ],
    [
      { level: 0 },
      'value level: the parameter level of role worker: expected a whole number from 1 to 100; got the number 0',
    ],
    [
      { level: 1.5 },
      'value level: the parameter level of role worker: expected a whole number from 1 to 100; got the number 1.5',
    ],
    [
      { level: '50%' },
      'value level: the parameter level of role worker: expected a whole number from 1 to 100; got "50%"',
    ],
    [
      { keys: ['10.0.0.1', '10…'] },
      'value keys[1]: the parameter keys[1] of role worker: expected an IPv4 address such as 10.77.0.9; got "10…"',
    ],
    [
      { addons: { network: 'flanell' } },
      'value addons.network: the parameter addons.network of role worker: expected one of flannel, calico, none; got "flanell"; did you mean "flannel"?',
    ],
  ];
  for (const [given, message] of rows) t.same(say(given, checks), [message], JSON.stringify(given));
});

t.test('what a proxy may be asked with is not repeated', async (t) => {
  const [said = ''] = say({ image: 'http://ada:secret@a b' }, { image: ['', '<proxy-url>'] });
  t.match(said, /got something else$/);
  t.notMatch(said, /secret/);
});

t.test('a map that a check speaks of takes any key, whatever its default holds', async (t) => {
  const parameters = { labels: { rack: 'r1' } };
  t.same(say({ labels: { row: '7' } }, { labels: ['<labels>'] }, parameters), []);
  t.match(say({ labels: { row: '7' } }, {}, parameters), [/^unknown labels\.row/]);
});

t.test(
  'a check of what there is not, of a kind that there is not, and a default that it refuses',
  async (t) => {
    const rows: readonly [ParameterChecks, string][] = [
      [{ imgae: ['a'] }, 'checks.imgae: the role has no parameter "imgae"; did you mean "image"?'],
      [
        { image: ['<devise>'] },
        'checks.image: checks: there is no kind of value <devise>; did you mean "device"?',
      ],
      [{ image: ['<constructor>'] }, 'checks.image: checks: there is no kind of value <constructor>; '],
      [
        { 'addons.network': ['calico'] },
        'addons.network: the parameter addons.network of role worker: expected calico; got "flannel"',
      ],
      [
        { image: ['<1 to 2>'] },
        'image: the parameter image of role worker: expected a whole number from 1 to 2; got "flatcar"',
      ],
      [
        { labels: ['<folder>'] },
        'labels: the parameter labels of role worker: expected the name of a folder below /assets; got a map',
      ],
    ];
    for (const [checks, message] of rows) {
      const found = checkDeclarations({ name: 'worker', parameters: PARAMETERS, checks });
      t.equal(found.length, 1, message);
      const said = found.map(({ path, message: text }) =>
        `${formatPath(path)}: ${text}`.replace('checks["addons.network"]', ''),
      );
      t.ok(said[0]?.startsWith(message), message);
    }
    const fine = { image: ['<folder>'], 'addons.more.deep': ['<0 to 3>'], labels: ['<labels>'] };
    t.same(checkDeclarations({ name: 'worker', parameters: PARAMETERS, checks: fine }), []);
  },
);

const typeOf = (one: unknown) => (one === null ? 'null' : Array.isArray(one) ? 'list' : typeof one);

t.test('no value of another type passes', async () => {
  const { anything: _anything, ...typed } = PARAMETERS;
  const value = fc.oneof(
    fc.string(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.array(fc.string()),
    fc.dictionary(fc.string(), fc.string()),
  );
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(typed)), value, (name, given) => {
      if (typeOf(given) === typeOf(PARAMETERS[name])) return;
      const found = say({ [name]: given });
      if (found.length !== 1) throw new Error(`${name}: ${JSON.stringify(given)} passed`);
    }),
    { numRuns: 2_000 },
  );
});

t.test('every kind takes and refuses what it should, and no control character', async (t) => {
  const rows: { readonly [kind: string]: readonly [good: readonly unknown[], bad: readonly unknown[]] } = {
    address: [['10.77.0.9'], ['10…', '10.77.0', '10.77.0.256', 'fd00::1', '']],
    'address-range': [
      ['10.77.0.200-10.77.0.220', '10.77.0.1-10.77.0.1', '10.77.0.208/28'],
      [
        '10…',
        '10.77.0.200',
        '10.77.0.220-10.77.0.200',
        '10.77.0.1/28',
        '10.0.0.1-10.0.0.2-10.0.0.3',
        '10.0.0.1 - 10.0.0.2',
      ],
    ],
    argument: [
      ['--audit-log-path=-', '--x=a b', '0'],
      ['', 'a\nb', 'a\u0085b', 5],
    ],
    console: [
      ['ttyS0', 'tty0', 'ttyS0,115200n8', 'uart8250,io,0x3f8,9600n8'],
      ['', 'ttyS0 quiet', 'a;b'],
    ],
    device: [
      ['/dev/sda', '/dev/disk/by-id/nvme-eui.0025', '/dev/disk/by-id/a\\x20b'],
      ['sda', '/dev/', '/dev/../etc', '/dev/sd a', '/tmp/x', '/dev/a/'],
    ],
    'disk-label': [['TINDERBOX-ETCD'], ['', 'a b', 'x'.repeat(17)]],
    domain: [
      ['edge.example.org', 'localhost'],
      ['', '-a', 'a..b', 'a b', 'a.'.repeat(127)],
    ],
    folder: [
      ['flatcar', 'flatcar-arm64', 'flatcar/stable'],
      ['', '..', 'a/../b', '/a', 'a/', 'a b', '.a'],
    ],
    image: [
      [
        'registry.k8s.io/pause:3.10',
        'pause',
        'localhost:5000/a/b:c',
        'a.b/c@sha256:' + '0'.repeat(64),
        '10.77.0.1:5000/k8s.gcr.io/x:1',
      ],
      ['', 'a b', 'https://a/b', 'a:', 'a/B', 'a:b:c', '-a'],
    ],
    'image-prefix': [
      ['10.77.0.1:5000/', 'r/x/'],
      ['', '10.77.0.1:5000', '/', 'a b/'],
    ],
    interface: [
      ['eth0', 'enp0s1f0', 'bond0.7'],
      ['', 'a/b', 'a b', 'x'.repeat(16), '-a'],
    ],
    'ipv6-address': [
      ['2001:db8::1', '::1'],
      ['10.0.0.1', ':::', 'a]b', ''],
    ],
    keyboard: [
      ['us', 'de'],
      ['', 'US', 'us intl', 'us\n'],
    ],
    locale: [
      ['C.UTF-8', 'en_GB.UTF-8', 'de_DE@euro'],
      ['', 'en GB', 'en_GB.UTF-8 x', 'en_gb\\'],
    ],
    'regional-locale': [
      ['en_GB.UTF-8', 'de_DE@euro'],
      ['', 'C.UTF-8', 'en GB'],
    ],
    package: [
      ['openssh-server', 'g++', 'libc6'],
      ['', 'a b', 'a,b', 'A', '-a', 'a\\'],
    ],
    'password-hash': [
      ['$y$j9T$abcdefgh$ABCDEFGH./', '$6$rounds=5000$salt$hashhash'],
      ['', 'secret', '$6$a b$cccccccc', '$6$a:b$cccccccc', '$1$md5md5$md5md5', '$6$salt$hash\nroot'],
    ],
    path: [
      ['/debian', '/mirror/debian-12'],
      ['', 'debian', '/', '/a/../b', '/a/', '/a b', '//a'],
    ],
    timezone: [
      ['Europe/Berlin', 'Etc/UTC', 'America/Argentina/Buenos_Aires', 'Etc/GMT+2'],
      ['', '../etc', 'Europe/', 'a b', '/Etc/UTC'],
    ],
    'user-name': [
      ['ada', 'ada-2', 'a_b'],
      ['', 'root', 'Ada', '2ada', '-a', 'a b', 'a:b', 'a/../b', 'x'.repeat(33)],
    ],
    labels: [
      [
        {},
        {
          rack: 'r7',
          n: 7,
          gpu: true,
          empty: '',
          'example.org/zone': 'a',
          'topology.kubernetes.io/zone': 'a',
          'node.kubernetes.io/x': 'y',
          'a.kubelet.kubernetes.io/x': 'y',
        },
      ],
      [
        'rack=7',
        { 'a b': 'x' },
        { rack: 'a b' },
        { rack: 'a\n ExecStartPre=/bin/evil' },
        { rack: null },
        { rack: [] },
        { 'a/b/c': 'x' },
        { '/a': 'x' },
        { 'node-role.kubernetes.io/worker': '' },
        { 'kubernetes.io/x': 'y' },
        { 'x.k8s.io/y': 'z' },
        { 'A.org/x': 'y' },
        { rack: 'x'.repeat(64) },
        { rack: '-a' },
        { 'node-restriction.kubernetes.io/x': 'y' },
      ],
    ],
    'no-proxy': [
      ['a,.b,10.0.0.0/8', 'a, b'],
      ['', 'a"b', 'a\nb', "a'b", 'a\\b', '$x'],
    ],
    'proxy-url': [
      ['http://p:1', 'https://u:p@p.example.org', 'socks5://p:1080'],
      ['', 'p:1', 'ftp://p', 'http://a b', 'http://', 'http://p\n'],
    ],
    registry: [
      ['10.77.0.1:5000', 'r.example.org'],
      ['', 'http://r', 'r/', 'a b'],
    ],
    repository: [
      ['registry.k8s.io/kube-apiserver', '10.0.0.1:5000/x'],
      ['', 'x:1', 'a/x:v1', 'a b', 'https://a/b'],
    ],
    'ssh-key': [
      [
        'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ada@example.org',
        'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHA=',
        'no-pty ssh-rsa AAAAB3NzaC1yc2EAAAA',
      ],
      [
        '',
        '~/.ssh/id_rsa.pub',
        '-----BEGIN OPENSSH PRIVATE KEY-----',
        'ssh-rsa AAAA\nssh-rsa AAAAB3NzaC1yc2EAAAA',
      ],
    ],
    sysctl: [
      [
        {},
        {
          'vm.max_map_count': 262144,
          'net.ipv4.tcp_rmem': '4096 87380 6291456',
          'net/ipv4/conf/eth0.7/rp_filter': 1,
          '-a.b': '1',
        },
      ],
      [
        'a',
        { 'vm.x': '1\nkernel.core_pattern=|/evil' },
        { 'a b': 1 },
        { vm: 1 },
        { 'vm.x': true },
        { 'vm.x': '' },
        { 'vm.x\ny.z': 1 },
      ],
    ],
    taint: [
      [
        { key: 'role', value: 'edge', effect: 'NoSchedule' },
        { key: 'a.b/c', effect: 'NoExecute' },
      ],
      [
        'foo',
        { key: 'role' },
        { effect: 'NoSchedule' },
        { key: 'role', effect: 'NoScheduel' },
        { key: 'a b', effect: 'NoSchedule' },
        { key: 'a', value: 5, effect: 'NoSchedule' },
        { key: 'a', valeu: 'x', effect: 'NoSchedule' },
      ],
    ],
    url: [
      ['http://10.77.0.1:5000', 'https://r.example.org/v2'],
      ['', '10.77.0.1:5000', 'socks5://a', 'http://a b'],
    ],
    user: [
      [
        { name: 'ada' },
        { name: 'ada', groups: ['sudo'], sshAuthorizedKeys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5'] },
      ],
      [
        'ada',
        {},
        { name: 'a b' },
        { name: 'ada', groups: 'sudo' },
        { name: 'ada', groups: ['a b'] },
        { name: 'ada', sshAuthorizedKeys: ['x'] },
        { name: 'ada', group: [] },
      ],
    ],
    version: [
      ['v1.36.0', 'v1.9.6_coreos.0', 'v1.36.0-rc.1'],
      ['1.36.0', 'v1.36', 'v1.36.0 ', 'latest', '', 1.36],
    ],
  };
  t.same(Object.keys(rows).toSorted(), Object.keys(PARAMETER_KINDS).toSorted());
  for (const [kind, [good, bad]] of Object.entries(rows)) {
    const check = (value: unknown) => say({ x: value } as Parameters, { x: [`<${kind}>`] }, { x: null });
    for (const value of good) t.same(check(value), [], `${kind} ${JSON.stringify(value)}`);
    for (const value of bad) t.not(check(value).length, 0, `${kind} ${JSON.stringify(value)}`);
    for (const value of good.filter((one) => typeof one === 'string'))
      for (const more of ['\n', '\r', '\0', '\u0085', '\n[Service]'])
        t.not(check(`${value}${more}`).length, 0, `${kind} ${JSON.stringify(value + more)}`);
  }
});
