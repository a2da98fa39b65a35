import t from 'tap';
import type { Identity } from '../src/machine/identity.ts';
import { type Mac, parseMac } from '../src/machine/mac.ts';
import type { Catalog, MachineEntry, Parameters, Role } from '../src/machine/role.ts';
import { checkVersions } from '../src/preflight-versions.ts';
import { makeRole } from './support/make-role.ts';

const A = parseMac('52:54:00:00:00:0a') as Mac;
const B = parseMac('52:54:00:00:00:0b') as Mac;

function role(name: string, identity: Identity, kubernetesVersion: string): Role {
  return { ...makeRole(name, { kubernetesVersion }), identity };
}

interface Given {
  readonly controller?: string;
  readonly worker?: string;
  readonly machines?: readonly (readonly [Mac, string, Parameters])[];
  readonly rules?: readonly (readonly [string, Parameters])[];
}

function catalogOf({
  controller = 'v1.36.0',
  worker = 'v1.36.0',
  machines = [],
  rules = [],
}: Given): Catalog {
  const roles = [
    role('controller', 'controller', controller),
    role('worker', 'worker', worker),
    role('rescue', 'none', 'v9.0.0'),
  ];
  const entries = machines.map(
    ([mac, name, parameters], index): MachineEntry => ({ mac, role: name, parameters, line: index + 2 }),
  );
  return {
    roles: new Map(roles.map((one) => [one.name, one])),
    machines: new Map(entries.map((entry) => [entry.mac, entry])),
    hostnames: new Map(),
    rules: rules.map(([name, parameters], index) => ({
      match: {},
      role: name,
      parameters,
      line: index + 10,
    })),
    defaultRole: 'worker',
    file: 'profiles/machines.yaml',
    generation: 1,
  };
}

const MASTER = [A, 'controller', {}] as const;

t.test('a kubelet is not newer than its API server, nor much older', async (t) => {
  const rows: readonly [string, Given, readonly RegExp[]][] = [
    ['the same', { machines: [MASTER] }, []],
    ['a newer patch', { worker: 'v1.36.9', machines: [MASTER] }, []],
    ['three older', { worker: 'v1.33.1', machines: [MASTER] }, []],
    [
      'a newer role',
      { worker: 'v1.37.0', machines: [MASTER] },
      [
        /^error profiles\/worker\/role.yaml: role worker: a kubelet v1.37.0 is newer than the API server v1.36.0 \(role controller\)$/,
      ],
    ],
    [
      'four older',
      { worker: 'v1.32.0', machines: [MASTER] },
      [
        /^warning profiles\/worker\/role.yaml: role worker: .* more than 3 minor versions older than the API server v1.36.0/,
      ],
    ],
    [
      'a newer machine',
      { machines: [MASTER, [B, 'worker', { kubernetesVersion: 'v1.40.1' }]] },
      [/^error profiles\/machines.yaml:3: 52:54:00:00:00:0b: a kubelet v1.40.1 is newer/],
    ],
    [
      'a newer rule',
      { machines: [MASTER], rules: [['worker', { kubernetesVersion: '1.37' }]] },
      [/^error profiles\/machines.yaml:10: the rule on line 10: a kubelet 1.37 is newer/],
    ],
    [
      'one of two controllers is older',
      { machines: [MASTER, [B, 'controller', { kubernetesVersion: 'v1.35.0' }]] },
      [/^error .*role worker: .* newer than the API server v1.35.0 \(52:54:00:00:00:0b\)$/],
    ],
    ['a controller that is upgraded', { worker: 'v1.35.2', machines: [MASTER] }, []],
    ['an API server that nobody boots', { worker: 'v1.99.0' }, []],
    ['a role without certificates', { rules: [['rescue', {}]], machines: [MASTER] }, []],
    ['what is no version', { worker: 'latest', machines: [MASTER] }, []],
    ['the next major', { worker: 'v2.0.0', machines: [MASTER] }, [/^error .*v2.0.0 is newer/]],
  ];
  for (const [what, given, wanted] of rows) {
    const said = checkVersions(catalogOf(given)).map(
      ({ severity, file, line, message }) =>
        `${severity} ${file}${line === undefined ? '' : `:${line}`}: ${message}`,
    );
    t.equal(said.length, wanted.length, `${what}: ${said.join('; ')}`);
    wanted.forEach((pattern, index) => t.match(said[index], pattern, what));
  }
});

t.test('a version that many machines have is told of once', async (t) => {
  const machines = [MASTER, [B, 'worker', { other: 1 }]] as const;
  t.equal(checkVersions(catalogOf({ worker: 'v1.37.0', machines })).length, 1);
});
