import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import {
  addAddress,
  addBridge,
  addVethPair,
  createNamespace,
  joinBridge,
  stopProcess,
} from '../../src/lab/namespace.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import { askScript, curl } from './support/curl.ts';
import { CONFIG, createSite, type Site } from './support/daemon-site.ts';

const namespace = await createNamespace('http');
const machine = await createNamespace('machine');
t.teardown(() => Promise.all([machine[Symbol.asyncDispose](), namespace[Symbol.asyncDispose]()]));
await addBridge(namespace, 'br0', '10.77.0.1/24');
await addVethPair({ namespace, name: 'port0' }, { namespace: machine, name: 'eth0' });
await joinBridge(namespace, 'port0', 'br0');
await addAddress(machine, 'eth0', '10.77.0.50/24');
await addAddress(machine, 'eth0', '10.77.0.51/24');

const MAC = '52:54:00:12:34:56';
const SERVER = 'http://10.77.0.1';
const from = (address: string): string[] => ['--interface', address];

async function eventsOf(site: Site): Promise<readonly BootEvent[]> {
  const { stdout } = await site.run('machines', MAC, '--json');
  return (JSON.parse(stdout) as { events: readonly BootEvent[] }).events;
}

async function countersOf(site: Site): Promise<Readonly<Record<string, number>>> {
  const socket = join(site.folder, 'var/admin.sock');
  const { body } = await curl(namespace, 'http://tinderbox/api/v1/status', '--unix-socket', socket);
  return (JSON.parse(body) as { counters: Record<string, number> }).counters;
}

const saysNothingOfUs = /\bat .*\.[jt]s\b|node_modules|src\/|Error:/;

await t.test('a session URL that was never given out is 404, whatever it looks like', async (t) => {
  await using site = await createSite(namespace);
  const daemon = await site.serve();
  const { session } = await askScript(machine, MAC);
  const [, id = ''] = /\/boot\/(\d+)-/.exec(session) ?? [];
  const tokens = [
    'nonsense',
    `${id}-`,
    `${id}-${'A'.repeat(22)}`,
    `${Number(id) + 1}-${session.split('-').at(-1)}`,
    session.split('/').at(-1)?.toUpperCase() ?? '',
    '0-0',
    '-1-x',
    '%00',
    'x'.repeat(150),
    '..%2f..%2fetc',
  ];
  for (const token of tokens) {
    const { status, body } = await curl(machine, `${SERVER}/boot/${token}/cloud-config`);
    t.equal(status, 404, `${token}: ${body}`);
    t.notMatch(body, saysNothingOfUs);
    const report = await curl(machine, `${SERVER}/boot/${token}/report`, '--data', 'stage=booted');
    t.equal(report.status, 404, token);
  }
  const refused = (await eventsOf(site)).filter(({ outcome }) => outcome === 'refused');
  t.match(refused[0], { kind: 'http.config', answered: '404', reasons: [/no boot session has this URL/] });
  t.equal((await curl(machine, `${session}/cloud-config`)).status, 200, 'the right one is served');
  const secret = session.split('/').at(-1) ?? '';
  t.notMatch(daemon.log(), secret, 'and is in no log');
  t.notMatch(JSON.stringify(await eventsOf(site)), secret, 'and in no event');
});

await t.test('a session expires, and its reports do not', async (t) => {
  await using site = await createSite(namespace, {
    'tinderbox.yaml': `${CONFIG}http: { sessionTime: 1s }\n`,
  });
  const daemon = await site.serve();
  const { session } = await askScript(machine, MAC);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const { status, body } = await curl(machine, `${session}/cloud-config`);
  t.equal(status, 410, body);
  t.match((await eventsOf(site)).at(-1), {
    kind: 'http.config',
    outcome: 'refused',
    answered: '410',
    reasons: [/sessionTime|expire|second/],
  });
  // The open session outlives the daemon, and must not cost the machine its next boot.
  daemon.signal('SIGTERM');
  await daemon.ended;
  await site.serve();
  // Only a session that was silent for sessionTime is over.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const next = await askScript(machine, MAC);
  t.equal(
    (await curl(machine, `${next.session}/cloud-config`)).status,
    200,
    'another boot is another matter',
  );
  t.equal((await curl(machine, `${session}/cloud-config`)).status, 410);
  t.equal((await curl(machine, `${next.session}/report`, '--data', 'stage=booted')).status, 200);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const last = await askScript(machine, MAC);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  t.equal((await curl(machine, `${last.session}/report`, '--data', 'stage=booted')).status, 200, 'late');
});

