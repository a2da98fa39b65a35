import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Test } from 'tap';
import t from 'tap';
import { LIMITED_BROADCAST, parseIpv4, UNSPECIFIED } from '../../src/machine/ipv4.ts';
import { inBatches } from '../../src/net/batch-socket.ts';
import { openUdpSocket } from '../../src/net/open-udp-socket.ts';
import type { DatagramSocket } from '../../src/net/port.ts';
import { until } from '../support/until.ts';

async function openClient(t: Test): Promise<Socket> {
  // Room for all answers: it hears nothing while the other side works, in this very thread.
  const client = createSocket({ type: 'udp4', recvBufferSize: 2_000_000 });
  t.teardown(() => client.close());
  client.bind(0, '127.0.0.1');
  await once(client, 'listening');
  return client;
}

interface Echo {
  readonly port: number;
  readonly batched: DatagramSocket;
  readonly heard: { readonly text: string; readonly from: RemoteInfo }[];
  readonly errors: Error[];
}

/** Answers each datagram with itself: at once, or in promises. */
async function openEcho(t: Test, answer: 'at once' | 'later' | 'never', joins = false): Promise<Echo> {
  const socket = await openUdpSocket({ port: 0, device: 'lo', receiveBuffer: 2_000_000 });
  const batched = inBatches(socket, () => joins);
  t.teardown(() => new Promise<void>((resolve) => batched.close(resolve)));
  const heard: Echo['heard'] = [];
  const errors: Error[] = [];
  const failed = (error: Error | null) => void (error !== null && errors.push(error));
  batched.on('message', (bytes, from) => {
    heard.push({ text: bytes.toString('latin1'), from });
    if (answer === 'at once') batched.send(bytes, from.port, from.address, failed);
    if (answer === 'later')
      void Promise.resolve().then(() => batched.send(bytes, from.port, from.address, failed));
  });
  return { port: socket.address().port, batched, heard, errors };
}

const small = (list: readonly string[]) => list.filter((text) => text.length < 2000);

for (const answer of ['at once', 'later'] as const) {
  t.test(
    `everything that comes in a burst is heard once and in order, and answered: ${answer}`,
    async (t) => {
      const echo = await openEcho(t, answer);
      const client = await openClient(t);
      const back: string[] = [];
      client.on('message', (bytes) => void back.push(bytes.toString('latin1')));
      // More than are taken in one call, and in one turn of the loop.
      const texts = Array.from({ length: 600 }, (_, index) => `${index} `.padEnd(index, 'x'));
      for (const text of texts) client.send(text, echo.port, '127.0.0.1');
      await until(() => back.length >= texts.length);
      t.same(
        echo.heard.map(({ text }) => text),
        texts,
        'what is kept is not written over by what comes later',
      );
      t.same(back, texts);
      t.match(echo.heard.at(-1)?.from, {
        address: '127.0.0.1',
        port: client.address().port,
        size: texts.at(-1)?.length,
      });
      t.same(echo.errors, []);
    },
  );
}

t.test('the largest datagrams there are go both ways among small ones', async (t) => {
  const echo = await openEcho(t, 'at once');
  const client = await openClient(t);
  const back: number[] = [];
  client.on('message', (bytes) => void back.push(bytes.length));
  const lengths = [1, 65_507, 0, 2048, 2049, 20_000, 300];
  for (const length of lengths) client.send(Buffer.alloc(length), echo.port, '127.0.0.1');
  await until(() => back.length >= lengths.length);
  t.same(
    echo.heard.map(({ text }) => text.length),
    lengths,
  );
  t.same(
    back.toSorted((a, b) => a - b),
    lengths.toSorted((a, b) => a - b),
  );
});

t.test('who cannot be sent to is an error of that datagram alone', async (t) => {
  const echo = await openEcho(t, 'never');
  const client = await openClient(t);
  const answered = once(client, 'message');
  const results: string[] = [];
  const note = (name: string) => (error: NodeJS.ErrnoException | null) =>
    void results.push(`${name} ${error?.code ?? 'sent'}`);
  // The socket is no broadcast socket, and it is tied to lo.
  echo.batched.send(Buffer.from('a'), 68, '255.255.255.255', note('broadcast'));
  echo.batched.send(Buffer.from('b'), client.address().port, '127.0.0.1', note('client'));
  await answered;
  await until(() => results.length === 2);
  t.same(results, ['broadcast EACCES', 'client sent']);
});

