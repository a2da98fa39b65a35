import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { addBridge, createNamespace, type NetworkNamespace, stopProcess } from '../../src/lab/namespace.ts';
import { askScript, curl } from './support/curl.ts';
import { CONFIG, createSite, waitUntil } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';

const MAC = '52:54:00:12:34:56';
const SERVER = 'http://10.77.0.1';

/** A download that goes on for as long as it is not told to finish: it prints `begun`, reads the rest on SIGUSR2. */
async function beginDownload(inside: NetworkNamespace, script: string) {
  const child = inside.spawn([process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  const begun = Promise.withResolvers<void>();
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8');
    if (said.includes('begun')) begun.resolve();
  });
  const ended = once(child, 'close').then(() => said.trim().split('\n').at(-1));
  await Promise.race([begun.promise, ended]);
  return { finish: () => child.kill('SIGUSR2'), stop: () => stopProcess(child), ended };
}

const HTTP_CLIENT = `
  const { connect } = require('node:net');
  let bytes = 0, begun = false;
  // A socket that is not read from does not keep a process alive.
  const awake = setInterval(() => {}, 1000);
  const socket = connect(80, '10.77.0.1', () => socket.write('GET /assets/big HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'));
  socket.on('data', (chunk) => {
    bytes += chunk.length;
    if (!begun) { begun = true; socket.pause(); console.log('begun'); process.once('SIGUSR2', () => socket.resume()); }
  });
  socket.on('error', () => {});
  socket.on('close', () => { clearInterval(awake); console.log(bytes); });`;

// RFC 1350 by hand: it acknowledges one block and then waits to be told.
const TFTP_CLIENT = `
  const socket = require('node:dgram').createSocket('udp4');
  let next = 1, bytes = 0, held;
  const acknowledge = (block, port, address) => {
    const reply = Buffer.from([0, 4, block >> 8, block & 255]);
    if (block === 3 && held === undefined) {
      held = true;
      console.log('begun');
      process.once('SIGUSR2', () => socket.send(reply, port, address));
    } else socket.send(reply, port, address);
  };
  socket.on('message', (data, { port, address }) => {
    const block = data.readUInt16BE(2);
    if (data[1] !== 3 || block !== next) return;
    next++;
    bytes += data.length - 4;
    acknowledge(block, port, address);
    if (data.length < 516) setTimeout(() => { console.log(bytes); socket.close(); }, 50);
  });
  setTimeout(() => { console.log('gave up at ' + bytes); process.exit(); }, 20000).unref();
  socket.send(Buffer.from('\\0\\x01snponly.efi\\0octet\\0'), 69, '10.77.0.1');`;

const namespace = await createNamespace('stop');
t.teardown(() => namespace[Symbol.asyncDispose]());
await addBridge(namespace, 'br0', '10.77.0.1/24');

await t.test('SIGTERM lets the transfers that run finish, takes no new ones, and ends with 0', async (t) => {
  const big = new Uint8Array(60_000_000).fill(7);
  const loader = new Uint8Array(100_000).fill(8);
  await using site = await createSite(namespace, { 'assets/big': big, 'assets/ipxe/snponly.efi': loader });
  const daemon = await site.serve();
  const http = await beginDownload(namespace, HTTP_CLIENT);
  const tftp = await beginDownload(namespace, TFTP_CLIENT);
  daemon.signal('SIGTERM');
  await waitUntil('it is stopping', () => daemon.log().includes('SIGTERM: stopping'));
  await waitUntil(
    'nobody new is let in',
    async () => (await curl(namespace, `${SERVER}/healthz`)).status !== 200,
  );
  http.finish();
  tftp.finish();
  t.ok(Number(await http.ended) > big.length, `HTTP: all bytes and a header (${await http.ended})`);
  t.equal(Number(await tftp.ended), loader.length, 'TFTP: all bytes');
  const { code, stderr } = await daemon.ended;
  t.equal(code, 0);
  t.equal(stderr, '');
  t.equal(daemon.lines().at(-1)?.msg, 'stopped');
  t.equal(await namespace.run(['ss', '-H', '-lntu']), '');
});

await t.test('a transfer that does not finish in its grace holds nobody up', async (t) => {
  await using site = await createSite(namespace, { 'assets/big': new Uint8Array(60_000_000) });
  const daemon = await site.serve();
  const http = await beginDownload(namespace, HTTP_CLIENT);
  const tftp = await beginDownload(namespace, TFTP_CLIENT);
  daemon.signal('SIGTERM');
  t.equal((await daemon.ended).code, 0);
  http.finish();
  const bytes = Number(await http.ended);
  t.ok(bytes > 0 && bytes < 60_000_000, `it was cut off after ${bytes} bytes`);
  await tftp.stop();
});

