import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Inventory } from '../../src/boot/list-inventory.ts';
import { runCli } from '../../src/cli/program.ts';
import { createLoggers } from '../../src/logger.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { ansibleInventory, writeAnsibleYaml } from '../../src/render/ansible-inventory.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

const hasAnsible = spawnSync('ansible-inventory', ['--version']).status === 0;
const skip = hasAnsible ? false : 'ansible-inventory is not installed';

interface Listed {
  readonly _meta: { readonly hostvars: Record<string, Record<string, unknown>> };
  readonly [group: string]:
    | { readonly hosts?: readonly string[]; readonly children?: readonly string[] }
    | object;
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-ansible-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** What Ansible makes of an inventory; every warning of its is a failure. */
function list(file: string): Listed {
  const { stdout, stderr, status } = spawnSync('ansible-inventory', ['-i', file, '--list'], {
    encoding: 'utf8',
    env: {
      ...process.env,
      ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED: 'true',
      ANSIBLE_LOCALHOST_WARNING: 'false',
    },
  });
  if (status !== 0 || /WARNING|ERROR/.test(stderr)) throw new Error(stderr);
  return JSON.parse(stdout) as Listed;
}

const role = (identity: string) =>
  `description: A machine\nidentity: ${identity}\nboot: { kernel: /assets/vmlinuz, cmdline: [quiet] }\n`;

async function makeSite(folder: string): Promise<string> {
  const files = {
    'tinderbox.yaml':
      'network: { interface: nowhere0 }\ncluster: { name: lab, apiServer: "https://k8s.example.org:6443", ' +
      'controllers: [{ hostname: master-0, address: 10.77.0.9 }] }\n',
    'profiles/worker/role.yaml': role('worker'),
    'profiles/edge-router/role.yaml': role('worker'),
    'profiles/controller/role.yaml': role('controller'),
    'profiles/machines.yaml': `default: none
machines:
  "01:23:45:10:34:56": { role: controller, hostname: no, address: 10.77.0.10 }
  "02:04:00:12:34:55": { role: controller, hostname: "0x10", address: 10.77.0.11 }
  "52:54:00:00:00:01": { role: worker, hostname: node-1 }
  "52:54:00:00:00:02": { role: edge-router, hostname: etcd, address: 10.77.0.30 }
`,
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  mkdirSync(join(folder, 'var'));
  const store = await openStore({
    file: join(folder, 'var/tinderbox.db'),
    durability: 'process',
    logger: createLoggers({ level: 'silent' }).store,
  });
  await store.appendHistory({
    machines: [
      {
        mac: '52:54:00:00:00:01' as Mac,
        firstSeen: 1,
        lastSeen: 2,
        address: 0x0a4d0065 as never,
        arch: 'x86_64',
        product: 'ProLiant DL360',
        serial: "{{ lookup('pipe', 'touch owned') }}",
      },
    ],
    sessions: [],
    events: [],
  });
  await store.close();
  return join(folder, 'tinderbox.yaml');
}

async function machines(...argv: readonly string[]) {
  let out = '';
  let err = '';
  const code = await runCli(['machines', ...argv], {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
  });
  return { code, out, err };
}

t.test(
  'Ansible reads the groups that Kubespray wants, names that look like numbers, and no expression',
  { skip },
  async (t) => {
    const folder = makeFolder();
    const config = await makeSite(folder);
    const printed = await machines('--format', 'ansible', '--config', config);
    t.match(printed, {
      code: 0,
      err: /the host etcd is called etcd-host[\s\S]*role edge-router is called role_edge_router/,
    });
    t.match(printed.err, /the serial of node-1 is left out/);
    writeFileSync(join(folder, 'hosts.yaml'), printed.out);
    const listed = list(join(folder, 'hosts.yaml'));
    t.match(listed, {
      kube_control_plane: { hosts: ['0x10', 'master-0', 'no'] },
      kube_node: { hosts: ['etcd-host', 'node-1'] },
      etcd: { hosts: ['0x10', 'master-0', 'no'] },
      k8s_cluster: { children: ['kube_control_plane', 'kube_node', 'calico_rr'] },
      role_controller: { hosts: ['0x10', 'no'] },
      role_worker: { hosts: ['node-1'] },
      role_edge_router: { hosts: ['etcd-host'] },
    });
    const { hostvars } = listed['_meta'];
    t.match(hostvars['no'], {
      ansible_host: '10.77.0.10',
      mac: '01:23:45:10:34:56',
      tinderbox_hostname: 'no',
    });
    t.match(hostvars['0x10'], { ip: '10.77.0.11', access_ip: '10.77.0.11', mac: '02:04:00:12:34:55' });
    t.match(hostvars['node-1'], {
      ansible_host: '10.77.0.101',
      tinderbox_arch: 'x86_64',
      tinderbox_product: 'ProLiant DL360',
      tinderbox_serial: undefined,
      kube_pods_subnet: '10.2.0.0/16',
    });
    t.notMatch(JSON.stringify(hostvars), /lookup/);
  },
);

t.test('an inventory script that prints ansible-json is the same inventory', { skip }, async (t) => {
  const folder = makeFolder();
  const config = await makeSite(folder);
  const yaml = await machines('--format', 'ansible', '--config', config);
  const json = await machines('--format', 'ansible-json', '--config', config);
  writeFileSync(join(folder, 'hosts.yaml'), yaml.out);
  writeFileSync(join(folder, 'said.json'), json.out);
  writeFileSync(join(folder, 'hosts.sh'), `#!/bin/sh\nexec cat ${folder}/said.json\n`);
  chmodSync(join(folder, 'hosts.sh'), 0o755);
  t.same(list(join(folder, 'hosts.sh')), list(join(folder, 'hosts.yaml')));
});

t.test(
  'Ansible would evaluate what a machine says of itself: only harmless text gets through',
  { skip },
  async (t) => {
    const folder = makeFolder();
    const told = ['{{ 7*7 }}', '{% set a = 1 %}', '{# x #}', 'a\nb', 'PowerEdge R640 (rev. 2), 1U'];
    const inventory: Inventory = {
      hosts: told.map((product, at) => ({ hostname: `n${at}`, identity: 'worker', etcd: false, product })),
      notes: ['a note\nof two lines'],
    };
    writeFileSync(join(folder, 'hosts.yaml'), writeAnsibleYaml(ansibleInventory(inventory, undefined)));
    const { hostvars } = list(join(folder, 'hosts.yaml'))['_meta'];
    t.same(
      told.map((_, at) => hostvars[`n${at}`]?.['tinderbox_product']),
      [undefined, undefined, undefined, undefined, told[4]],
    );
    const evaluated = execFileSync(
      'ansible',
      ['-i', join(folder, 'hosts.yaml'), 'n4', '-c', 'local', '-m', 'debug', '-a', 'var=tinderbox_product'],
      { encoding: 'utf8' },
    );
    t.match(evaluated, 'PowerEdge R640 (rev. 2), 1U');
  },
);
