import { join } from 'node:path';
import t from 'tap';
import { loadCatalog } from '../../src/catalog/load-catalog.ts';
import { formatProblem } from '../../src/errors.ts';
import { checkRoleTemplates } from '../../src/render/check-templates.ts';

const PROFILES = join(import.meta.dirname, '../../profiles');
const A = '52:54:00:00:00:0a';

/** The roles that ship, with this machines.yaml. */
async function say(machinesText: string): Promise<readonly string[]> {
  const options = { generation: 1, checkRole: checkRoleTemplates, machinesText };
  const { catalog, problems } = await loadCatalog(PROFILES, options);
  const errors = problems.filter(({ severity }) => severity === 'error');
  if ((catalog === undefined) !== errors.length > 0)
    throw new Error('a catalog comes without errors, and only then');
  return problems.map(
    (problem) =>
      `${problem.severity} ${formatProblem(problem).slice(join(PROFILES, 'machines.yaml').length + 1)}`,
  );
}
/** The parameters begin at line 4, column 19. */
const machine = (role: string, parameters: string) =>
  say(`machines:\n  ${A}:\n    role: ${role}\n    parameters: { ${parameters} }\n`);

t.test('the roles that ship are sound by what they say themselves', async (t) => {
  t.same(await say('default: worker\n'), []);
});

t.test('what a machine is given is refused at its place, with what is allowed', async (t) => {
  // role, parameters, column, message
  const rows: readonly [string, string, number, string][] = [
    ['worker', 'labels: "rack=7"', 27, 'the parameter labels of role worker: expected a map; got "rack=7"'],
    [
      'controller',
      'addons: { network: flanell }',
      38,
      'the parameter addons.network of role controller: expected one of flannel, calico, none; got "flanell"; did you mean "flannel"?',
    ],
    [
      'controller',
      'addons: { dashbord: true }',
      29,
      'the role controller has no parameter "dashbord" in addons; did you mean "dashboard"?',
    ],
    [
      'worker',
      'lables: { rack: r7 }',
      19,
      'the role worker has no parameter "lables"; did you mean "labels"?',
    ],
    [
      'etcd',
      'etcdState: exsting',
      30,
      'the parameter etcdState of role etcd: expected one of auto, existing; got "exsting"; did you mean "existing"?',
    ],
    [
      'etcd',
      'etcdQuota: 4GiB',
      30,
      'the parameter etcdQuota of role etcd: expected a whole number from 16777216 to 8589934592; got "4GiB"',
    ],
    [
      'worker',
      'imageMemory: "50%"',
      32,
      'the parameter imageMemory of role worker: expected a whole number from 1 to 100; got "50%"',
    ],
    [
      'worker',
      'kubernetesVersion: 1.36',
      38,
      'the parameter kubernetesVersion of role worker: expected a version such as v1.36.0; got the number 1.36 (text needs quotes here)',
    ],
    [
      'worker',
      'taints: "foo"',
      27,
      'the parameter taints of role worker: expected a list of: a taint such as { key: role, value: edge, effect: NoSchedule }; got "foo"',
    ],
    [
      'worker',
      'taints: [{ key: a, effect: NoScheduel }]',
      46,
      'the parameter taints[0].effect of role worker: expected one of NoSchedule, PreferNoSchedule, NoExecute; got "NoScheduel"',
    ],
    [
      'controller',
      'addons: { loadBalancerAddresses: "10…" }',
      52,
      'the parameter addons.loadBalancerAddresses of role controller: expected a list of: addresses such as 10.77.0.200-10.77.0.220, or a network such as 10.77.0.208/28; got "10…"',
    ],
    [
      'controller',
      'addons: { loadBalancerAddresses: ["10…"] }',
      53,
      'the parameter addons.loadBalancerAddresses[0] of role controller: expected addresses such as 10.77.0.200-10.77.0.220, or a network such as 10.77.0.208/28; got "10…"',
    ],
    [
      'worker',
      'labels: { rack: "a\\n ExecStartPre=/bin/evil" }',
      35,
      'the parameter labels.rack of role worker: expected at most 63 letters, digits, hyphens, dots, underscores; got "a\\n ExecStartPre=/bin/evil"',
    ],
    [
      'worker',
      'labels: { "a b": c }',
      29,
      'the parameter labels["a b"] of role worker: expected a label\'s key such as rack or example.org/rack; got "a b"',
    ],
    [
      'worker',
      'sysctl: { vm.swappiness: "1\\nkernel.panic = 1" }',
      44,
      'the parameter sysctl["vm.swappiness"] of role worker: expected a number, or text without line breaks; got "1\\nkernel.panic = 1"',
    ],
    [
      'controller',
      'apiServerArguments: ["--v=2\\n"]',
      40,
      'the parameter apiServerArguments[0] of role controller: expected text without line breaks; got "--v=2\\n"',
    ],
    [
      'coreos-worker',
      'imagePrefix: "r:5000"',
      32,
      'the parameter imagePrefix of role coreos-worker: expected \'\', or what stands before an image, with a slash at its end, such as 10.77.0.1:5000/; got "r:5000"',
    ],
    [
      'controller',
      'dashboard: true',
      19,
      'the role controller has no parameter "dashboard"; did you mean "addons.dashboard"?',
    ],
  ];
  for (const [role, parameters, column, message] of rows) {
    t.same(await machine(role, parameters), [`error 4:${column}: ${message}`], parameters);
  }
});

