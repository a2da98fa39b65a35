import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { exchange, startTestServer } from './start-test-server.ts';

const WHOLE = 'GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n';
const LAST = 'GET /healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n';

/** A client at one of the loopback's addresses that says `bytes` and waits. */
async function open(t: Test, port: number, localAddress: string, bytes: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  t.teardown(() => void socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  if (bytes !== '') socket.write(bytes);
  return socket;
}

async function openMany(t: Test, count: number, port: number, address: string, bytes: string) {
  const sockets: Socket[] = [];
  for (let index = 0; index < count; index++) sockets.push(await open(t, port, address, bytes));
  return sockets;
}

const closed = async (socket: Socket): Promise<void> => {
  if (!socket.closed) await once(socket.resume(), 'close');
};

t.test(
  'an address that opens connections and does not ask loses its oldest, and nobody else any',
  async (t) => {
    const { port, journal } = await startTestServer(t, {
      limits: { connections: 6, connectionsPerAddress: 4 },
    });
    const polite = await open(t, port, '127.0.0.3', '');
    const slow = await openMany(t, 12, port, '127.0.0.2', 'GET /');
    await Promise.all(slow.slice(0, 8).map(closed));
    t.equal(journal.counters().get('http.dropped-silent-connection'), 8);
    t.match(await exchange(port, LAST), /^HTTP\/1\.1 200 /, 'another address is served');
    polite.write(WHOLE);
    const [answer] = (await once(polite, 'data')) as [Buffer];
    t.match(answer.toString(), /^HTTP\/1\.1 200 /, 'also on a connection that was open before');
    slow.at(-1)?.write('healthz HTTP/1.1\r\nHost: t\r\n\r\n');
    const [own] = (await once(slow.at(-1) as Socket, 'data')) as [Buffer];
    t.match(own.toString(), /^HTTP\/1\.1 200 /, 'the newest of its own are served, too');
  },
);

t.test('many addresses that do not ask keep nobody out either', async (t) => {
  const { port } = await startTestServer(t, { limits: { connections: 6, connectionsPerAddress: 4 } });
  for (const host of [2, 3, 4, 5]) await openMany(t, 4, port, `127.0.0.${host}`, 'GET /');
  t.match(await exchange(port, LAST), /^HTTP\/1\.1 200 /);
});

t.test('an address whose connections are all at work is told to come back, another is served', async (t) => {
  const { port, assets, journal } = await startTestServer(t, { limits: { connectionsPerAddress: 2 } });
  await writeFile(join(assets, 'image'), Buffer.alloc(32 * 1024 * 1024));
  const download = 'GET /assets/image HTTP/1.1\r\nHost: t\r\n\r\n';
  const busy = await openMany(t, 2, port, '127.0.0.2', download);
  await Promise.all(busy.map((socket) => once(socket, 'readable')));
  const third = await open(t, port, '127.0.0.2', WHOLE);
  const [answer] = (await once(third, 'data')) as [Buffer];
  t.match(answer.toString(), /^HTTP\/1\.1 503 [\s\S]*retry-after: 5/i);
  t.equal(journal.counters().get('http.too-many-connections'), 1);
  t.match(await exchange(port, LAST), /^HTTP\/1\.1 200 /);
  for (const socket of busy) t.notOk(socket.destroyed, 'a download is not dropped for it');
  busy[0]?.destroy();
  // The server learns of it in its own time.
  for (let round = 0; round < 100; round++) {
    const again = await open(t, port, '127.0.0.2', LAST);
    const [text] = (await once(again, 'data')) as [Buffer];
    if (text.toString().startsWith('HTTP/1.1 200 ')) return;
  }
  t.fail('the room that a closed connection leaves is never used');
});

t.test('a connection whose request is answered counts as silent, until it asks again', async (t) => {
  const { port } = await startTestServer(t, { limits: { connectionsPerAddress: 2 } });
  const kept = await open(t, port, '127.0.0.2', WHOLE);
  await once(kept, 'data');
  await openMany(t, 2, port, '127.0.0.2', '');
  await closed(kept);
  t.pass('it made room');
});

t.test('sixty-four downloads from one address are no flood', async (t) => {
  const { url, assets } = await startTestServer(t);
  await writeFile(join(assets, 'file'), Buffer.alloc(300_000));
  const bodies = await Promise.all(
    Array.from(
      { length: 64 },
      async () => (await (await fetch(`${url}/assets/file`)).arrayBuffer()).byteLength,
    ),
  );
  t.ok(bodies.every((bytes) => bytes === 300_000));
});
