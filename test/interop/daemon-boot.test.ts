import t from 'tap';
import { LOOP_LIMIT } from '../../src/boot/detect-boot-loop.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import { type Mac, parseMac } from '../../src/machine/mac.ts';
import { encodeDhcpPacket } from '../../src/protocol/dhcp/packet.ts';
import { IPXE, makeRequest } from '../support/make-request.ts';
import { curl } from './support/curl.ts';
import { CONFIG, createSite, type Site } from './support/daemon-site.ts';
import { bootMachines, createLab, type Lab } from './support/dhcp-lab.ts';
import type { MachineOutcome, MachinesOrder } from './support/virtual-machines-port.ts';

const MAC = '52:54:00:12:34:56';
const lab: Lab = await createLab();
t.teardown(() => lab[Symbol.asyncDispose]());
const server = lab.network.namespace;
const client = await lab.addClient('10.77.0.3/24');
/** Has the address that is reserved for the machine: what it fetches is known by its address. */
const ownClient = await lab.addClient('10.77.0.20/24');
const RESERVED = `machines:\n  ${MAC}: { role: worker, address: 10.77.0.20 }\ndefault: worker\n`;

async function boot(order: Partial<MachinesOrder> = {}, inside = client): Promise<MachineOutcome> {
  const [outcome] = await bootMachines(inside, {
    interface: 'eth0',
    count: 1,
    firstMac: 0x525400123456,
    arch: 'uefi-x64',
    until: 'report',
    pace: 0.1,
    timeout: 30_000,
    ...order,
  });
  if (outcome === undefined) throw new Error('the virtual machine said nothing');
  return outcome;
}

const stepsOf = ({ steps }: MachineOutcome): string =>
  steps
    .map(({ step, ok, asked, answered }) => `${ok ? '' : 'not '}${step}: ${asked} → ${answered}`)
    .join('\n');

async function eventsOf(site: Site): Promise<readonly BootEvent[]> {
  const { stdout } = await site.run('machines', MAC, '--json');
  return (JSON.parse(stdout) as { events: readonly BootEvent[] }).events;
}

const reasonsOf = (events: readonly BootEvent[]): string =>
  events.flatMap(({ reasons }) => reasons).join('\n');

