import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import type { StatusView } from '../../src/admin/api.ts';
import { createNamespace, stopProcess } from '../../src/lab/namespace.ts';
import { type Cable, layCable } from './support/cable.ts';
import { curl } from './support/curl.ts';
import { createSite, waitUntil } from './support/daemon-site.ts';

const CONFIG = `network: { interface: [prov0, prov1] }
dhcp:
  mode: server
  probe: off
  subnets:
    - { range: 10.77.0.100-10.77.0.199, router: 10.77.0.1 }
    - { range: 10.78.0.100-10.78.0.199, router: 10.78.0.1 }
`;
const OPEN_UDP_SOCKET = new URL('../../src/net/open-udp-socket.ts', import.meta.url).href;
const BIG = new Uint8Array(48 * 1024 * 1024).map((_, index) => (index * 2_654_435_761) >>> 24);

const server = await createNamespace('interfaces');
const here = await layCable(server, 'prov0', 0x525400cc0000);
const there = await layCable(server, 'prov1', 0x525400cd0000);
const site = await createSite(server, {
  'tinderbox.yaml': CONFIG,
  'assets/ipxe/big.bin': BIG,
  'assets/big.bin': BIG,
});
t.teardown(async () => {
  for (const one of [site, here, there, server]) await one[Symbol.asyncDispose]();
});

await there.plugIn('10.78.0.1/24');
const daemon = await site.serve();

async function stateOf(name: string): Promise<StatusView['interfaces'][number]> {
  const socket = join(site.folder, 'var/admin.sock');
  const { body } = await curl(server, 'http://tinderbox/api/v1/status', '--unix-socket', socket);
  const found = (JSON.parse(body) as StatusView).interfaces.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no ${name} in ${body}`);
  return found;
}

async function untilState(name: string, state: string, reason: RegExp = /^$/): Promise<void> {
  let last: unknown;
  const holds = async (): Promise<boolean> => {
    const now = await stateOf(name);
    last = now;
    return now.state === state && reason.test(now.reason ?? '');
  };
  await waitUntil(`${name} is ${state}`, holds).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(last)}\n${daemon.log()}`);
  });
}

/** What the daemon logged of an interface since `from`. */
function saidSince(from: number): string {
  return daemon
    .lines()
    .slice(from)
    .filter(({ part }) => part === 'net')
    .map(({ msg }) => msg)
    .join('\n');
}

