import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { addAddress } from '../../src/lab/namespace.ts';
import { startPlainDhcp } from '../../src/lab/plain-dhcp.ts';
import type { BootSession } from '../../src/machine/session.ts';
import type { BrokenOrder } from './support/broken-machines-port.ts';
import { createSite, type Daemon, ROLE, type Site, waitUntil } from './support/daemon-site.ts';
import { createLab, type Lab } from './support/dhcp-lab.ts';

/** Seconds that a boot has at each stage: a loaded host must not stall who only is slow. */
const SHORT =
  'stageTime: { discovered: 3, offered: 5, firmware: 4, script: 4, kernel: 4, initrd: 4, config: 4, booted: 4 }\n';
const SERVER = 'network: { interface: br0 }\n';
t.setTimeout(300_000);
const MACHINES = fileURLToPath(new URL('support/broken-machines.ts', import.meta.url));

interface Row {
  /** The diagnosis. */
  readonly name: string;
  readonly machine: Omit<BrokenOrder, 'mac' | 'address'>;
  readonly role?: string;
  /** What stands in its evidence or its remedy. */
  readonly shows?: RegExp;
}

interface Placed extends Row {
  readonly mac: string;
  readonly address: string;
}

const place = (rows: readonly Row[]): readonly Placed[] =>
  rows.map((row, index) => ({
    ...row,
    mac: `52:54:00:00:0d:${(index + 1).toString(16).padStart(2, '0')}`,
    address: `10.77.0.${20 + index}`,
  }));

const machinesYaml = (placed: readonly Placed[]): string =>
  `machines:\n${placed
    .map(
      ({ mac, address, role }) =>
        `  "${mac}": { ${role === undefined ? '' : `role: ${role}, `}address: ${address} }\n`,
    )
    .join('')}default: none\n`;

/** All of them at once, on one network card with an address for each. */
async function boot(lab: Lab, placed: readonly Placed[]): Promise<string> {
  const inside = await lab.addClient('10.77.0.3/24');
  for (const { address } of placed) await addAddress(inside, 'eth0', `${address}/24`);
  const orders = placed.map(({ mac, address, machine }): BrokenOrder => ({ mac, address, ...machine }));
  return inside.run([process.execPath, MACHINES, JSON.stringify(orders)], { timeout: 240_000 });
}

interface Listed {
  readonly machine: { readonly mac: string };
  readonly session?: BootSession;
}

/** From the admin socket itself: the CLI takes a second of processor each time. */
async function listMachines({ folder }: Site): Promise<readonly Listed[]> {
  const asked = request({ socketPath: join(folder, 'var/admin.sock'), path: '/api/v1/machines?limit=1000' });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return ((await json(answer)) as { machines: readonly Listed[] }).machines;
}

const sessionOf = async (site: Site, mac: string): Promise<BootSession | undefined> =>
  (await listMachines(site)).find(({ machine }) => machine.mac === mac)?.session;

async function expectDiagnoses(t: Test, site: Site, placed: readonly Placed[], lab: Lab): Promise<void> {
  const steps = await boot(lab, placed);
  let all = new Map<string, BootSession | undefined>();
  const nameOf = ({ mac }: Placed) => all.get(mac)?.stalled?.diagnosis.name;
  await waitUntil(
    'every machine is diagnosed',
    async () => {
      await delay(300);
      const listed = await listMachines(site);
      all = new Map(listed.map(({ machine, session }) => [machine.mac, session]));
      return placed.every((one) => nameOf(one) === one.name);
    },
    { limit: 60_000 },
  ).catch(() => undefined);
  for (const one of placed) {
    const { stage, stalled } = all.get(one.mac) ?? {};
    t.equal(nameOf(one), one.name, `${one.name}: ${one.machine.fault}`, {
      stage,
      stalled,
      steps: steps.split('\n').filter((line) => line.startsWith(one.mac)),
    });
    if (one.shows !== undefined) t.match(JSON.stringify(stalled), one.shows, `${one.name} shows why`);
  }
}

async function stop(t: Test, daemon: Daemon): Promise<void> {
  daemon.signal('SIGTERM');
  t.equal((await daemon.ended).code, 0);
}

const role = (kernel: string, more = ''): string =>
  ROLE.replace('/assets/vmlinuz', `/assets/${kernel}`) + more;

