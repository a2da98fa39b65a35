import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { QemuMachine } from '../../src/lab/qemu-machine.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import { waitUntil } from '../interop/support/daemon-site.ts';
import { type RunningApiServer, runApiServer } from '../support/run-api-server.ts';
import { explain, type Lab, startLab } from '../support/start-lab.ts';

const MAKES_KEYS = '52:54:00:00:00:0a';
const GETS_KEYS = '52:54:00:00:00:0b';
const NEWCOMER = '52:54:00:00:00:0c';

const BOOT_TIME = 240_000;
const PATIENCE = { limit: 60_000 };

const CLUSTER = {
  apiServer: 'https://10.77.0.1:6443',
  serviceNetwork: '10.3.0.0/24',
  dnsDomain: 'cluster.local',
};

const CONFIG = `admission: approve
cluster:
  name: kubernetes
  apiServer: ${CLUSTER.apiServer}
  podNetwork: 10.2.0.0/16
  serviceNetwork: ${CLUSTER.serviceNetwork}
  dnsDomain: ${CLUSTER.dnsDomain}
`;

const MACHINES = `machines:
  ${MAKES_KEYS}: { role: join, hostname: node-a, parameters: { misbehave: true } }
  ${GETS_KEYS}: { role: join-issued, hostname: node-b, parameters: { misbehave: true } }
`;

async function waitForBoot(lab: Lab, machine: QemuMachine): Promise<string> {
  try {
    await machine.console.waitFor(/^tinderbox: (reported booted|failed)/, { timeout: BOOT_TIME });
  } catch (error) {
    t.comment(await explain(lab, machine));
    throw error;
  }
  const screen = machine.console.lines.join('\n');
  if (!screen.includes('tinderbox: reported booted')) t.comment(await explain(lab, machine));
  return screen;
}

/** Waits for a stage of a machine's newest session, as an operator's script would. */
async function waitForStage(lab: Lab, mac: string, stage: string): Promise<void> {
  let last: string | undefined;
  await waitUntil(
    `${mac} is ${stage}`,
    async () => {
      last = (await lab.inspect(mac)).session?.stage;
      return last === stage;
    },
    PATIENCE,
  );
}

/** What the guest was told when it asked for what it has no right to: the status, then the answer. */
function told(screen: string, what: string): string {
  const [, answer] = new RegExp(`^misbehave: ${what}: (.*)$`, 'm').exec(screen) ?? [];
  return answer ?? 'it never asked';
}

const refusals = (events: readonly BootEvent[]): readonly string[] =>
  events
    .filter(({ outcome }) => outcome === 'refused')
    .map(({ kind, asked, reasons }) => `${kind} ${asked}: ${reasons.join('; ')}`);

t.test(
  'real machines make or get their keys, join the cluster with them and are seen to be ready',
  { timeout: 480_000 },
  async (t) => {
    await using lab = await startLab({
      mode: 'server',
      machines: 3,
      joining: true,
      machinesYaml: MACHINES,
      config: CONFIG,
    });
    await using api = await runApiServer({
      namespace: lab.network.namespace,
      address: lab.network.address,
      pki: join(lab.folder, 'var/pki'),
      folder: join(lab.folder, 'api-server'),
      cluster: CLUSTER,
    });
    await Promise.all([
      joinWithOwnKeys(lab, api).then(() => waitForApproval(lab, api)),
      joinWithIssuedKeys(lab, api),
    ]);
    t.equal(await lab.stopDaemon(), 0, 'SIGTERM ends the daemon with exit code 0');
  },
);

