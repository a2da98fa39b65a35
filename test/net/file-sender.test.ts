import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createFileSender, type FileSenderOptions, memoryFiles } from '../../src/net/file-sender.ts';
import type { FileSender, TransferOrder } from '../../src/net/port.ts';

const MIB = 1024 * 1024;
const BYTES = randomBytes(8 * MIB + 123);

function sender(t: Test, options: Partial<FileSenderOptions> = {}): FileSender {
  const made = createFileSender({ threads: 1, crashed: (reason) => t.fail(reason), ...options });
  if (made === undefined) throw new Error('no C library');
  t.teardown(() => made.stop());
  return made;
}

/** A connection, both of its ends here. */
async function pair(t: Test) {
  const server = createServer().listen(0, '127.0.0.1');
  t.teardown(() => void server.close());
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const far = connect((server.address() as { port: number }).port, '127.0.0.1');
  far.on('error', () => undefined);
  const [near] = (await accepted) as [Socket];
  near.on('error', () => undefined);
  t.teardown(() => {
    near.destroy();
    far.destroy();
  });
  // oxlint-disable-next-line no-underscore-dangle -- Node's own name
  const { fd } = (near as unknown as { _handle: { fd: number } })._handle;
  return { near, far, fd };
}

async function fileOf(t: Test, bytes: Uint8Array) {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-sender-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'file'), bytes);
  const handle = await open(join(folder, 'file'), 'r');
  t.teardown(() => handle.close());
  return handle.fd;
}

const order = (socket: number, file: number, more: Partial<TransferOrder> = {}): TransferOrder => ({
  socket,
  file,
  way: 'as-it-is',
  start: 0,
  end: BYTES.length,
  allowed: BYTES.length,
  aliveEvery: 20,
  alive: () => undefined,
  ...more,
});

function collect(far: Socket): () => Buffer {
  const parts: Buffer[] = [];
  far.on('data', (part: Buffer) => void parts.push(part));
  return () => Buffer.concat(parts);
}

for (const way of ['as-it-is', 'copied'] as const) {
  t.test(`what was ordered arrives, and nothing else (${way})`, async (t) => {
    const { near, far, fd } = await pair(t);
    const received = collect(far);
    const file = await fileOf(t, BYTES);
    const transfer = sender(t).send(order(fd, file, { way, start: 5, end: BYTES.length - 3 }));
    t.same(await transfer?.ended, { bytes: BYTES.length - 8, kind: 'complete' });
    near.end('.');
    await once(far, 'end');
    t.ok(received().equals(Buffer.concat([BYTES.subarray(5, -3), Buffer.from('.')])));
  });

  t.test(
    `a client that goes, a file that is too short and an end from here are told apart (${way})`,
    async (t) => {
      const file = await fileOf(t, BYTES);
      const sending = sender(t);
      const one = await pair(t);
      const gone = sending.send(order(one.fd, file, { way }));
      one.far.resetAndDestroy();
      t.match(await gone?.ended, { kind: 'gone' });

      const two = await pair(t);
      const received = collect(two.far);
      const end = BYTES.length + 10;
      const short = sending.send(order(two.fd, file, { way, end, allowed: end }));
      t.same(await short?.ended, { kind: 'short', bytes: BYTES.length });
      two.near.end();
      await once(two.far, 'end');
      t.ok(received().equals(BYTES));

      const three = await pair(t);
      const cancelled = sending.send(order(three.fd, file, { way }));
      cancelled?.cancel();
      cancelled?.cancel();
      const sent = await cancelled?.ended;
      t.equal(sent?.kind, 'gone');
      t.ok((sent?.bytes ?? 0) < BYTES.length);

      const four = await pair(t);
      const unreadable = sending.send(order(four.fd, 99_999, { way }));
      t.match(await unreadable?.ended, { kind: 'failed', reason: /EBADF/, bytes: 0 });
    },
  );
}

t.test('no byte goes before it is allowed, and waiting for that is no stall', async (t) => {
  const { far, fd } = await pair(t);
  const received = collect(far);
  const file = await fileOf(t, BYTES);
  const { promise: lives, resolve: alive } = Promise.withResolvers<void>();
  const transfer = sender(t).send(order(fd, file, { allowed: 100, alive }));
  while (received().length < 100) await once(far, 'data');
  await lives;
  t.equal(received().length, 100);
  transfer?.allow(5 * MIB);
  while (received().length < 5 * MIB) await once(far, 'data');
  t.equal(received().length, 5 * MIB);
  transfer?.allow(BYTES.length);
  t.match(await transfer?.ended, { kind: 'complete' });
});

t.test('one that waits is told of a client that has gone', async (t) => {
  const { far, fd } = await pair(t);
  const file = await fileOf(t, BYTES);
  const transfer = sender(t).send(order(fd, file, { allowed: 0 }));
  far.resetAndDestroy();
  t.same(await transfer?.ended, { kind: 'gone', bytes: 0 });
});

t.test('many at once, of a file in memory, each get theirs', async (t) => {
  const memory = memoryFiles()?.open();
  if (memory === undefined) throw new Error('no C library');
  const { write } = await import('node:fs');
  await new Promise<void>((resolve, reject) => {
    write(memory, BYTES, 0, BYTES.length, 0, (error) => (error === null ? resolve() : reject(error)));
  });
  const sending = sender(t, { threads: 2 });
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const { near, far, fd } = await pair(t);
      const received = collect(far);
      const transfer = sending.send(order(fd, memory, { start: index * 1000 }));
      t.equal((await transfer?.ended)?.kind, 'complete');
      near.end();
      await once(far, 'end');
      t.ok(received().equals(BYTES.subarray(index * 1000)));
    }),
  );
  const { closeSync } = await import('node:fs');
  closeSync(memory);
});

t.test(
  'a thread that ends fails what it sent, with the reason, and the next transfer has another, a few times',
  async (t) => {
    const crashed: string[] = [];
    const entry = new URL('failing-sender.ts', import.meta.url);
    const sending = sender(t, { entry, crashed: (reason) => void crashed.push(reason) });
    const file = await fileOf(t, BYTES);
    for (const times of [1, 2, 3]) {
      const { fd } = await pair(t);
      const transfer = sending.send(order(fd, file));
      t.match(await transfer?.ended, { kind: 'failed', reason: /as the test wants/ });
      t.equal(crashed.length, times);
    }
    const { fd } = await pair(t);
    t.equal(sending.send(order(fd, file)), undefined, 'one that always dies would fail every download');
  },
);

t.test('after its stop nothing is sent, and what was under way has ended', async (t) => {
  const { fd } = await pair(t);
  const file = await fileOf(t, BYTES);
  const sending = sender(t);
  const transfer = sending.send(order(fd, file));
  await sending.stop();
  t.not((await transfer?.ended)?.kind, 'complete');
  t.equal(sending.send(order(fd, file)), undefined);
});
