/*
 * Four clients over a loopback of 40 Mbit/s whose queue keeps what the socket of the thread sent, so that it has no room
 * for their windows. A program of its own, since a namespace is entered by a process. Prints one JSON line.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { openUdpDescriptor } from '../../../src/net/open-udp-socket.ts';
import { createRawClient, readWith, startHarness } from '../../servers/support/tftp-harness.ts';

execFileSync('ip', ['link', 'set', 'lo', 'up']);
const slow = 'qdisc add dev lo root tbf rate 40mbit burst 16kb limit 4mb';
execFileSync('tc', slow.split(' '));

const loader = randomBytes(400_000);
const harness = await startHarness({
  files: { loader },
  // The smallest that the kernel gives.
  openDescriptor: (asked) => openUdpDescriptor({ ...asked, sendBuffer: 4608 }),
});
const clients = await Promise.all([1, 2, 3, 4].map(() => createRawClient(harness.port)));
const startedAt = performance.now();
const same = await Promise.all(
  clients.map(async (client) =>
    (await readWith(client, 'loader', { blksize: '1428', windowsize: '64' })).equals(loader),
  ),
);
// 1.6 MB at 40 Mbit/s: nobody was faster than the link, so that what was sent at first had to wait.
const wasFull = performance.now() - startedAt > 200;
const failed = harness.counters.get('tftp.send-failed') ?? 0;
for (const client of clients) client.close();
await harness.stop();
process.stdout.write(`${JSON.stringify({ same, failed, wasFull })}\n`);
