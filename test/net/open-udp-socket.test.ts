import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import type { Test } from 'tap';
import t from 'tap';
import type { NetworkNamespace } from '../../src/lab/namespace.ts';
import { addAddress, addBridge, addVethPair, createNamespace, joinBridge } from '../../src/lab/namespace.ts';
import { runProgram } from '../../src/lab/run-program.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import { parseIpv4 } from '../../src/machine/ipv4.ts';
import { openUdpSocket } from '../../src/net/open-udp-socket.ts';

const root = process.getuid?.() === 0;
const loopback = parseIpv4('127.0.0.1') as Ipv4;
const source = (name: string): string =>
  JSON.stringify(new URL(`../../src/net/${name}`, import.meta.url).href);

async function open(t: Test, options: Parameters<typeof openUdpSocket>[0]): Promise<Socket> {
  const socket = await openUdpSocket(options);
  t.teardown(() => socket.close());
  return socket;
}

t.test('opens sockets that work, with and without a device', async (t) => {
  for (const options of [
    { port: 0, address: loopback },
    { port: 0, device: 'lo' },
    { port: 0, device: 'lo', address: loopback, broadcast: true, receiveBuffer: 100_000 },
  ]) {
    const socket = await open(t, options);
    const other = await open(t, { port: 0, address: loopback });
    const heard = once(socket, 'message');
    other.send('hello', socket.address().port, '127.0.0.1');
    const [message, from] = (await heard) as [Buffer, { port: number }];
    t.equal(String(message), 'hello', JSON.stringify(options));
    t.equal(from.port, other.address().port);
  }
});

t.test('asks the kernel for the receive buffer', async (t) => {
  for (const device of [undefined, 'lo']) {
    const socket = await open(t, { port: 0, receiveBuffer: 65_536, ...(device !== undefined && { device }) });
    // Linux doubles the number for its own accounting (socket(7)).
    t.equal(socket.getRecvBufferSize(), 131_072, String(device));
  }
});

t.test('who may do so exceeds what the kernel gives everybody', async (t) => {
  const most = Number(await readFile('/proc/sys/net/core/rmem_max', 'latin1'));
  const wanted = most + 65_536;
  const socket = await open(t, { port: 0, device: 'lo', receiveBuffer: wanted });
  t.equal(socket.getRecvBufferSize(), 2 * (root ? wanted : most));
});

t.test('a socket that fails after it took its descriptor closes it, once', async (t) => {
  // Node takes the descriptor first, and finds a size beyond 31 bits impossible then.
  const impossible = { port: 0, device: 'lo', receiveBuffer: 2 ** 31 };
  const before = (await readdir('/proc/self/fd')).length;
  for (let attempt = 0; attempt < 3; attempt++)
    await t.rejects(
      openUdpSocket(impossible),
      { message: /cannot be opened: .*buffer/ },
      'the first reason again, no other',
    );
  await setImmediate();
  t.equal((await readdir('/proc/self/fd')).length, before);
});

t.test('says who holds a port', async (t) => {
  const holder = await open(t, { port: 0, device: 'lo' });
  const { port } = holder.address();
  for (const device of [undefined, 'lo']) {
    await t.rejects(openUdpSocket({ port, ...(device !== undefined && { device }) }), {
      code: 'in-use',
      message: new RegExp(`^UDP port ${port} on (lo|all addresses) is held by .+ \\(pid ${process.pid}\\)$`),
      remedy: /Stop that program/,
    });
  }
});

t.test('a port opened on a device cannot be shared by a server that sets SO_REUSEADDR', async (t) => {
  const holder = await open(t, { port: 0, device: 'lo' });
  const sharer = createSocket({ type: 'udp4', reuseAddr: true });
  t.teardown(() => sharer.close());
  const failed = once(sharer, 'error');
  sharer.once('listening', () => sharer.emit('error', new Error('it shares the port')));
  sharer.bind(holder.address().port);
  const [error] = (await failed) as [NodeJS.ErrnoException];
  t.equal(error.code, 'EADDRINUSE');
});

t.test('refuses what this host does not have', async (t) => {
  await t.rejects(openUdpSocket({ port: 0, device: 'nosuch0' }), {
    code: 'not-found',
    message: 'there is no network interface nosuch0',
    remedy: /this host's interfaces/,
  });
  await t.rejects(openUdpSocket({ port: 0, address: parseIpv4('192.0.2.77') as Ipv4 }), {
    code: 'not-found',
    message: /192\.0\.2\.77 cannot be opened: this host does not have that address/,
  });
});