/** The BIOS machine, whose ROM is iPXE. */
async function joinWithOwnKeys(lab: Lab, api: RunningApiServer): Promise<void> {
  const machine = await lab.powerOn('bios-ipxe', MAKES_KEYS);
  const screen = await waitForBoot(lab, machine);
  await isInCluster(lab, api, { screen, mac: MAKES_KEYS, hostname: 'node-a', uuid: uuidOf(MAKES_KEYS) });
  t.notMatch(screen, /PRIVATE KEY/, 'no key came with the configuration');

  t.match(told(screen, 'another name'), /^403: .*somebody-else/, 'a request for another name is refused');
  t.match(told(screen, 'another certificate'), /^403: .*kube-apiserver/, "as is another role's certificate");
  t.match(told(screen, 'another key'), /^40[39]: .*given out already, for another key/, 'and a second one');
  const { events } = await lab.inspect(MAKES_KEYS);
  t.comment(refusals(events).join('\n'));

  // The Node is what tells: back where it was when it is not Ready, and on again.
  await api.setReady('node-a', false);
  await waitForStage(lab, MAKES_KEYS, 'booted');
  await api.setReady('node-a', true);
  await waitForStage(lab, MAKES_KEYS, 'ready');
}

/** The UEFI machine. */
async function joinWithIssuedKeys(lab: Lab, api: RunningApiServer): Promise<void> {
  const machine = await lab.powerOn('uefi-x64', GETS_KEYS);
  const screen = await waitForBoot(lab, machine);
  await isInCluster(lab, api, { screen, mac: GETS_KEYS, hostname: 'node-b', uuid: uuidOf(GETS_KEYS) });
  t.match(screen, /PRIVATE KEY/, 'the key came with the configuration');
  t.match(told(screen, 'the configuration again'), /^(403|410): /, 'which is released once');
  const { events } = await lab.inspect(GETS_KEYS);
  t.comment(refusals(events).join('\n'));
}

/** A machine that nobody has heard of. */
async function waitForApproval(lab: Lab, api: RunningApiServer): Promise<void> {
  const machine = await lab.powerOn('bios-ipxe', NEWCOMER);
  await machine.console.waitFor(/asking again in/, { timeout: BOOT_TIME });
  t.match(machine.console.lines.join('\n'), /wait/, 'its own screen says that it waits');
  const refused = await lab.tinderbox('approve', NEWCOMER, '--role', 'join', '--hostname', 'node-a').then(
    () => 'approved',
    (error: Error) => error.message,
  );
  t.match(refused, new RegExp(MAKES_KEYS), 'a hostname that is taken is refused');
  t.match(refused, new RegExp(NEWCOMER), 'with both machines named');
  await lab.tinderbox('approve', NEWCOMER, '--role', 'join', '--hostname', 'node-c');
  const screen = await waitForBoot(lab, machine);
  await isInCluster(lab, api, { screen, mac: NEWCOMER, hostname: 'node-c', uuid: uuidOf(NEWCOMER) });
  t.equal(screen.split('Open Source Network Boot').length, 2, 'it was not reset on the way');
}

const uuidOf = (mac: string): string => `7464b0c5-0000-4000-8000-${mac.replaceAll(':', '')}`;

async function isInCluster(
  lab: Lab,
  api: RunningApiServer,
  { screen, mac, hostname, uuid }: { screen: string; mac: string; hostname: string; uuid: string },
): Promise<void> {
  t.match(
    screen,
    /^\/etc\/kubernetes\/pki\/kubelet\.crt: OK$/m,
    `${hostname}: the guest's openssl accepts its certificate`,
  );
  const [pem = ''] =
    /-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----/.exec(
      screen.slice(screen.indexOf('kubelet.crt: OK')),
    ) ?? [];
  const file = join(lab.folder, `${hostname}.crt`);
  await writeFile(file, `${pem}\n`);
  const verified = execFileSync('openssl', ['verify', '-CAfile', api.authorityFile, file], {
    encoding: 'utf8',
  });
  t.equal(verified, `${file}: OK\n`, "as does this host's");
  const certificate = new X509Certificate(pem);
  t.equal(certificate.subject, `O=system:nodes\nCN=system:node:${hostname}`);
  t.match(certificate.subjectAltName, new RegExp(`DNS:${hostname}\\b`));

  const node = await api.node(hostname);
  t.match(node, { status: { nodeInfo: { systemUUID: uuid } } }, 'its Node was made over mutual TLS');
  await waitForStage(lab, mac, 'ready');
  const { session } = await lab.inspect(mac);
  t.match(session, { stage: 'ready', hostname }, 'and Tinderbox sees that it is Ready');
}