t.test('machines that break at places of their own are each told why', { timeout: 300_000 }, async (t) => {
  const template = `#cloud-config\nhostname: {{machine.hostname}}\n`;
  const placed = place([
    {
      name: 'architecture-unsupported',
      machine: { fault: 'none', arch: 'uefi-riscv64' },
      shows: /loaders: \{ uefi-riscv64: FILE \}/,
    },
    { name: 'loader-missing', machine: { fault: 'none', arch: 'uefi-arm64' }, shows: /assets\/ipxe/ },
    { name: 'offer-not-taken', machine: { fault: 'deaf' }, shows: /each answered, and no REQUEST/ },
    { name: 'no-loader-fetched', machine: { fault: 'no-tftp' }, shows: /UDP 69 in on br0/ },
    { name: 'tftp-size-probe-only', machine: { fault: 'tftp-probe-only' } },
    { name: 'tftp-timeouts', machine: { fault: 'tftp-silent' }, shows: /no ACK of block 1/ },
    { name: 'tftp-aborted', machine: { fault: 'tftp-abort', arch: 'bios' }, shows: /no room for it/ },
    {
      name: 'loader-does-not-start',
      machine: { fault: 'none', until: 'loader' },
      shows: /neither iPXE nor GRUB said a word/,
    },
    {
      name: 'loader-loop',
      machine: { fault: 'none', until: 'loader', boots: 3 },
      shows: /the ROM came back 2 times/,
    },
    { name: 'ipxe-without-http', machine: { fault: 'ipxe-without-http' } },
    { name: 'http-unreachable', machine: { fault: 'no-http' }, shows: /TCP 80 in on br0/ },
    { name: 'script-not-asked-for', machine: { fault: 'no-ipxe-script' } },
    { name: 'not-admitted', machine: { fault: 'none' }, shows: /This machine has no role/ },
    { name: 'kernel-not-fetched', machine: { fault: 'no-assets' }, role: 'worker' },
    { name: 'kernel-missing', machine: { fault: 'none' }, role: 'gone', shows: /Put it at .*assets\/gone/ },
    {
      name: 'kernel-download-aborted',
      machine: { fault: 'kernel-aborted' },
      role: 'large',
      shows: /closed the connection/,
    },
    { name: 'initrd-not-fetched', machine: { fault: 'no-initrd' }, role: 'worker' },
    { name: 'system-not-heard', machine: { fault: 'none', until: 'script' }, role: 'worker' },
    {
      name: 'boot-loop',
      machine: { fault: 'none', until: 'script', boots: 4 },
      role: 'worker',
      shows: /replaced by the next/,
    },
    { name: 'config-not-fetched', machine: { fault: 'no-config' }, role: 'worker' },
    {
      name: 'config-does-not-render',
      machine: { fault: 'none' },
      role: 'strict',
      shows: /its serial is wanted/,
    },
    {
      name: 'config-fetched-twice',
      machine: { fault: 'config-twice', until: 'config' },
      role: 'secret',
      shows: /released to 10\.77\.0\./,
    },
    { name: 'no-report', machine: { fault: 'none', until: 'config' }, role: 'worker' },
    {
      name: 'machine-reported-failure',
      machine: { fault: 'reports-failure' },
      role: 'worker',
      shows: /log: no disk/,
    },
    { name: 'cluster-unreachable', machine: { fault: 'none' }, role: 'joining' },
  ]);
  await using lab = await createLab();
  const joining = ROLE.replace('A machine', 'A Node') + 'identity: worker\n';
  await using site = await createSite(lab.network.namespace, {
    'tinderbox.yaml': `${SERVER}dhcp: { mode: server, range: 10.77.0.100-10.77.0.199, probe: off }\ncluster: { apiServer: 'https://10.77.0.1:6443' }\n${SHORT}`,
    'profiles/machines.yaml': machinesYaml(placed),
    'profiles/gone/role.yaml': role('gone'),
    'profiles/gone/cloud-config.yaml.hbs': template,
    'profiles/large/role.yaml': role('large-vmlinuz'),
    'profiles/large/cloud-config.yaml.hbs': template,
    'profiles/strict/role.yaml': ROLE,
    'profiles/strict/cloud-config.yaml.hbs': `${template}write_files: [{ path: /etc/serial, content: '{{required machine.serial "its serial is wanted"}}' }]\n`,
    'profiles/joining/role.yaml': joining,
    'profiles/joining/cloud-config.yaml.hbs': template,
    'profiles/secret/role.yaml': `${joining}credentials: { delivery: issued }\n`,
    'profiles/secret/cloud-config.yaml.hbs': template,
    'assets/gone': 'a kernel that goes',
    'assets/large-vmlinuz': new Uint8Array(64_000_000).fill(3),
  });
  const daemon = await site.serve();
  await site.write({ 'assets/gone': undefined });
  await expectDiagnoses(t, site, placed, lab);

  const { stdout: table } = await site.run('machines');
  t.match(table, / offered, stalled: its firmware takes no offer /, 'in the list');
  const deaf = placed.find(({ name }) => name === 'offer-not-taken');
  const { stdout: timeline } = await site.run('machines', deaf?.mac ?? '');
  t.match(
    timeline,
    /\n\nSTALLED at offered \(\+\d+\.\d{3}s\): its firmware takes no offer \[offer-not-taken\]\n {2}seen: DISCOVERs after 0/,
  );
  t.match(timeline, /\n {2}do: {3}In proxy mode: .*\n\n +\+0\.000s/, 'above the timeline');
  t.match(timeline, /stalled at offered: its firmware takes no offer/, 'and in it');
  const warned = daemon
    .lines()
    .filter(({ level, msg }) => level === 40 && msg.includes(`${deaf?.mac} stalled at`));
  t.equal(warned.length, 1, 'one warning');

  const before = await sessionOf(site, deaf?.mac ?? '');
  await stop(t, daemon);
  await site.write({ 'assets/gone': 'a kernel that is there again' });
  const again = await site.serve();
  t.same((await sessionOf(site, deaf?.mac ?? ''))?.stalled, before?.stalled, 'also after a restart');
  await stop(t, again);
});

