import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startPlainDhcp } from '../../src/lab/plain-dhcp.ts';
import { runProgram } from '../../src/lab/run-program.ts';
import { createSite, type Daemon, type Site, waitUntil } from './support/daemon-site.ts';
import { createLab, type Lab, runUdhcpc } from './support/dhcp-lab.ts';

const WARN = 40;
const SERVER =
  'network: { interface: br0 }\ndhcp: { mode: server, range: 10.77.0.100-10.77.0.199, probe: 1s }\n';
const PROXY = SERVER.replace('mode: server, range: 10.77.0.100-10.77.0.199', 'mode: proxy');

const said = (daemon: Daemon, pattern: RegExp) => daemon.lines().filter(({ msg }) => pattern.test(msg));
/** A probe takes seconds, and one that is missed is asked for again. */
const hear = (daemon: Daemon, pattern: RegExp, times = 1) =>
  waitUntil(`${times} times ${pattern}`, () => said(daemon, pattern).length >= times, {
    limit: 90_000,
    unless: daemon.ended.then(({ stdout }) => stdout),
  });

/** What the status API says, as the CLI asks it. */
async function othersOf({ folder }: Site) {
  const socket = join(folder, 'var/admin.sock');
  const status = await runProgram(
    ['curl', '--silent', '--fail', '--unix-socket', socket, 'http://admin/api/v1/status'],
    {
      timeout: 10_000,
    },
  );
  const { otherDhcpServers } = JSON.parse(status) as {
    otherDhcpServers: { address: string; lastSeen: number }[];
  };
  return otherDhcpServers;
}

const plainDhcp = (lab: Lab) =>
  startPlainDhcp({ namespace: lab.network.namespace, bridge: 'br0', network: '10.77.0' });

async function stop(daemon: Daemon, site: Site, t: Test): Promise<void> {
  daemon.signal('SIGTERM');
  const { code, stderr } = await daemon.ended;
  t.match({ code, stderr }, { code: 0, stderr: '' }, join(site.folder, 'stops'));
}

await t.test('a second server is said when it comes, when it goes, and not in between', async (t) => {
  await using lab = await createLab();
  await using site = await createSite(lab.network.namespace, { 'tinderbox.yaml': SERVER });
  const daemon = await site.serve();
  const appeared =
    /another DHCP server is on br0: 10\.77\.0\.2 \(.*\), which offered 10\.77\.0\.\d+, router 10\.77\.0\.2;/;
  for (const times of [1, 2]) {
    await using other = await plainDhcp(lab);
    await hear(daemon, appeared, times);
    t.match(await othersOf(site), [
      { interface: 'br0', address: '10.77.0.2', mac: /^([0-9a-f]{2}:){5}/, router: '10.77.0.2' },
    ]);
    // It goes on giving addresses beside it.
    const machine = await lab.addClient();
    t.match(await runUdhcpc(machine, `52:54:00:00:bb:0${times}`), { code: 0 });
    await other[Symbol.asyncDispose]();
    await hear(daemon, /the DHCP server 10\.77\.0\.2 \(.*\) on br0 does not answer any more/, times);
    t.same(await othersOf(site), []);
  }
  t.same(
    said(daemon, appeared).map(({ level }) => level),
    [WARN, WARN],
    'once each time, as a warning',
  );
  t.same(said(daemon, /^no DHCP server/), [], 'alone is how a server is to be');
  const { stdout } = await site.run('machines', '--json');
  t.notMatch(stdout, /"mac": "(?!52:54:00)/, 'its own probes are no machine');
  await stop(daemon, site, t);
});

await t.test('a proxy says that nobody gives addresses, and who does', async (t) => {
  await using lab = await createLab();
  await using site = await createSite(lab.network.namespace, { 'tinderbox.yaml': PROXY });
  const daemon = await site.serve();
  const alone = /^no DHCP server answers on br0: in proxy mode machines get no address/;
  await hear(daemon, alone);
  await using other = await plainDhcp(lab);
  await hear(daemon, /^DHCP server on br0: 10\.77\.0\.2 /);
  t.ok(other.log().includes('DHCPDISCOVER'));
  t.notMatch(other.log(), /DHCPREQUEST/, 'nothing is ever taken');
  t.same(
    said(daemon, alone).map(({ level }) => level),
    [WARN],
  );
  await stop(daemon, site, t);
});

await t.test('without probes a server is known by the machines that choose it', async (t) => {
  await using lab = await createLab({ plainDhcp: true });
  const config = PROXY.replace('probe: 1s', 'probe: 1d');
  await using site = await createSite(lab.network.namespace, { 'tinderbox.yaml': config });
  const daemon = await site.serve();
  await hear(daemon, /^DHCP server on br0: 10\.77\.0\.2 /);
  const probed = await othersOf(site);
  const machine = await lab.addClient();
  t.match(await runUdhcpc(machine, '52:54:00:00:bb:09'), { code: 0 });
  const seen = (others: Awaited<ReturnType<typeof othersOf>>) => others[0]?.lastSeen ?? 0;
  await waitUntil('the REQUEST is seen', async () => seen(await othersOf(site)) > seen(probed));
  t.equal(said(daemon, /^DHCP server on/).length, 1);
  await stop(daemon, site, t);
});

await t.test('with probe: off nothing is sent', async (t) => {
  await using lab = await createLab({ plainDhcp: true });
  const config = PROXY.replace('probe: 1s', 'probe: off');
  await using site = await createSite(lab.network.namespace, { 'tinderbox.yaml': config });
  const daemon = await site.serve();
  const machine = await lab.addClient();
  t.match(await runUdhcpc(machine, '52:54:00:00:bb:0a'), { code: 0 });
  const asked = (lab.network.routerLog().match(/DHCPDISCOVER\S* (.*)/g) ?? []).filter(
    (line) => !line.includes('52:54:00:00:bb:0a'),
  );
  t.same(asked, []);
  t.same(await othersOf(site), []);
  await stop(daemon, site, t);
});