t.test('what leaves joined comes as it was given, each with its own length, and in order', async (t) => {
  const echo = await openEcho(t, 'at once', true);
  const [one, other] = [await openClient(t), await openClient(t)];
  const back: string[] = [];
  for (const [name, client] of [
    ['one', one],
    ['other', other],
  ] as const)
    client.on('message', (bytes) => void back.push(`${name} ${bytes.toString('latin1')}`));
  // Runs of one length, among them the largest that is joined, one byte, none at all, and what does not fit a packet.
  const lengths = [300, 300, 300, 300, 1, 1, 1, 0, 0, 1472, 1472, 1472, 2048, 2048, 300, 2049, 300];
  const texts = Array.from({ length: 120 }, (_, index) => {
    const length = lengths[index % lengths.length] ?? 0;
    return `${index}`.padEnd(length, 'x').slice(0, length);
  });
  for (const [index, text] of texts.entries())
    (index % 40 < 30 ? one : other).send(text, echo.port, '127.0.0.1');
  await until(() => back.length >= texts.length);
  const heardBy = (name: string) => back.filter((text) => text.startsWith(`${name} `));
  for (const name of ['one', 'other']) {
    const mine = texts.filter((_, index) => index % 40 < 30 === (name === 'one'));
    // What is too large for a batch leaves by itself, whenever Node sends it.
    t.same(small(heardBy(name)), small(mine.map((text) => `${name} ${text}`)));
    t.equal(heardBy(name).length, mine.length);
  }
  t.same(echo.errors, []);
});

t.test('where joined datagrams are refused, each of them is told of', async (t) => {
  const echo = await openEcho(t, 'never', true);
  const client = await openClient(t);
  const refused: string[] = [];
  const note = (error: NodeJS.ErrnoException, address: number, port: number) =>
    void refused.push(`${error.code} ${address} ${port}`);
  const heard = once(client, 'message');
  for (let index = 0; index < 3; index++) echo.batched.put?.(Buffer.from('a'), 68, LIMITED_BROADCAST, note);
  const loopback = parseIpv4('127.0.0.1') ?? UNSPECIFIED;
  const reused = Buffer.from('b');
  echo.batched.put?.(reused, client.address().port, loopback, note);
  reused.fill('x');
  t.equal(String((await heard)[0]), 'b', 'copied at once');
  t.same(refused, Array(3).fill('EACCES 4294967295 68'));
});

t.test('what was given before it closes still leaves, and a listener that left hears nothing', async (t) => {
  const socket = await openUdpSocket({ port: 0, device: 'lo' });
  const { port } = socket.address();
  const batched = inBatches(socket);
  const client = await openClient(t);
  const heard: string[] = [];
  const listener = (bytes: Buffer) => void heard.push(String(bytes));
  batched.on('message', listener);
  batched.off('message', listener);
  client.send('anybody?', port, '127.0.0.1');
  const last = once(client, 'message');
  batched.send(Buffer.from('last'), client.address().port, '127.0.0.1', () => undefined);
  await new Promise<void>((resolve) => batched.close(resolve));
  t.equal(String((await last)[0]), 'last');
  t.same(heard, []);
});

t.test('what found no room is counted, also when the socket is closed', async (t) => {
  const socket = await openUdpSocket({ port: 0, device: 'lo', receiveBuffer: 4_096 });
  const { port } = socket.address();
  const batched = inBatches(socket);
  const client = await openClient(t);
  t.equal(batched.dropped?.(), 0);
  // Nothing is taken while this thread works.
  for (let sent = 0; sent < 20; sent++) client.send(Buffer.alloc(1_000), port, '127.0.0.1');
  await until(() => (batched.dropped?.() ?? 0) > 0);
  const dropped = batched.dropped?.() ?? 0;
  await new Promise<void>((resolve) => batched.close(resolve));
  t.ok(dropped < 20);
  t.equal(batched.dropped?.(), dropped);
});

t.test('a socket whose descriptor is not known stays as it is', async (t) => {
  const client = await openClient(t);
  t.equal(inBatches(client), client);
});
