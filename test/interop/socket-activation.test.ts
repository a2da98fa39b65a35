import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { curl } from './support/curl.ts';
import { CONFIG, createSite, type Site, waitUntil } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';
import {
  BARE_ID,
  type HandedSocket,
  type Launched,
  type LaunchOptions,
  launchAsSystemd,
} from './support/launch-as-systemd.ts';

const lab = await createLab();
t.teardown(() => lab[Symbol.asyncDispose]());
const server = lab.network.namespace;
const client = await lab.addClient('10.77.0.3/24');

const ALL: readonly HandedSocket[] = [
  { name: 'dhcp-br0', type: 'udp', port: 67, device: 'br0' },
  { name: 'pxe-br0', type: 'udp', port: 4011, device: 'br0' },
  { name: 'tftp-br0', type: 'udp', port: 69, device: 'br0' },
  { name: 'http-br0', type: 'tcp', port: 80, device: 'br0' },
  { name: 'syslog-br0', type: 'udp', port: 514, device: 'br0' },
];

/** Starts it, and sees to it that it is gone afterwards. */
function launch(t: Test, site: Site, options: Omit<LaunchOptions, 'config'>): Launched {
  const config = `${site.folder}/tinderbox.yaml`;
  if (options.bare === true) execFileSync('chown', ['-R', `${BARE_ID}:${BARE_ID}`, site.folder]);
  const daemon = launchAsSystemd(server, { ...options, config });
  t.teardown(async () => {
    daemon.signal('SIGKILL');
    await daemon.ended;
  });
  return daemon;
}

const ready = (daemon: Launched) =>
  waitUntil('it is ready', () => daemon.log().includes('"msg":"ready"'), {
    limit: 30_000,
    unless: daemon.ended.then(({ stdout, stderr }) => `it ended: ${stdout}${stderr}`),
  });

async function boots(t: Test, arch: string): Promise<void> {
  const [outcome] = await bootMachines(client, {
    interface: 'eth0',
    count: 1,
    firstMac: 0x525400123456,
    arch,
    until: 'report',
    pace: 0.1,
    timeout: 30_000,
  });
  const steps = outcome?.steps.map(({ step, ok, answered }) => `${ok ? '' : 'not '}${step}: ${answered}`);
  t.ok(outcome?.ok, `${arch} boots`, { steps });
}

await t.test('with all sockets handed over it needs no capability and no privilege', async (t) => {
  await using site = await createSite(server);
  const daemon = launch(t, site, { sockets: ALL, bare: true });
  await ready(daemon);
  t.match(daemon.log(), 'inherited sockets: dhcp-br0, pxe-br0, tftp-br0, http-br0, syslog-br0');
  const status = readFileSync(`/proc/${daemon.pid}/status`, 'utf8');
  t.match(status, new RegExp(`^Uid:\\s+${BARE_ID}\\s+${BARE_ID}\\s`, 'm'));
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
    t.match(status, new RegExp(`^${set}:\\s+0+$`, 'm'));
  await boots(t, 'bios');
  await boots(t, 'uefi-x64-http');
  daemon.signal('SIGTERM');
  t.equal((await daemon.ended).code, 0);
});

await t.test('each address of the interface is served by the one socket', async (t) => {
  await server.run(['ip', 'address', 'add', '10.77.0.2/24', 'dev', 'br0']);
  await using site = await createSite(server);
  const daemon = launch(t, site, { sockets: ALL, bare: true });
  await ready(daemon);
  const { script } = { script: (await curl(client, 'http://10.77.0.2/boot.ipxe')).body };
  t.match(script, 'http://10.77.0.2/', 'it is told the address that it asked');
  const listening = await server.run(['ss', '-H', '-lntu']);
  t.equal(listening.trim().split('\n').length, ALL.length, listening);
  daemon.signal('SIGTERM');
  await daemon.ended;
  await server.run(['ip', 'address', 'del', '10.77.0.2/24', 'dev', 'br0']);
});

