import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startPlainDhcp } from '../../src/lab/plain-dhcp.ts';
import { runProgram } from '../../src/lab/run-program.ts';
import { createSite, type Daemon, type Site, waitUntil } from './support/daemon-site.ts';
import { createLab, type Lab, runUdhcpc } from './support/dhcp-lab.ts';

t.setTimeout(180_000);
// Most of the time they wait.
t.jobs = 4;

const WARN = 40;
const SERVER =
  'network: { interface: br0 }\ndhcp: { mode: server, range: 10.77.0.100-10.77.0.199, probe: 1s }\n';

const said = (daemon: Daemon, pattern: RegExp) => daemon.lines().filter(({ msg }) => pattern.test(msg));
/** A probe takes seconds, and one that is missed is asked for again. */
const hear = (daemon: Daemon, pattern: RegExp, times = 1) =>
  waitUntil(`${times} times ${pattern}`, () => said(daemon, pattern).length >= times, {
    limit: 90_000,
    unless: daemon.ended.then(({ stdout }) => stdout),
  });

const plainDhcp = (lab: Lab, options: { readonly ping?: true } = {}) =>
  startPlainDhcp({ namespace: lab.network.namespace, bridge: 'br0', network: '10.77.0', ...options });

async function stop(daemon: Daemon, site: Site, t: Test): Promise<void> {
  daemon.signal('SIGTERM');
  const { code, stderr } = await daemon.ended;
  t.match({ code, stderr }, { code: 0, stderr: '' }, join(site.folder, 'stops'));
}

const REFUSED =
  /dhcp\.mode is server, and another DHCP server gives addresses already: on br0 10\.77\.0\.2 .*\n +Switch it off, .*dhcp\.mode: proxy.*dhcp\.allowOtherServers: true/;
const APPEARED = /^another DHCP server is on br0: 10\.77\.0\.2 /;

t.test('beside another server the first start is refused, unless that is allowed', async (t) => {
  await using lab = await createLab();
  // It answers after three seconds: no sooner can it be said that there is nobody.
  await using other = await plainDhcp(lab, { ping: true });
  await using site = await createSite(lab.network.namespace, { 'tinderbox.yaml': SERVER });
  for (const attempt of ['first', 'second']) {
    const { code, stderr, stdout } = await site.launch().ended;
    t.equal(code, 1, `${attempt} attempt`);
    t.match(stderr, REFUSED);
    t.notMatch(stdout, /"msg":"(ready|DHCP \(server\) on br0)"/, 'nothing was answered');
  }
  t.notMatch(other.log(), /DHCPREQUEST/);
  await site.write({ 'tinderbox.yaml': SERVER.replace('probe', 'allowOtherServers: true, probe') });
  const daemon = await site.serve();
  await hear(daemon, APPEARED);
  await stop(daemon, site, t);
});

t.test('as a service it ends with what systemd does not try again', async (t) => {
  await using lab = await createLab();
  await using router = await plainDhcp(lab);
  const notify = ['env', 'NOTIFY_SOCKET=/nowhere'];
  await using site = await createSite(lab.network.namespace, { 'tinderbox.yaml': SERVER }, notify);
  const { code, stderr } = await site.launch().ended;
  t.match(router.log(), /DHCPOFFER/);
  t.match({ code, stderr }, { code: 78, stderr: REFUSED });
});

t.test('who gave addresses before goes on beside a server that was plugged in, and says so', async (t) => {
  await using lab = await createLab();
  await using site = await createSite(lab.network.namespace, { 'tinderbox.yaml': SERVER });
  const first = await site.serve();
  const machine = await lab.addClient();
  t.match(await runUdhcpc(machine, '52:54:00:00:bb:0b'), { code: 0 });
  first.signal('SIGKILL');
  await first.ended;
  await using router = await plainDhcp(lab);
  const second = await site.serve();
  await hear(second, APPEARED);
  t.match(router.log(), /DHCPOFFER/);
  t.same(
    said(second, APPEARED).map(({ level }) => level),
    [WARN],
  );
  t.match(await runUdhcpc(await lab.addClient(), '52:54:00:00:bb:0c'), { code: 0 });
  await stop(second, site, t);
});

t.test('until it is known that nobody else gives addresses it answers nobody, and counts them', async (t) => {
  await using lab = await createLab();
  const machine = await lab.addClient();
  await using site = await createSite(lab.network.namespace, { 'tinderbox.yaml': SERVER });
  const daemon = await site.serve();
  const order = daemon.lines().map(({ msg }) => msg);
  t.ok(order.indexOf('ready') > order.findIndex((msg) => msg.startsWith('DHCP (server) on br0')));
  const socket = join(site.folder, 'var/admin.sock');
  const status = await runProgram(
    ['curl', '--silent', '--fail', '--unix-socket', socket, 'http://admin/api/v1/status'],
    { timeout: 10_000 },
  );
  // Linux gives a host its own broadcasts: the probe itself came in, and was the first that nobody answered.
  t.match(JSON.parse(status), { counters: { 'dhcp.dropped.before-serving': Number } });
  t.match(await runUdhcpc(machine, '52:54:00:00:bb:0d'), { code: 0 });
  await stop(daemon, site, t);
});
