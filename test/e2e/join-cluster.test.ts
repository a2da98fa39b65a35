import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { QemuMachine } from '../../src/lab/qemu-machine.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { openAuthorities } from '../../src/pki/open-authorities.ts';
import { waitUntil } from '../interop/support/daemon-site.ts';
import { type EtcdMember, eventually, makeEtcdCluster } from '../interop/support/etcd-cluster.ts';
import { type RunningApiServer, runApiServer } from '../support/run-api-server.ts';
import { explain, type Lab, startLab } from '../support/start-lab.ts';

const MAKES_KEYS = '52:54:00:00:00:0a';
const GETS_KEYS = '52:54:00:00:00:0b';
const NEWCOMER = '52:54:00:00:00:0c';

const BOOT_TIME = 240_000;

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

t.test(
  'machines make or get their keys, join the cluster with them, and are seen to be ready',
  { timeout: 600_000 },
  async (t) => {
    await using lab = await startLab({
      mode: 'server',
      machines: 3,
      joining: true,
      machinesYaml: MACHINES,
      config: CONFIG,
    });
    // After the daemon, which makes the authorities; it must not mind that there is no API server yet.
    const authorities = await openAuthorities({
      folder: join(lab.folder, 'var/pki'),
      clock: Date.now,
      logger: { info: () => undefined, warn: () => undefined },
    });
    await using etcd = await makeEtcdCluster({}, { count: 1, authorities, network: lab.network });
    const [member] = etcd.members as [EtcdMember];
    member.start();
    await eventually(async () => (await member.run('etcdctl', 'endpoint', 'health')) !== '');
    await using api = await runApiServer({
      namespace: lab.network.namespace,
      address: lab.network.address,
      authorities,
      etcd: `https://${member.address}:2379`,
      folder: join(lab.folder, 'api-server'),
      cluster: CLUSTER,
    });
    const site = { t, lab, api };
    const [issued] = await Promise.all([
      getKeys(site),
      makeKeys(site).then((machine) => Promise.all([bootAgain(site, machine), waitForApproval(site)])),
    ]);
    t.match(
      (await member.run('etcdctl', 'get', '--prefix', '--keys-only', '/registry/minions/'))
        .trim()
        .split(/\n+/),
      ['/registry/minions/node-a', '/registry/minions/node-b', '/registry/minions/node-c'],
      "etcd, started from its role's files, has their Nodes",
    );
    await t.test('no key is anywhere but on its machine', (t) => findNoKey(t, lab, issued));
    t.equal(await lab.stopDaemon(), 0, 'SIGTERM ends the daemon with exit code 0');
  },
);

interface Site {
  readonly t: Test;
  readonly lab: Lab;
  readonly api: RunningApiServer;
}

/** A BIOS machine whose ROM is iPXE. Its role has `delivery: csr`. */
async function makeKeys(site: Site): Promise<QemuMachine> {
  const { t, lab, api } = site;
  const machine = await lab.powerOn('bios-ipxe', MAKES_KEYS);
  const screen = await waitForBoot(site, machine);
  await isInCluster(site, { screen, mac: MAKES_KEYS, hostname: 'node-a' });
  t.notMatch(screen, /PRIVATE KEY/, 'no key came with its configuration');

  t.match(told(screen, 'another name'), /^403: .*CN=system:node:somebody-else/, 'another name is refused');
  t.match(told(screen, 'another certificate'), /^403: .*'kube-apiserver'/, 'so is a certificate of others');
  t.match(told(screen, 'another key'), /^403: .*given out already, for another key/, 'so is another key');
  const { session, events } = await lab.inspect(MAKES_KEYS);
  t.equal(
    events.filter(({ kind, outcome }) => kind === 'http.csr' && outcome === 'refused').length,
    3,
    'each is in the timeline',
  );
  t.match(alarmsOf(events, session), [/certificate node was asked for with a second key/], 'one is an alarm');

  await api.setReady('node-a', false);
  await waitForStage(lab, MAKES_KEYS, 'booted');
  await api.setReady('node-a', true);
  await waitForStage(lab, MAKES_KEYS, 'ready');
  t.pass('the session goes back and forth with its Node');
  return machine;
}

/** Each boot has a session, a key and a certificate of its own; the Node stays. */
async function bootAgain(site: Site, machine: QemuMachine): Promise<void> {
  const { t, lab } = site;
  const before = (await lab.inspect(MAKES_KEYS)).session?.id;
  const from = machine.console.lines.length;
  const first = certificateOn(machine.console.lines.join('\n'));
  await machine.reset();
  const screen = await waitForBoot(site, machine, from);
  await isInCluster(site, { screen, mac: MAKES_KEYS, hostname: 'node-a' });
  t.not((await lab.inspect(MAKES_KEYS)).session?.id, before, 'a session of its own');
  const second = certificateOn(screen);
  t.notOk(new X509Certificate(first).publicKey.equals(new X509Certificate(second).publicKey), 'a new key');
}

/** A UEFI machine. Its role has `delivery: issued`. Returns its certificate. */
async function getKeys(site: Site): Promise<string> {
  const { t, lab } = site;
  const machine = await lab.powerOn('uefi-x64', GETS_KEYS);
  const screen = await waitForBoot(site, machine);
  await isInCluster(site, { screen, mac: GETS_KEYS, hostname: 'node-b' });
  t.match(screen, /PRIVATE KEY/, 'its key came with its configuration');
  t.match(told(screen, 'the configuration again'), /^(403|410): /, 'which is released once');
  const { session, events } = await lab.inspect(GETS_KEYS);
  t.match(alarmsOf(events, session), [/configuration/], 'and whoever asks again raises an alarm');
  return certificateOn(screen);
}