await t.test('a socket that is missing stops a service that may not open it, and is named', async (t) => {
  await using site = await createSite(server);
  const daemon = launch(t, site, { sockets: ALL.filter(({ port }) => port !== 69), bare: true });
  const { code, stderr } = await daemon.ended;
  t.equal(code, 1);
  t.match(stderr, /UDP port 69 on br0 may not be opened by this user, and no socket tftp-br0 was inherited/);
  t.match(stderr, /systemctl status 'tinderbox-\*@\*\.socket'/);
});

await t.test('wrong and surplus sockets are said, and a service that may opens its own', async (t) => {
  await using site = await createSite(server);
  const daemon = launch(t, site, {
    sockets: [
      { name: 'dhcp-br0', type: 'udp', port: 67 },
      { name: 'tftp-br0', type: 'udp', port: 6969, device: 'br0' },
      { name: 'pxe-lo', type: 'udp', port: 4011, device: 'lo' },
    ],
  });
  await ready(daemon);
  t.match(daemon.log(), /dhcp-br0 is not used: it is tied to no interface: BindToDevice=br0 is missing/);
  t.match(daemon.log(), /tftp-br0 is not used: it has port 6969, not 69/);
  // Said by who started the daemon, after it is ready.
  await waitUntil('the surplus is said', () => daemon.log().includes('sockets that nobody serves: pxe-lo'));
  t.match(daemon.log(), /no socket pxe-br0 was inherited: opened UDP port 4011 myself/);
  await boots(t, 'bios');
});

await t.test('systemd-socket-activate hands over as systemd does', async (t) => {
  await using site = await createSite(server, { 'tinderbox.yaml': `${CONFIG}http: { port: 8081 }\n` });
  const argv = [
    'systemd-socket-activate',
    '--listen=10.77.0.1:8081',
    '--fdname=http-br0',
    'env',
    '-u',
    'NODE_OPTIONS',
    new URL('../../bin/tinderbox', import.meta.url).pathname,
    'serve',
    '--config',
    `${site.folder}/tinderbox.yaml`,
  ];
  const child = server.spawn(argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let log = '';
  child.stdout?.on('data', (chunk: Buffer) => void (log += chunk.toString('utf8')));
  // The first connection starts it; it is dropped with the socket, which is tied to no interface.
  await waitUntil(
    'somebody answers',
    async () => (await curl(client, 'http://10.77.0.1:8081/healthz')).status === 200,
    {
      limit: 60_000,
    },
  );
  t.match(log, /the inherited socket http-br0 is not used: it is tied to no interface/);
});

await t.test('an interface that is made anew ends it with 75: a new start gets its sockets', async (t) => {
  await using site = await createSite(server, {
    'tinderbox.yaml': CONFIG.replace('br0', 'dum0').replaceAll('10.77.0.', '10.78.0.'),
  });
  const make = async (): Promise<void> => {
    await server.run(['ip', 'link', 'add', 'dum0', 'type', 'bridge']);
    await server.run(['ip', 'address', 'add', '10.78.0.1/24', 'dev', 'dum0']);
    await server.run(['ip', 'link', 'set', 'dum0', 'up']);
  };
  await make();
  const sockets = ALL.map((one) => ({ ...one, name: one.name.replace('br0', 'dum0'), device: 'dum0' }));
  const environment = { NOTIFY_SOCKET: '@tinderbox-test-nobody' };
  const daemon = launch(t, site, { sockets, bare: true, environment });
  await ready(daemon);
  await server.run(['ip', 'address', 'del', '10.78.0.1/24', 'dev', 'dum0']);
  await server.run(['ip', 'address', 'add', '10.78.0.9/24', 'dev', 'dum0']);
  await waitUntil('its address changes', () => daemon.log().includes('dum0 has the address 10.78.0.9'));
  t.equal((await curl(server, 'http://10.78.0.9/healthz')).status, 200, 'another address needs no new start');
  await server.run(['ip', 'link', 'del', 'dum0']);
  await make();
  const { code, stdout } = await daemon.ended;
  t.equal(code, 75, daemon.log());
  t.match(stdout, /dum0 is here \(again\), and systemd hands over its sockets at a start only: stopping/);
  await server.run(['ip', 'link', 'del', 'dum0']);
});