await t.test('an interface that is missing at start is waited for, then served', async (t) => {
  t.match(await stateOf('prov0'), { state: 'waiting', addresses: [], reason: /no network interface prov0/ });
  t.match(await stateOf('prov1'), { state: 'serving', addresses: ['10.78.0.1'] });
  await there.boot();

  await here.plugIn(undefined);
  await untilState('prov0', 'waiting', /has no IPv4 address/);
  await here.ip('address', 'add', '10.77.0.1/24', 'dev', 'prov0');
  t.comment(`served ${Math.round(await here.untilServed('10.77.0.1'))} ms after it had an address`);
  await untilState('prov0', 'serving');
  t.match(saidSince(0), /prov0 is served; it was not for \d+\.\d s/);
  for (const url of await here.boot()) t.match(url, /^\w+:\/\/10\.77\.0\.1\//);
});

await t.test('an interface that is taken down and up again is served as before', async (t) => {
  const from = daemon.lines().length;
  await here.ip('link', 'set', 'prov0', 'down');
  await untilState('prov0', 'waiting', /prov0 is down/);
  await here.ip('link', 'set', 'prov0', 'up');
  t.comment(`served ${Math.round(await here.untilServed('10.77.0.1'))} ms after it was up`);
  await untilState('prov0', 'serving');
  await here.boot();
  t.match(saidSince(from), /was taken down[\s\S]*is up again[\s\S]*is served; it was not for/);
  t.notMatch(saidSince(from), /opened anew/);
});

await t.test('a carrier that is lost is told, and no reason to stop', async (t) => {
  const from = daemon.lines().length;
  await here.machine.run(['ip', 'link', 'set', 'eth0', 'down']);
  await untilState('prov0', 'serving', /no carrier/);
  await here.machine.run(['ip', 'link', 'set', 'eth0', 'up']);
  await untilState('prov0', 'serving');
  await here.boot();
  t.match(saidSince(from), /lost its carrier[\s\S]*has a carrier again/);
});

await t.test('another address is what machines are told from then on', async (t) => {
  await here.ip('address', 'add', '10.77.0.2/24', 'dev', 'prov0');
  await here.ip('address', 'delete', '10.77.0.1/24', 'dev', 'prov0');
  // The kernel removes what was secondary to the one that goes.
  await here.ip('address', 'replace', '10.77.0.2/24', 'dev', 'prov0');
  t.comment(`served ${Math.round(await here.untilServed('10.77.0.2'))} ms after the change`);
  await untilState('prov0', 'serving');
  t.strictSame((await stateOf('prov0')).addresses, ['10.77.0.2']);
  for (const url of await here.boot()) t.match(url, /^\w+:\/\/10\.77\.0\.2\//);
  t.match(saidSince(0), /prov0 has the address 10\.77\.0\.2\/24/);
});

await t.test(
  'an address that no range fits gives no leases there, and says why, until it is mended',
  async (t) => {
    await here.ip('address', 'replace', '10.99.0.1/24', 'dev', 'prov0');
    await here.ip('address', 'delete', '10.77.0.2/24', 'dev', 'prov0');
    await here.untilServed('10.99.0.1');
    await untilState(
      'prov0',
      'partly',
      /gives no addresses on prov0: the range 10\.77\.0\.100.* is in no network/,
    );
    await t.rejects(here.boot(0.1), /rom-discover/);
    await there.boot();
    await here.ip('address', 'replace', '10.77.0.1/24', 'dev', 'prov0');
    await here.ip('address', 'delete', '10.99.0.1/24', 'dev', 'prov0');
    await untilState('prov0', 'serving');
    await here.untilServed('10.77.0.1');
    for (const url of await here.boot()) t.match(url, /^\w+:\/\/10\.77\.0\.1\//);
  },
);

await t.test('an interface that is removed and made again is served by new sockets', async (t) => {
  await here.pullOut();
  await untilState('prov0', 'waiting', /no network interface prov0$/);
  await here.plugIn('10.77.0.1/24');
  t.comment(`served ${Math.round(await here.untilServed('10.77.0.1'))} ms after it was made again`);
  await untilState('prov0', 'serving');
  await here.boot();
});

await t.test('one that was made again between two looks is noticed by its number', async (t) => {
  const from = daemon.lines().length;
  daemon.signal('SIGSTOP');
  await here.pullOut();
  await here.plugIn('10.77.0.1/24');
  daemon.signal('SIGCONT');
  await waitUntil('it is noticed', () => saidSince(from).includes('opened anew'));
  await here.untilServed('10.77.0.1');
  await here.boot();
  t.match(await stateOf('prov0'), { state: 'serving' });
});

await t.test(
  'an interface that was renamed is missed under its name, and the other name is told',
  async (t) => {
    await here.ip('link', 'set', 'prov0', 'down');
    await here.ip('link', 'set', 'prov0', 'name', 'enp9s0');
    await here.ip('link', 'set', 'enp9s0', 'up');
    await untilState('prov0', 'waiting', /no network interface prov0; was it renamed to enp9s0\?/);
    await here.ip('link', 'set', 'enp9s0', 'down');
    await here.ip('link', 'set', 'enp9s0', 'name', 'prov0');
    await here.ip('link', 'set', 'prov0', 'up');
    t.comment(`served ${Math.round(await here.untilServed('10.77.0.1'))} ms after it had its name again`);
    await untilState('prov0', 'serving');
    await here.boot();
  },
);

await t.test('another MTU is the one that TFTP blocks have to fit', async (t) => {
  const blockSize = async (): Promise<string> => {
    const argv = ['curl', '-sv', '--tftp-blksize', '8000', '-o', '/dev/null', '-r', '0-1'];
    const url = 'tftp://10.77.0.1/undionly.kpxe';
    const text = await here.machine.run(['sh', '-c', '"$@" 2>&1', 'sh', ...argv, url]);
    return /blksize\D+(\d+)/.exec(text)?.[1] ?? text;
  };
  t.equal(await blockSize(), '1468');
  await here.machine.run(['ip', 'link', 'set', 'eth0', 'mtu', '1400']);
  await here.ip('link', 'set', 'prov0', 'mtu', '1400');
  await waitUntil('it is noticed', () => saidSince(0).includes('prov0 has the MTU 1400 (before: 1500)'));
  t.equal(await blockSize(), '1368');
  await here.boot();
});

await t.test('a port that another program took meanwhile is opened when that is gone', async (t) => {
  daemon.signal('SIGSTOP');
  await here.pullOut();
  await here.plugIn('10.77.0.1/24');
  const script = `
    const { openUdpSocket } = await import(${JSON.stringify(OPEN_UDP_SOCKET)});
    await openUdpSocket({ port: 4011, device: 'prov0' });
    console.log('bound');`;
  const holder = server.spawn([process.execPath, '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout ?? holder, 'data');
  daemon.signal('SIGCONT');
  await untilState(
    'prov0',
    'partly',
    new RegExp(`UDP port 4011 on prov0 is held by node \\(pid ${holder.pid}\\)`),
  );
  t.equal((await curl(here.machine, 'http://10.77.0.1/healthz')).status, 200, 'the rest is served');
  await stopProcess(holder);
  await untilState('prov0', 'serving');
  await here.boot();
});

/** The SHA-256 of what curl gets in one go. */
async function fetchSum(cable: Cable, ...args: readonly string[]): Promise<string> {
  const argv = ['sh', '-c', '"$@" | sha256sum', 'sh', 'curl', '-sS', '--fail', ...args];
  return (await cable.machine.run(argv, { timeout: 120_000 })).slice(0, 64);
}

const BIG_SUM = createHash('sha256').update(BIG).digest('hex');

await t.test('transfers on one interface go on while another flaps', async (t) => {
  const done = { tftp: false, http: false };
  const flaps = { tftp: 0, http: 0 };
  const transfers = Promise.all([
    fetchSum(there, 'tftp://10.78.0.1/big.bin').finally(() => {
      done.tftp = true;
    }),
    fetchSum(there, '--limit-rate', '4M', 'http://10.78.0.1/assets/big.bin').finally(() => {
      done.http = true;
    }),
  ]);
  while (!done.tftp || !done.http) {
    await here.pullOut();
    await untilState('prov0', 'waiting', /no network/);
    if (!done.tftp) flaps.tftp++;
    if (!done.http) flaps.http++;
    await here.plugIn('10.77.0.1/24');
    await untilState('prov0', 'serving');
  }
  t.strictSame(await transfers, [BIG_SUM, BIG_SUM]);
  t.ok(flaps.tftp > 0, 'the transfer by TFTP was long enough');
  t.ok(flaps.http > 0, 'and the one by HTTP');
  t.comment(`prov0 went ${flaps.tftp} times during the transfer by TFTP, ${flaps.http} times during HTTP's`);
  await here.boot();
});

await t.test('a download outlives its own interface being made again', async (t) => {
  const download = fetchSum(here, '--limit-rate', '8M', 'http://10.77.0.1/assets/big.bin');
  await waitUntil('it has begun', async () => {
    const sockets = await here.machine.run(['ss', '-Hnt', 'state', 'established']);
    return /10\.77\.0\.1:80/.test(sockets);
  });
  await here.pullOut();
  await untilState('prov0', 'waiting', /no network/);
  await here.plugIn('10.77.0.1/24');
  t.equal(await download, BIG_SUM);
});

await t.test('after all of that the daemon ends as it should, and never said an error', async (t) => {
  t.strictSame(
    daemon.lines().filter(({ level }) => level >= 50),
    [],
  );
  daemon.signal('SIGTERM');
  t.equal((await daemon.ended).code, 0);
});