t.test(
  'a user without the right to the port is told so',
  { skip: root ? false : 'needs root to stop being it' },
  async (t) => {
    const script = `
    process.setgroups([]); process.setgid(65534); process.setuid(65534);
    const { openUdpSocket } = await import(${source('open-udp-socket.ts')});
    for (const device of [undefined, 'lo']) {
      await openUdpSocket({ port: 69, device }).catch((e) => console.log(e.code + ': ' + e.message + ' ' + e.remedy));
    }`;
    await using namespace = await createNamespace('plain');
    const said = await namespace.run([process.execPath, '--input-type=module', '-e', script]);
    t.match(said.trim().split('\n'), [
      /^refused: UDP port 69 on all addresses may not be opened by this user .*CAP_NET_BIND_SERVICE/,
      /^refused: UDP port 69 on lo may not be opened by this user/,
    ]);
  },
);

t.test(
  'two interfaces never mix, and a broadcast leaves by its own',
  { skip: root ? false : 'needs root' },
  async (t) => {
    await using server = await createNamespace('server');
    await using left = await createNamespace('left');
    await using right = await createNamespace('right');
    for (const [index, client] of [left, right].entries()) {
      const bridge = `br${index}`;
      await addBridge(server, bridge, `10.${index}.0.1/24`);
      await addVethPair({ namespace: server, name: `port${index}` }, { namespace: client, name: 'eth0' });
      await joinBridge(server, `port${index}`, bridge);
      await addAddress(client, 'eth0', `10.${index}.0.2/24`);
    }
    t.notMatch(await server.run(['ip', 'route']), /default/, 'there is no default route');

    const serving = startScript(
      t,
      server,
      `
    for (const device of ['br0', 'br1']) {
      const socket = await openUdpSocket({ port: 67, device, broadcast: true });
      socket.on('message', (message, from) => {
        console.log(device + ' heard ' + message);
        socket.send('answer of ' + device, from.port, '255.255.255.255');
      });
    }
    console.log('ready');`,
    );
    const leftClient = startScript(t, left, clientScript('left'));
    const rightClient = startScript(t, right, clientScript('right'));
    for (const process of [serving, leftClient, rightClient]) t.equal(await process.line(), 'ready');

    // Had anything crossed over, it would come before the right answer of the second exchange.
    leftClient.go();
    t.equal(await leftClient.line(), 'left got answer of br0');
    t.equal(await serving.line(), 'br0 heard left');
    rightClient.go();
    t.equal(await rightClient.line(), 'right got answer of br1');
    t.equal(await serving.line(), 'br1 heard right');
  },
);

t.test('names another program that holds the port', { skip: root ? false : 'needs root' }, async (t) => {
  await using namespace = await createNamespace('busy');
  const holder = startScript(
    t,
    namespace,
    `
    const { createSocket } = await import('node:dgram');
    process.title = 'dnsmasq';
    createSocket('udp4').bind(67, () => console.log('ready'));`,
  );
  t.equal(await holder.line(), 'ready');
  const said = await namespace.run([
    process.execPath,
    '--input-type=module',
    '-e',
    `const { openUdpSocket } = await import(${source('open-udp-socket.ts')});
     await openUdpSocket({ port: 67, device: 'lo' }).catch((e) => console.log(e.code + ': ' + e.message));`,
  ]);
  t.equal(said.trim(), `in-use: UDP port 67 on lo is held by dnsmasq (pid ${holder.pid})`);
});

t.test('without koffi a socket on a device cannot be had, and it says why', async (t) => {
  const script = `
    const { registerHooks } = await import('node:module');
    registerHooks({ resolve(name, context, next) {
      if (name === 'koffi') throw new Error('no binary for this platform');
      return next(name, context);
    } });
    const { openUdpSocket } = await import(${source('open-udp-socket.ts')});
    const { findInterface } = await import(${source('interfaces.ts')});
    await openUdpSocket({ port: 0, device: 'lo' }).catch((e) => console.log(e.code + ': ' + e.message));
    const plain = await openUdpSocket({ port: 0 });
    plain.close();
    console.log((await findInterface('lo')).addresses.length);`;
  const said = await runProgram([process.execPath, '--input-type=module', '-e', script]);
  t.match(said.trim().split('\n'), [
    /^unavailable: no socket can be tied to lo: .*no binary for this platform$/,
    '1',
  ]);
});

function clientScript(name: string): string {
  return `
    const socket = await openUdpSocket({ port: 68, device: 'eth0', broadcast: true });
    socket.on('message', (message) => console.log('${name} got ' + message));
    process.stdin.once('data', () => socket.send('${name}', 67, '255.255.255.255'));
    console.log('ready');`;
}

function startScript(t: Test, namespace: NetworkNamespace, code: string) {
  const script = `const { openUdpSocket } = await import(${source('open-udp-socket.ts')});${code}`;
  const child = namespace.spawn([process.execPath, '--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return {
    pid: child.pid,
    line: async () => (await lines.next()).value,
    go: () => child.stdin?.write('go\n'),
  };
}
