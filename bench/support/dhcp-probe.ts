/*
 * How long DHCP answers take: DISCOVERs of a relay agent, one after another at an even pace, on the way that a DHCP
 * answer always takes. Ahead of other processes (nice -15), so that what is measured is the server's delay and not its
 * own. Prints the delays in ms as a JSON array; one that never came counts as a second.
 *
 *   node bench/support/dhcp-probe.ts 10.77.0.3 10.77.0.1 SECONDS
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setPriority } from 'node:os';

const [from = '', to = '', seconds = '2'] = process.argv.slice(2);
const EACH_MS = 5;
const LONGEST = 1000;
/** Machines that take turns: known ones, since the server's memory is not what is measured. */
const MACHINES = 256;

/** RFC 2131: DISCOVER, with the relay's address where the answer is to go. */
function discover(xid: number): Buffer {
  const packet = Buffer.alloc(300);
  packet.set([1, 1, 6, 1]);
  packet.writeUInt32BE(xid, 4);
  packet.set(from.split('.').map(Number), 24);
  packet.set([2, 0, 0, 0, 1, xid % MACHINES], 28);
  packet.writeUInt32BE(0x63825363, 236);
  packet.set([53, 1, 1, 255], 240);
  return packet;
}

setPriority(0, -15);
const socket = createSocket('udp4');
socket.bind(67, from);
await once(socket, 'listening');
const sentAt = new Map<number, number>();
const delays: number[] = [];
socket.on('message', (packet) => {
  const xid = packet.readUInt32BE(4);
  const at = sentAt.get(xid);
  if (at === undefined) return;
  sentAt.delete(xid);
  delays.push(performance.now() - at);
});
const count = Math.round((Number(seconds) * 1000) / EACH_MS);
for (let xid = 1; xid <= count; xid++) {
  sentAt.set(xid, performance.now());
  socket.send(discover(xid), 67, to);
  await new Promise((resolve) => void setTimeout(resolve, EACH_MS));
}
const deadline = performance.now() + LONGEST;
while (sentAt.size > 0 && performance.now() < deadline)
  await new Promise((resolve) => void setTimeout(resolve, 20));
socket.close();
console.log(
  JSON.stringify([...delays, ...[...sentAt].map(() => LONGEST)].map((ms) => Number(ms.toFixed(3)))),
);