await t.test('another address is noted, and refused under strictAddress', async (t) => {
  for (const strict of [false, true]) {
    const config = `${CONFIG}http: { strictAddress: ${strict} }\n`;
    await using site = await createSite(namespace, { 'tinderbox.yaml': config });
    const daemon = await site.serve();
    const first = await curl(machine, `${SERVER}/ipxe?mac=${MAC}`, ...from('10.77.0.50'));
    const session = /(http:\S+?\/boot\/[^/\s]+)\/cloud-config/.exec(first.body)?.[1] ?? '';
    const other = await curl(machine, `${session}/cloud-config`, ...from('10.77.0.51'));
    t.equal(other.status, strict ? 403 : 200);
    if (strict) t.notMatch(other.body, '#cloud-config');
    const note = /asked from another address than the one that fetched the script/;
    t.match((await eventsOf(site)).at(-1), {
      kind: 'http.config',
      outcome: strict ? 'refused' : 'answered',
      reasons: [note],
    });
    t.equal((await countersOf(site))['http.other-address'], 1);
    t.equal((await curl(machine, `${session}/cloud-config`, ...from('10.77.0.50'))).status, 200);
    daemon.signal('SIGTERM');
    await daemon.ended;
  }
});

await t.test('whatever a client sends, it gets a short refusal and the daemon serves on', async (t) => {
  await using site = await createSite(namespace, { 'assets/sub/file': 'inside', outside: 'secret' });
  const daemon = await site.serve();
  const { session } = await askScript(machine, MAC);
  const get = (path: string, ...args: string[]) => curl(machine, `${SERVER}${path}`, ...args);
  const rows: [string, Promise<{ status: number; body: string }>, number[]][] = [
    ['up', get('/assets/../outside'), [400, 404]],
    ['up, encoded', get('/assets/%2e%2e/outside'), [400, 404]],
    ['up, with slashes encoded', get('/assets/..%2foutside'), [400, 404]],
    ['up, with backslashes', get('/assets/..%5coutside'), [400, 404]],
    ['up, twice encoded', get('/assets/%252e%252e%252foutside'), [400, 404]],
    ['absolute', get('/assets//etc/passwd'), [400, 404]],
    ['a NUL', get('/assets/sub/file%00.txt'), [400, 404]],
    ['a folder', get('/assets/sub/'), [400, 404]],
    ['a broken escape', get('/assets/%zz'), [400, 404]],
    ['the root', get('/'), [404]],
    ['the admin plane', get('/api/v1/machines'), [404]],
    ['another method', get('/boot.ipxe', '--request', 'DELETE'), [404, 405]],
    ['writing', get('/assets/new', '--request', 'PUT', '--data', 'x'), [404, 405]],
    ['no MAC', get('/ipxe'), [400]],
    ['a MAC that is none', get('/ipxe?mac=hello'), [400]],
    ['two MACs', get(`/ipxe?mac=${MAC}&mac=52:54:00:00:00:01`), [400]],
    ['a header that is too long', get('/boot.ipxe', '--header', `x: ${'y'.repeat(20_000)}`), [431]],
    ['a query that is too long', get(`/ipxe?mac=${MAC}&serial=${'y'.repeat(20_000)}`), [400, 414, 431]],
  ];
  for (const [name, answer, statuses] of rows) {
    const { status, body } = await answer;
    t.ok(statuses.includes(status), `${name}: ${status}`);
    t.notMatch(body, saysNothingOfUs, name);
    t.notMatch(body, 'secret', name);
    t.ok(body.length < 400, name);
  }
  const big = join(site.folder, 'big');
  await site.write({ big: 'stage=booted&log='.padEnd(200_000, 'x') });
  const report = await curl(machine, `${session}/report`, '--data-binary', `@${big}`);
  t.equal(report.status, 413, report.body);
  const bad = await curl(machine, `${session}/report`, '--data', 'stage=flying');
  t.equal(bad.status, 400);
  t.match((await eventsOf(site)).at(-1), { kind: 'http.report', outcome: 'refused', answered: '400' });
  t.equal((await get('/assets/sub/file')).body, 'inside', 'the daemon serves on');
  t.equal((await get('/healthz')).body, 'ok\n');
  t.notOk(
    daemon.lines().some(({ level }) => level >= 50),
    'and none of it is an error of ours',
  );
  t.match(await countersOf(site), { 'http.bad-boot-query': Number, 'http.unknown-route': Number });
});