await t.test('connections that say nothing, on any plane, hold nobody up', async (t) => {
  await using site = await createSite(namespace, {
    'tinderbox.yaml': `${CONFIG}admin: { listen: "127.0.0.1:8080" }\n`,
  });
  const daemon = await site.serve();
  const doors = [
    { port: 80, host: '10.77.0.1' },
    { port: 8080, host: '127.0.0.1' },
    { path: join(site.folder, 'var/admin.sock') },
  ];
  const script = `
    const { connect } = require('node:net');
    let open = 0;
    for (const door of ${JSON.stringify(doors)}) {
      const socket = connect(door, () => { if (++open === ${doors.length}) console.log('begun'); });
      socket.on('error', (error) => { console.log(error.message); process.exit(1); });
    }
    setInterval(() => {}, 1000);`;
  const silent = await beginDownload(namespace, script);
  daemon.signal('SIGTERM');
  t.equal((await daemon.ended).code, 0);
  t.equal(daemon.lines().at(-1)?.msg, 'stopped');
  await silent.stop();
  t.equal(await silent.ended, 'begun', 'every door was open to it');
});

await t.test(
  'SIGTERM and SIGINT at any moment of the start end it with 0, and leave nothing behind',
  async (t) => {
    await using site = await createSite(namespace);
    const full = await site.serve();
    full.signal('SIGINT');
    t.equal((await full.ended).code, 0);
    const moments: [string, (log: string) => boolean][] = [
      ['when the boot files are known', (log) => log.includes('BIOS: undionly.kpxe')],
      ['when DHCP is open', (log) => log.includes('DHCP (server) on br0')],
    ];
    for (const [name, come] of moments) {
      const daemon = site.launch();
      await waitUntil(name, () => come(daemon.log()));
      daemon.signal('SIGTERM');
      const { code, stderr } = await daemon.ended;
      t.equal(code, 0, `${name}: ${stderr}`);
      t.equal(await namespace.run(['ss', '-H', '-lntu']), '');
    }
    const again = await site.serve();
    again.signal('SIGTERM');
    again.signal('SIGTERM');
    again.signal('SIGINT');
    t.equal((await again.ended).code, 0, 'impatience does no harm');
    t.equal((await site.run('machines')).code, 0, 'and the database is sound');
  },
);

await t.test(
  'a machine that boots while the daemon restarts finds its URLs valid, its timeline goes on',
  async (t) => {
    await using site = await createSite(namespace);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const mac = signal === 'SIGTERM' ? MAC : '52:54:00:00:00:02';
      const first = await site.serve();
      const { session } = await askScript(namespace, mac);
      t.equal((await curl(namespace, `${SERVER}/assets/vmlinuz`)).status, 200);
      // What was recorded up to a moment before is written; a kill may take the last of it.
      await site.run('machines', mac, '--json');
      first.signal(signal);
      await first.ended;

      const second = await site.serve();
      t.equal((await curl(namespace, `${session}/cloud-config`)).status, 200, `${signal}: the configuration`);
      t.equal((await curl(namespace, `${session}/report`, '--data', 'stage=booted')).status, 200);
      const timeline = JSON.parse((await site.run('machines', mac, '--json')).stdout) as {
        session: { stage: string; end: string };
        events: readonly { kind: string; sessionId: number }[];
      };
      t.match(timeline.session, { stage: 'booted', end: 'booted' });
      const kinds = timeline.events.map(({ kind }) => kind);
      for (const kind of ['http.script', 'http.config', 'http.report'])
        t.ok(kinds.includes(kind), `${signal}: ${kind}`);
      t.equal(new Set(timeline.events.map(({ sessionId }) => sessionId)).size, 1, 'one session');
      second.signal('SIGTERM');
      t.equal((await second.ended).code, 0);
    }
    const offline = await site.run('machines', MAC);
    t.match(offline, {
      code: 0,
      stdout: /booted[\s\S]*GET \/boot/,
      stderr: /not running; this is what its database/,
    });
  },
);

await t.test('leases survive a restart, also after kill -9', async (t) => {
  await using lab = await createLab();
  await using site = await createSite(lab.network.namespace);
  const client = await lab.addClient('10.77.0.3/24');
  const boot = () =>
    bootMachines(client, {
      interface: 'eth0',
      count: 5,
      firstMac: 0x525400000100,
      arch: 'uefi-x64',
      until: 'loader',
      pace: 0.1,
      timeout: 20_000,
    });
  const addresses = async () =>
    (await boot())
      .map(({ mac, addresses: { rom } }) => `${mac} ${rom}`)
      .toSorted()
      .join('\n');
  let daemon = await site.serve();
  const before = await addresses();
  t.match(before, /(\S+ 10\.77\.0\.1\d\d\n?){5}/);
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    daemon.signal(signal);
    await daemon.ended;
    daemon = await site.serve();
    t.equal(await addresses(), before, signal);
  }
});