/** A machine that nobody has heard of. */
async function waitForApproval(site: Site): Promise<void> {
  const { t, lab } = site;
  const machine = await lab.powerOn('bios-ipxe', NEWCOMER);
  await machine.console.waitFor(/Tinderbox: asking again in/, { timeout: BOOT_TIME });
  const waiting = machine.console.lines.join('\n');
  t.match(waiting, new RegExp(`Tinderbox: This machine waits for approval: tinderbox approve ${NEWCOMER}`));
  t.match(waiting, /Tinderbox: serial LAB-00000C/, 'its own screen says who it is');
  t.match(await lab.tinderbox('approve'), new RegExp(`^${NEWCOMER} `, 'm'), 'the operator sees it, too');

  const refused = await lab
    .tinderbox('approve', NEWCOMER, '--role', 'join', '--hostname', 'node-a')
    .catch((error: Error) => error.message);
  t.match(
    refused,
    new RegExp(`host name node-a is given twice: ${MAKES_KEYS} .* and ${NEWCOMER}`),
    'a hostname of another machine is refused, with both named',
  );
  await lab.tinderbox('approve', NEWCOMER, '--role', 'join', '--hostname', 'node-c');
  const screen = await waitForBoot(site, machine);
  await isInCluster(site, { screen, mac: NEWCOMER, hostname: 'node-c' });
  t.equal(screen.split('Open Source Network Boot').length, 2, 'it was not reset on the way');
}

async function isInCluster(
  { t, lab, api }: Site,
  { screen, mac, hostname }: { readonly screen: string; readonly mac: string; readonly hostname: string },
): Promise<void> {
  t.match(screen, /^\/etc\/kubernetes\/pki\/kubelet\.crt: OK$/m, `${hostname}: openssl verify in the guest`);
  const pem = certificateOn(screen);
  const file = join(lab.folder, `${hostname}.crt`);
  await writeFile(file, pem);
  const argv = ['verify', '-purpose', 'sslclient', '-CAfile', api.authorityFile, file];
  t.equal(execFileSync('openssl', argv, { encoding: 'utf8' }), `${file}: OK\n`, 'and on this host');
  const { subject, subjectAltName } = new X509Certificate(pem);
  t.equal(subject, `O=system:nodes\nCN=system:node:${hostname}`, 'in its name');
  t.match(subjectAltName, new RegExp(`^DNS:${hostname}, IP Address:10\\.77\\.0\\.1\\d\\d$`));

  const node = await api.node(hostname);
  const systemUUID = `7464b0c5-0000-4000-8000-${mac.replaceAll(':', '')}`;
  t.match(node, { status: { nodeInfo: { systemUUID } } }, 'its Node was made over mutual TLS');
  await waitForStage(lab, mac, 'ready');
  const { session, events } = await lab.inspect(mac);
  t.match(session, { stage: 'ready', end: 'ready', hostname }, 'and Tinderbox sees that it is Ready');
  t.ok(events.some(({ kind }) => kind === 'node.ready'));
}

/** Neither the log nor the database nor the API's view of a machine holds a key that was given out. */
async function findNoKey(t: Test, lab: Lab, certificate: string): Promise<void> {
  const state = join(lab.folder, 'var');
  const files = (await readdir(state)).filter((name) => name !== 'pki');
  t.ok(
    files.some((name) => /\.(db|sqlite)/.test(name)),
    String(files),
  );
  const texts = [await lab.daemonLog(), await lab.tinderbox('machines', GETS_KEYS, '--json')];
  for (const name of files) {
    texts.push(await readFile(join(state, name), 'latin1').catch(() => ''));
  }
  t.ok(certificate.startsWith('-----BEGIN CERTIFICATE'));
  for (const text of texts) t.notMatch(text, /PRIVATE KEY/);
}

/** Its lines since line `from`, once it has booted. */
async function waitForBoot({ t, lab }: Site, machine: QemuMachine, from = 0): Promise<string> {
  const screen = (): string => machine.console.lines.slice(from).join('\n');
  try {
    await machine.console.waitFor(/^tinderbox: (reported booted|failed)/, { timeout: BOOT_TIME, from });
  } catch (error) {
    t.comment(await explain(lab, machine));
    throw error;
  }
  if (!/^tinderbox: reported booted/m.test(screen())) t.comment(await explain(lab, machine));
  return screen();
}

async function waitForStage(lab: Lab, mac: string, stage: string): Promise<void> {
  const holds = async (): Promise<boolean> => (await lab.inspect(mac)).session?.stage === stage;
  await waitUntil(`${mac} is ${stage}`, holds, { limit: 60_000 });
}

/** What the guest was told when it asked for what it has no right to: the status, then the answer. */
function told(screen: string, what: string): string {
  return new RegExp(`^misbehave: ${what}: (.*)$`, 'm').exec(screen)?.[1] ?? 'it never asked';
}

/** What register-node shows after it verified it. */
function certificateOn(screen: string): string {
  const shown = screen.slice(screen.indexOf('kubelet.crt: OK'));
  const [pem] = /-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----/.exec(shown) ?? [];
  return `${pem ?? 'no certificate on the screen'}\n`;
}

function alarmsOf(events: readonly BootEvent[], session: BootSession | undefined): readonly string[] {
  return events
    .filter(({ kind, sessionId }) => kind === 'security.alarm' && sessionId === session?.id)
    .map(({ asked, answered, reasons }) => [asked, answered, ...reasons].join('; '));
}
