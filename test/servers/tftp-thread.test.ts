import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import t from 'tap';
import { startWorker } from '../../src/start-tftp-thread.ts';
import { createRawClient, readWith, startHarness } from './support/tftp-harness.ts';

const files = { loader: randomBytes(74_213), small: Buffer.from('small'), empty: new Uint8Array() };

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

t.test('a thread that dies loses its transfers with a reason, and another one serves', async (t) => {
  const workers: Worker[] = [];
  const harness = await startHarness({
    files,
    pace: 'frozen',
    startWorker(options) {
      const worker = startWorker(options);
      workers.push(worker);
      return worker;
    },
  });
  t.teardown(harness.stop);
  const client = await createRawClient(harness.port);
  t.teardown(client.close);
  for (let deaths = 0; deaths < 3; deaths++) {
    await client.ask('loader');
    const first = await client.next();
    await client.ack(1, first.from.port);
    t.match((await client.next()).packet, { kind: 'data', block: 2 });
    await workers.at(-1)?.terminate();
    await harness.until('the end is recorded', () => harness.observations.length === 2 * (deaths + 1));
    t.match(harness.observations.at(-1), {
      kind: 'tftp.done',
      outcome: 'noted',
      answered: /^512 of 74213 bytes/,
      reasons: [/the thread that sends files died/],
    });
    t.match(await client.next(), {
      packet: { kind: 'error', message: 'the server failed' },
      from: { port: first.from.port },
    });
    t.equal(harness.server.activeTransfers(), 0);
  }
  t.equal(workers.length, 4);

  await client.ask('loader');
  const { from } = await client.next();
  await workers.at(-1)?.terminate();
  await harness.until('the end is recorded', () => harness.observations.length === 8);
  t.same(
    await readWith(client, 'loader', { blksize: '1468' }),
    files.loader,
    'by the main thread in the end',
  );
  t.equal(workers.length, 4, 'and no thread is started for ever');
  await client.ack(1, from.port);
});

t.test('a thread that cannot be started leaves the transfers to the main thread', async (t) => {
  const harness = await startHarness({
    files,
    startWorker() {
      throw new Error('no more threads');
    },
  });
  t.teardown(harness.stop);
  const client = await createRawClient(harness.port);
  t.teardown(client.close);
  t.same(await readWith(client, 'loader'), files.loader);
});

t.test(
  'where none can be started instead of one that died, the main thread goes on, and the daemon',
  async (t) => {
    const before = descriptors();
    const workers: Worker[] = [];
    const harness = await startHarness({
      files,
      pace: 'frozen',
      startWorker(options) {
        if (workers.length > 0) throw new Error('no more threads');
        workers.push(startWorker(options));
        return workers[0] as Worker;
      },
    });
    const client = await createRawClient(harness.port);
    await client.ask('loader');
    await client.next();
    await workers[0]?.terminate();
    await harness.until('the end is recorded', () => harness.observations.length === 2);
    t.same(await readWith(client, 'loader', { blksize: '1468' }), files.loader);
    client.close();
    await harness.stop();
    t.ok(descriptors() <= before + 2, `${descriptors()} descriptors, before ${before}`);
  },
);

t.test('a server that stops leaves no descriptor, and no port of the thread’s', async (t) => {
  const before = descriptors();
  for (let round = 0; round < 3; round++) {
    const harness = await startHarness({ files });
    const client = await createRawClient(harness.port);
    t.same(await readWith(client, 'loader', { blksize: '1468', windowsize: '16' }), files.loader);
    t.same(await readWith(client, 'empty', { blksize: '1468' }), Buffer.alloc(0));
    await client.ask('loader');
    await client.next();
    client.close();
    await harness.stop();
    t.equal(harness.server.openSockets(), 1, 'the listener is counted as ever');
  }
  t.ok(descriptors() <= before + 2, `${descriptors()} descriptors, before ${before}`);
});

t.test('many clients share a port, and one client gets another port each time', async (t) => {
  const harness = await startHarness({ files, pace: 'frozen' });
  t.teardown(harness.stop);
  const clients = await Promise.all(Array.from({ length: 40 }, () => createRawClient(harness.port)));
  for (const client of clients) t.teardown(client.close);
  const ports = await Promise.all(
    clients.map(async (client) => {
      await client.ask('small', { blksize: '1468' });
      return (await client.next()).from.port;
    }),
  );
  t.equal(new Set(ports).size, 1);
  const [client] = clients;
  if (client === undefined) throw new Error('no client');
  const served = new Set(ports);
  for (let again = 0; again < 5; again++) {
    await client.ask(again % 2 === 0 ? 'loader' : 'small');
    const { from } = await client.next();
    t.notOk(served.has(from.port), 'another port');
    served.add(from.port);
  }
});