await t.test(
  'a template that does not render is a 500, with its reason in the timeline and the log only',
  async (t) => {
    const template = "#cloud-config\nhostname: {{required machine.serial 'the serial names it'}}\n";
    await using site = await createSite(namespace, { 'profiles/worker/cloud-config.yaml.hbs': template });
    const daemon = await site.serve();
    const { session } = await askScript(machine, MAC);
    const { status, body } = await curl(machine, `${session}/cloud-config`);
    t.equal(status, 500);
    t.notMatch(body, saysNothingOfUs);
    t.notMatch(body, /serial|cloud-config.yaml/);
    const events = await eventsOf(site);
    t.match(events.at(-1), { kind: 'http.config', outcome: 'failed', answered: '500' });
    t.match(events.at(-1)?.reasons.join('; '), 'the serial names it');
    t.match(daemon.log(), 'the serial names it');
    const named = await askScript(machine, `${MAC}&serial=7CX`);
    t.equal(
      (await curl(machine, `${named.session}/cloud-config`)).status,
      200,
      'a machine that says it boots',
    );
  },
);

await t.test('slow clients are dropped and hold nobody up', async (t) => {
  await using site = await createSite(namespace);
  const daemon = await site.serve();
  // Fifty that send a byte now and then, fifty that only connect, fifty that never read a big answer.
  const script = `
    const { connect } = require('node:net');
    let open = 0, closed = 0;
    const say = () => { if (open === 150) console.log('open'); };
    for (let i = 0; i < 150; i++) {
      const socket = connect(80, '10.77.0.1', () => {
        open++;
        if (i % 3 === 0) { socket.write('GET /boot.ipxe HTTP/1.1\\r\\n'); socket.resume(); setInterval(() => socket.write('x'), 500).unref(); }
        if (i % 3 === 1) { socket.write('GET /assets/initrd.gz HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); socket.pause(); }
        say();
      });
      socket.on('error', () => {});
      socket.on('close', () => console.log('closed ' + i % 3 + ' ' + ++closed));
    }`;
  const slow = machine.spawn([process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  slow.stdout?.on('data', (chunk: Buffer) => void (said += chunk.toString('utf8')));
  await once(slow.stdout as NodeJS.ReadableStream, 'data');
  const { session } = await askScript(machine, MAC);
  t.equal((await curl(machine, `${session}/cloud-config`)).status, 200, 'a machine boots beside them');
  // Headers have ten seconds, looked at every two.
  for (let round = 0; round < 300 && (said.match(/closed 0/g)?.length ?? 0) < 50; round++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.equal(said.match(/closed 0/g)?.length, 50, 'those that dribble are dropped');
  await stopProcess(slow);
  daemon.signal('SIGTERM');
  t.equal((await daemon.ended).code, 0);
});
