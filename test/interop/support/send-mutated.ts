/*
 * Sends mutated packets to a server's ports 67, 4011 and 69 at a bounded rate: argv is seed, count, packets a second,
 * address. Real packets from the captures in test/fixtures/dhcp and TFTP requests, with bytes flipped, ends cut off
 * and parts of one put into another; a seed makes the same ones again.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeTftpPacket } from '../../../src/protocol/tftp/packet.ts';
import { readPcap } from '../../support/read-pcap.ts';

const [seed = 1, count = 1000, rate = 10_000] = process.argv.slice(2, 5).map(Number);
const address = process.argv[5] ?? '127.0.0.1';
const CAPTURES = new URL('../../fixtures/dhcp/', import.meta.url);
const PORTS = [67, 67, 67, 4011, 69] as const;

/** xorshift32: small, and the same on every machine. */
function createRandom(start: number): (below: number) => number {
  let state = start >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

async function readDhcpPackets(): Promise<readonly Uint8Array[]> {
  const packets: Uint8Array[] = [];
  for (const name of (await readdir(CAPTURES)).filter((file) => file.endsWith('.pcap')).sort()) {
    for (const datagram of readPcap(await readFile(new URL(name, CAPTURES)))) {
      if (datagram.payload.length >= 240) packets.push(datagram.payload);
    }
  }
  return packets;
}

const TFTP_PACKETS = [
  encodeTftpPacket({
    kind: 'read',
    name: 'snponly.efi',
    mode: 'octet',
    options: new Map([
      ['tsize', '0'],
      ['blksize', '1468'],
      ['windowsize', '4'],
    ]),
  }),
  encodeTftpPacket({ kind: 'read', name: '..\\..\\etc/passwd', mode: 'netascii', options: new Map() }),
  encodeTftpPacket({ kind: 'write', name: 'x', mode: 'octet', options: new Map() }),
  encodeTftpPacket({ kind: 'ack', block: 0 }),
  encodeTftpPacket({ kind: 'error', code: 8, message: 'no' }),
];

const random = createRandom(seed);

function pick(from: readonly Uint8Array[]): Uint8Array {
  return from[random(from.length)] ?? new Uint8Array();
}

function mutate(packets: readonly Uint8Array[]): Uint8Array {
  let bytes = Uint8Array.from(pick(packets));
  for (let round = random(4); round >= 0; round--) {
    switch (random(6)) {
      case 0:
      case 1:
        for (let flips = random(8); flips >= 0; flips--) {
          if (bytes.length > 0) bytes[random(bytes.length)] = random(256);
        }
        break;
      // Options, where the interesting bytes of a DHCP packet are.
      case 2:
        if (bytes.length > 241) bytes[240 + random(bytes.length - 240)] = random(256);
        break;
      case 3:
        bytes = bytes.slice(0, random(bytes.length + 1));
        break;
      case 4: {
        const other = pick(packets);
        const at = random(bytes.length + 1);
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...other.subarray(random(other.length + 1))]);
        break;
      }
      default:
        bytes = Uint8Array.from([...bytes, ...Array.from({ length: random(64) }, () => random(256))]);
    }
  }
  return bytes.slice(0, 1472);
}

async function openSender(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '0.0.0.0');
  await once(socket, 'listening');
  socket.on('error', () => undefined);
  // What comes back is drained and forgotten.
  socket.on('message', () => undefined);
  return socket;
}

const dhcp = await readDhcpPackets();
const sockets = await Promise.all(Array.from({ length: 8 }, openSender));
const BATCH = 200;
const started = performance.now();
for (let sent = 0; sent < count; ) {
  const size = Math.min(BATCH, count - sent);
  for (let index = 0; index < size; index++) {
    const port = PORTS[random(PORTS.length)] ?? 67;
    const bytes = mutate(port === 69 ? TFTP_PACKETS : dhcp);
    sockets[random(sockets.length)]?.send(bytes, port, address, () => undefined);
  }
  sent += size;
  const ahead = (sent / rate) * 1000 - (performance.now() - started);
  await delay(Math.max(0, ahead));
}
process.stdout.write(JSON.stringify({ sent: count, seconds: (performance.now() - started) / 1000 }));
for (const socket of sockets) socket.close();