await t.test(
  'a machine boots with ports of the operator, and health is asked on the admin port',
  async (t) => {
    const ports = 'http: { port: 8081 }\ntftp: { port: 6969 }\nadmin: { listen: "127.0.0.1:8089" }\n';
    await using site = await createSite(server, { 'tinderbox.yaml': CONFIG + ports });
    const daemon = await site.serve();
    // Firmware knows no TFTP port but 69; UEFI HTTP boot is told the whole URL.
    const outcome = await boot({ arch: 'uefi-x64-http' });
    t.ok(outcome.ok, 'it boots', { steps: stepsOf(outcome) });
    t.match(outcome.loader?.url, 'http://10.77.0.1:8081/assets/ipxe/snponly.efi');
    for (const { url } of outcome.scripts) t.match(url, /^http:\/\/10\.77\.0\.1:8081\//);
    t.match(outcome.cmdline, 'cloud-config-url=http://10.77.0.1:8081/boot/');
    const loader = await client.run(['sh', '-c', 'curl -s tftp://10.77.0.1:6969/snponly.efi | wc -c']);
    t.equal(Number(loader), outcome.loader?.bytes, 'TFTP gives the same on its port');
    t.match(await curl(server, 'http://127.0.0.1:8089/healthz'), { status: 200, body: 'ok\n' });
    t.equal((await curl(server, 'http://127.0.0.1:8089/api/v1/machines')).status, 401, 'and nothing else');
    t.equal((await curl(client, 'http://10.77.0.1:8089/healthz')).status, 0, 'not to machines');
    daemon.signal('SIGTERM');
    t.equal((await daemon.ended).code, 0);
  },
);

await t.test('http.url stands in everything that machines are told, with its path', async (t) => {
  const config = `${CONFIG}http: { url: "http://10.77.0.1:8082/pxe/" }\n`;
  await using site = await createSite(server, { 'tinderbox.yaml': config });
  await site.serve();
  // A reverse proxy, as an operator would put in front: it takes the prefix away.
  const proxy = `
    const { createServer, request } = require('node:http');
    createServer((asked, answer) => {
      if (!asked.url.startsWith('/pxe/')) { answer.writeHead(502); return answer.end(); }
      const { method, headers } = asked;
      const onward = request({ host: '10.77.0.1', path: asked.url.slice(4), method, headers }, (reply) => {
        answer.writeHead(reply.statusCode, reply.headers);
        reply.pipe(answer);
      });
      asked.pipe(onward);
    }).listen(8082, '10.77.0.1');`;
  const child = server.spawn([process.execPath, '-e', proxy], { stdio: ['ignore', 'ignore', 'inherit'] });
  t.teardown(() => child.kill());
  const outcome = await boot();
  t.ok(outcome.ok, 'it boots', { steps: stepsOf(outcome) });
  t.equal(outcome.scripts[0]?.url, 'http://10.77.0.1:8082/pxe/boot.ipxe');
  for (const { text } of outcome.scripts) t.notMatch(text, /http:\/\/(?!10\.77\.0\.1:8082\/pxe\b)/);
  t.match(outcome.config, MAC);
  const rendered = await site.run('render', MAC, '--only', 'script');
  t.match(rendered.stdout, 'http://10.77.0.1:8082/pxe/boot/preview/cloud-config', 'render says the same');
});

await t.test('a ROM that takes its loader again and again is stopped; iPXE clears it', async (t) => {
  await using site = await createSite(server, { 'profiles/machines.yaml': RESERVED });
  await site.serve();
  const rounds: boolean[] = [];
  for (let round = 0; round < LOOP_LIMIT + 1; round++) {
    rounds.push((await boot({ until: 'loader', timeout: 3000 }, ownClient)).ok);
  }
  t.same(rounds, [...Array.from({ length: LOOP_LIMIT }, () => true), false], 'a few times, then no more');
  const reasons = reasonsOf(await eventsOf(site));
  t.match(reasons, `boot loop: it took the loader ${LOOP_LIMIT} times and iPXE never answered`);
  const other = await boot({ until: 'loader', firstMac: 0x525400000009 });
  t.ok(other.ok, 'another machine is served');

  const discover = encodeDhcpPacket(makeRequest({ ...IPXE, mac: parseMac(MAC) as Mac }));
  await ownClient.run([
    process.execPath,
    '-e',
    `const socket = require('node:dgram').createSocket('udp4');
     socket.bind(68, () => socket.send(Buffer.from('${Buffer.from(discover).toString('hex')}', 'hex'), 67, '10.77.0.1', () => socket.close()));`,
  ]);
  t.match((await eventsOf(site)).at(-1), { kind: 'dhcp.discover', outcome: 'answered' });
  const after = await boot({}, ownClient);
  t.ok(after.ok, 'it boots', { steps: stepsOf(after) });
});

await t.test('who may not boot is told so on its screen, and the timeline has the reason', async (t) => {
  const rows: [string, string, RegExp, RegExp][] = [
    [
      'approve',
      'default: worker\n',
      /waits for approval: tinderbox approve/,
      /admission: approve, and machines\.yaml does not/,
    ],
    [
      'listed',
      'default: worker\n',
      /not listed in machines\.yaml: tinderbox assign/,
      /admission: listed, and machines/,
    ],
    ['open', 'default: none\n', /has no role: tinderbox assign/, /default: none/],
  ];
  for (const [admission, machines, screen, reason] of rows) {
    await using site = await createSite(server, {
      'tinderbox.yaml': `${CONFIG}admission: ${admission}\n`,
      'profiles/machines.yaml': machines,
    });
    const daemon = await site.serve();
    const outcome = await boot({ pace: 0.05 });
    t.equal(outcome.ok, false, admission);
    t.match(outcome.console.join('\n'), screen, admission);
    t.equal(outcome.kernel, undefined);
    const events = await eventsOf(site);
    const refused = events.find(({ kind }) => kind === 'http.script');
    t.match(refused, { outcome: 'refused' }, admission);
    t.match(refused?.reasons.join('\n'), reason, admission);
    const rendered = await site.run('render', MAC);
    t.equal(rendered.code, 1);
    t.match(rendered.stderr, screen);
    t.equal((await site.run('assign', MAC, 'worker')).code, 0);
    const admitted = await boot();
    t.ok(admitted.ok, `${admission}: it boots when it has a role`, { steps: stepsOf(admitted) });
    daemon.signal('SIGTERM');
    await daemon.ended;
  }
});