t.test('a pool that is exhausted is told to who gets no address', { timeout: 300_000 }, async (t) => {
  await using lab = await createLab();
  await using site = await createSite(lab.network.namespace, {
    'tinderbox.yaml': `${SERVER}dhcp: { mode: server, range: 10.77.0.100-10.77.0.100, probe: off }\n${SHORT}`,
  });
  const daemon = await site.serve();
  const [first, second] = place([
    { name: 'loader-does-not-start', machine: { fault: 'none', until: 'loader' } },
    {
      name: 'address-pool-exhausted',
      machine: { fault: 'none' },
      shows: /no address is free in 10\.77\.0\.0\/24/,
    },
  ]);
  if (first === undefined || second === undefined) return;
  await boot(lab, [first]);
  await expectDiagnoses(t, site, [second], lab);
  await stop(t, daemon);
});

const plugDhcp = (lab: Lab, more: readonly string[] = []) =>
  startPlainDhcp({ namespace: lab.network.namespace, bridge: 'br0', network: '10.77.0', more });
const PROXY = `${SERVER}dhcp: { mode: proxy, probe: 1s }\n${SHORT}`;

t.test('in proxy mode the other half may be what is missing', { timeout: 300_000 }, async (t) => {
  await using lab = await createLab();
  await using site = await createSite(lab.network.namespace, { 'tinderbox.yaml': PROXY });
  const daemon = await site.serve();
  const rows = place([
    { name: 'no-address-server', machine: { fault: 'none' }, shows: /mode: server/ },
    { name: 'no-tftp-after-4011', machine: { fault: 'no-tftp' } },
    { name: 'no-request-on-4011', machine: { fault: 'no-4011' }, shows: /uefiProxy: offer/ },
    {
      name: 'other-boot-server',
      machine: { fault: 'no-tftp', arch: 'bios' },
      shows: /10\.77\.0\.2 offers pxelinux\.0/,
    },
  ]);
  await expectDiagnoses(t, site, rows.slice(0, 1), lab);
  {
    await using router = await plugDhcp(lab);
    await expectDiagnoses(t, site, rows.slice(1, 3), lab);
    t.match(router.log(), /DHCPOFFER/, 'the machines heard it');
  }
  await using other = await plugDhcp(lab, ['--dhcp-boot=pxelinux.0']);
  const named = /another server on br0 names a boot file: 10\.77\.0\.2 offers pxelinux\.0/;
  await waitUntil('the probe finds it', () => named.test(daemon.log()), { limit: 60_000 });
  await expectDiagnoses(t, site, rows.slice(3), lab);
  t.notMatch(other.log(), /DHCPREQUEST.*fe:/, 'the probes take nothing');
  await stop(t, daemon);
});
