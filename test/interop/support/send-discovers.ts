/*
 * A flood: DISCOVERs of ROMs, each with a random MAC, to port 67. argv is how many, and how many a second.
 * A program of its own, since a namespace is entered by a process.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { macFromBytes } from '../../../src/machine/mac.ts';
import { encodeDhcpPacket } from '../../../src/protocol/dhcp/packet.ts';
import { makeRequest, UEFI_ROM } from '../../support/make-request.ts';

const [count = 0, rate = 1000] = process.argv.slice(2).map(Number);
const BATCH = 100;
const socket = createSocket('udp4');
socket.bind(0);
await once(socket, 'listening');
const started = performance.now();
for (let sent = 0; sent < count; sent += BATCH) {
  for (let index = 0; index < BATCH; index++) {
    const mac = macFromBytes(Buffer.concat([Buffer.from([2]), randomBytes(5)]));
    socket.send(encodeDhcpPacket(makeRequest({ ...UEFI_ROM, mac })), 67, '10.77.0.1');
  }
  await delay(Math.max(0, ((sent + BATCH) / rate) * 1000 - (performance.now() - started)));
}
socket.close();
