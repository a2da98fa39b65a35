import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { StormReport } from '../../src/cli/format-storm.ts';
import { open } from '../pki/support/make-cluster.ts';
import { createSite, ROLE, waitUntil } from './support/daemon-site.ts';
import { createLab } from './support/dhcp-lab.ts';

/** Each has an address: the leases of a machine that came before are kept. */
const CONFIG = `network: { interface: br0 }
dhcp: { mode: server, probe: off, range: 10.77.1.1-10.77.2.254 }
cluster: { apiServer: 'https://10.77.0.1:6443' }
`;
const FILES = {
  'tinderbox.yaml': CONFIG,
  'profiles/worker/role.yaml': `${ROLE}identity: worker\ncredentials: { certificates: [node] }\n`,
  'profiles/worker/cloud-config.yaml.hbs': `#cloud-config
hostname: {{machine.hostname}}
write_files:
{{#each identity.certificates}}
  - path: /opt/get-{{name}}
    content: curl {{url}}
{{/each}}
`,
};
const MACHINES = 60;

const lab = await createLab({ address: '10.77.0.1/16' });
t.teardown(() => lab[Symbol.asyncDispose]());
const client = await lab.addClient('10.77.0.2/16');
const site = await createSite(lab.network.namespace, FILES);
t.teardown(() => site[Symbol.asyncDispose]());
// Authorities with keys that are made in no time.
mkdirSync(join(site.folder, 'var'), { mode: 0o700 });
await open(join(site.folder, 'var'));
const daemon = await site.serve();

const tinderbox = new URL('../../bin/tinderbox', import.meta.url).pathname;
const command = (...args: readonly string[]): string[] => {
  const config = ['--config', `${site.folder}/tinderbox.yaml`, '--interface', 'eth0', '--json'];
  return ['env', '-u', 'NODE_OPTIONS', tinderbox, 'simulate', ...config, ...args];
};
const localRoutes = async (): Promise<readonly string[]> =>
  (await client.run(['ip', 'route', 'show', 'table', 'local', 'proto', '116'])).split('\n').filter(Boolean);
interface Known {
  readonly session?: { readonly stage: string };
}
const known = async (): Promise<readonly Known[]> =>
  JSON.parse((await site.run('machines', '--json')).stdout) as readonly Known[];

await t.test('many machines boot at once over a bad network, and are forgotten', async (t) => {
  const output = await client.run(
    command('--machines', String(MACHINES), '--loss', '1%', '--arrival', '40/s', '--forget'),
    { timeout: 300_000 },
  );
  const report = JSON.parse(output) as StormReport;
  t.match(report, { machines: MACHINES, booted: MACHINES, failed: 0, unfinished: 0, failures: [] });
  t.ok(report.lostPackets > 0, 'packets were lost');
  for (const { stage, machines } of report.stages) t.equal(machines, MACHINES, `all were in ${stage}`);
  t.ok((report.server?.cpuSeconds ?? 0) > 0, 'the server says what it cost');
  t.ok((report.server?.commits.leases.count ?? 0) > 0, 'its commits too');
  t.equal(report.forgotten, MACHINES);
  t.same(await localRoutes(), [], 'no address is left');
  t.same(await known(), [], 'no machine is known');
});

await t.test('what was measured until Ctrl-C is told, and addresses are given back', async (t) => {
  const child = client.spawn(command('--machines', '20', '--arrival', '1/m'), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => void (output += chunk.toString('utf8')));
  const ended = new Promise((resolve) => child.once('close', resolve));
  await waitUntil('the first machine booted', async () => (await known())[0]?.session?.stage === 'booted');
  child.kill('SIGINT');
  t.equal(await ended, 1);
  t.match(JSON.parse(output), { machines: 20, booted: 1, failed: 0, unfinished: 19 });
  t.same(await localRoutes(), []);
});

await t.test(
  'machines that wait until their time is over are one group, with what their screens say',
  async (t) => {
    await site.write({ 'profiles/machines.yaml': 'default: none\n' });
    await waitUntil('the edit is in force', () => daemon.log().includes('read again and is in force'));
    const output = await client.run(
      [
        'sh',
        '-c',
        '"$@" || true',
        'sh',
        ...command(
          '--machines',
          '3',
          '--mac',
          '02:00:00:00:00:00',
          '--timeout',
          '5',
          '--arrival',
          'rolling:1',
        ),
      ],
      {
        timeout: 120_000,
      },
    );
    const report = JSON.parse(output) as StormReport;
    t.match(report, { booted: 0, failed: 3 });
    t.ok(report.seconds > 12, 'one after the other');
    t.equal(report.failures.length, 1, 'one group', { failures: report.failures });
    t.match(report.failures[0], {
      step: 'script',
      machines: 3,
      reason: /wait until the time was over.*no role/,
    });
  },
);
