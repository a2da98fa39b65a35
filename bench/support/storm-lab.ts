import type { StormReport } from '../../src/cli/format-storm.ts';
import { readStormArgs } from '../../src/cli/storm-args.ts';
import { runProgram } from '../../src/lab/run-program.ts';
import { createSite, ROLE, waitUntil } from '../../test/interop/support/daemon-site.ts';
import { createLab } from '../../test/interop/support/dhcp-lab.ts';

export interface StormLoad {
  readonly machines: number;
  /** As `--arrival` and `--loss` take them. */
  readonly arrival?: string;
  readonly loss?: string;
}

const START_LIMIT = 300_000;
/** Seconds, of a machine. */
const TIME_LIMIT = 600;
/** Milliseconds, of a storm. */
const STORM_LIMIT = 3_600_000;
const MIB = 1024 * 1024;
/** More machines than may be new at once are expected: they have an entry in machines.yaml. */
const MOST_NEWCOMERS = 2_000;
const configOf = (machines: number): string => `network: { interface: br0 }
dhcp: { mode: server, probe: off, range: 10.77.128.1-10.77.255.254${
  machines > MOST_NEWCOMERS ? ', probeAddresses: false' : ''
} }
cluster: { apiServer: 'https://10.77.0.1:6443' }
`;
const FILES: Readonly<Record<string, string | Uint8Array>> = {
  // As the roles that ship: the machine makes its key and has it signed.
  'profiles/worker/role.yaml': `${ROLE}identity: worker\ncredentials: { certificates: [node] }\n`,
  'profiles/worker/cloud-config.yaml.hbs': `#cloud-config
hostname: {{machine.hostname}}
write_files:
  - path: /etc/role
    content: {{role}} {{machine.mac}}
{{#each identity.certificates}}
  - path: /opt/get-{{name}}
    content: curl {{url}}
{{/each}}
{{#each identity.authorities}}
  - path: {{file}}
    content: {{quote certificate}}
{{/each}}
`,
  'assets/vmlinuz': new Uint8Array(64 * 1024).fill(1),
  'assets/initrd.gz': new Uint8Array(MIB).fill(2),
};

/**
 * One storm against a daemon of its own, which has seen none of the machines. They are behind a router: a kernel keeps the
 * hardware addresses of 1,024 neighbours (gc_thresh3), for all its namespaces together.
 */
export async function runStorm({
  machines,
  arrival = 'all-at-once',
  loss = '0',
}: StormLoad): Promise<StormReport> {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await createLab({ address: '10.77.0.1/16' }));
  const { namespace } = lab.network;
  const client = await lab.addClient('10.77.0.2/16');
  await namespace.run(['ip', 'route', 'add', '10.77.128.0/17', 'via', '10.77.0.2']);
  const site = stack.use(await createSite(namespace, filesFor(machines)));
  const daemon = site.launch();
  // Its first start makes authorities: on a busy host their keys alone take longer than a test would wait.
  await waitUntil('the daemon is ready', () => daemon.lines().some(({ msg }) => msg === 'ready'), {
    limit: START_LIMIT,
    unless: daemon.ended.then(({ stdout, stderr }) => `the daemon ended: ${stdout}${stderr}`),
  });
  const tinderbox = new URL('../../bin/tinderbox', import.meta.url).pathname;
  const command = `env -u NODE_OPTIONS ${tinderbox} simulate --config ${site.folder}/tinderbox.yaml --interface eth0
    --machines ${machines} --arrival ${arrival} --loss ${loss} --timeout ${TIME_LIMIT} --json`;
  // Exit code 1 says that machines failed; the report says why. Of its progress nothing is wanted here.
  const shell = ['sh', '-c', '"$@" 2>/dev/null || [ $? -eq 1 ]', 'sh', ...client.enter(command.split(/\s+/))];
  const output = await runProgram(shell, { timeout: STORM_LIMIT });
  if (output === '') throw new Error(`the storm said nothing: ${daemon.log().slice(-2000)}`);
  return JSON.parse(output) as StormReport;
}

function filesFor(machines: number): typeof FILES {
  const files = { ...FILES, 'tinderbox.yaml': configOf(machines) };
  if (machines <= MOST_NEWCOMERS) return files;
  const planned = readStormArgs({ interface: 'eth0', machines }).machines;
  const entries = planned.map(({ mac }) => `  ${mac}: { role: worker }\n`);
  return { ...files, 'profiles/machines.yaml': `machines:\n${entries.join('')}default: worker\n` };
}