t.test('what is right passes', async (t) => {
  const rows: readonly [string, string][] = [
    [
      'worker',
      'labels: { rack: 7, example.org/zone: a }, taints: [{ key: role, value: edge, effect: NoSchedule }]',
    ],
    ['worker', 'disk: /dev/nvme0n1, imageMemory: 40, sysctl: { vm.max_map_count: 262144 }'],
    [
      'worker',
      'proxy: "http://proxy.example.org:3128", noProxy: "10.0.0.0/8,.example.org", registryMirror: "http://10.77.0.1:5000"',
    ],
    ['edge-router', 'publicAddress: 203.0.113.7, domain: edge.example.org'],
    ['edge-router', 'publicAddress: "2001:db8::1"'],
    [
      'controller',
      'addons: { network: calico, loadBalancerAddresses: [10.77.0.200-10.77.0.220], ingress: none, dashboard: true }',
    ],
    [
      'controller',
      'etcdDisk: "", etcdState: existing, etcdRuns: service, apiServerArguments: ["--audit-log-path=-"]',
    ],
    [
      'coreos-controller',
      'etcdState: existing, insecureRegistries: ["10.77.0.1:5000"], imagePrefix: "10.77.0.1:5000/"',
    ],
    ['rescue', 'console: "ttyS1,115200n8", users: [{ name: ada, groups: [sudo] }]'],
  ];
  for (const [role, parameters] of rows) t.same(await machine(role, parameters), [], parameters);
});

t.test('a rule is held to its role, and so is a machine to every role that it may get', async (t) => {
  const rules = (parameters: string, more = '') =>
    say(
      `machines:\n  ${A}: { parameters: { ${parameters} } }\nrules:\n  - { match: { serial: X* }, role: etcd }\n${more}default: worker\n`,
    );
  t.same(await say('rules: [{ match: { serial: X }, role: worker, parameters: { etcdState: auto } }]\n'), [
    'error 1:61: the role worker has no parameter "etcdState"; allowed: image, console, kubernetes, kubernetesVersion, pauseImage, registryMirror, proxy, noProxy, labels, taints, disk, imageMemory, sshAuthorizedKeys, users, sysctl',
  ]);
  t.same(await rules('labels: { a: b }, etcdState: existing'), [], 'one of its roles heeds it');
  t.same(await rules('etcdState: new'), [
    'error 2:49: the parameter etcdState of role etcd: expected one of auto, existing; got "new"',
  ]);
  t.match(await rules('lables: {}'), [
    /^error 2:38: the role etcd has no parameter "lables"/,
    /^error 2:38: the role worker .* "labels"\?/,
  ]);
  const first =
    '  - { match: { mac: "52:54:00:*" }, role: rescue }\n  - { match: { arch: arm64 }, role: controller }\n';
  t.same(await rules('addons: { dashboard: true }'), [
    'warning 2:38: the role etcd has no parameter "addons"; allowed: image, console, etcd, etcdVersion, etcdDiskLabel, etcdDisk, etcdState, etcdPatience, etcdQuota, etcdV2, sshAuthorizedKeys, users\n    Nothing heeds it; it is kept for when the machine has another role.',
    'warning 2:38: the role worker has no parameter "addons"; allowed: image, console, kubernetes, kubernetesVersion, pauseImage, registryMirror, proxy, noProxy, labels, taints, disk, imageMemory, sshAuthorizedKeys, users, sysctl\n    Nothing heeds it; it is kept for when the machine has another role.',
  ]);
  t.match(
    await rules('addons: { dashboard: true }', first),
    [/warning .*etcd/, /warning .*rescue/],
    'a rule by MAC alone ends the search',
  );
});

t.test('what a machine needs in its usual role stays while it has another: a warning', async (t) => {
  t.match(await machine('rescue', 'disk: /dev/vda'), [
    /^warning 4:19: the role rescue has no parameter "disk"; .*\n.*kept/s,
  ]);
  t.match(await machine('hold', 'disk: /dev/vda'), [/^warning 4:19: the role hold has no parameters/]);
  t.match(await machine('hold', 'dsik: /dev/vda'), [/^error 4:19: the role hold has no parameters/]);
});

t.test('no number of warnings hides an error', async (t) => {
  const entries = Array.from(
    { length: 150 },
    (_, index) =>
      `  5254000000${(index + 1).toString(16).padStart(2, '0')}: { role: rescue, parameters: { disk: auto } }\n`,
  );
  const said = await say(
    `machines:\n${entries.join('')}  52540000ffff: { role: worker, parameters: { lables: {} } }\n`,
  );
  t.equal(said.filter((line) => line.startsWith('warning')).length, 100);
  t.match(said.at(-1), /^error 152:/);
});
