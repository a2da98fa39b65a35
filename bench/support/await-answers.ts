/*
 * Waits for the first answers of a server that starts. Prints `ready` as it begins to ask, then a line of JSON with the
 * times at which an OFFER and an answer over HTTP came, on the kernel's monotonic clock (which all processes share), in ms.
 * argv: interface, URL or `-`, whether DHCP is asked: `dhcp` or `-`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { openUdpSocket } from '../../src/net/open-udp-socket.ts';
import { messageTypeOf } from '../../src/protocol/dhcp/option-codes.ts';
import { decodeDhcpPacket, encodeDhcpPacket } from '../../src/protocol/dhcp/packet.ts';
import { makeRequest } from '../../test/support/make-request.ts';

const [, , device = 'eth0', url = '-', asksDhcp = '-'] = process.argv;
/** Milliseconds between two questions: what comes is known to so many. */
const PAUSE = 10;

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

async function awaitOffer(): Promise<number> {
  const socket = await openUdpSocket({ port: 68, device, broadcast: true });
  const discover = encodeDhcpPacket(makeRequest({ type: 'discover' }));
  const answered = new Promise<number>((resolve) => {
    socket.on('message', (bytes) => {
      const at = now();
      const packet = decodeDhcpPacket(bytes);
      if (packet.op === 2 && messageTypeOf(packet) === 'offer') resolve(at);
    });
  });
  socket.on('error', () => undefined);
  const timer = setInterval(() => socket.send(discover, 67, '255.255.255.255', () => undefined), PAUSE);
  try {
    return await answered;
  } finally {
    clearInterval(timer);
    socket.close();
  }
}

async function awaitPage(): Promise<number> {
  for (;;) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
      const at = now();
      await response.arrayBuffer();
      if (response.ok) return at;
    } catch {
      // Nobody listens yet.
    }
    await delay(PAUSE);
  }
}

process.stdout.write('ready\n');
const [dhcp, http] = await Promise.all([
  asksDhcp === 'dhcp' ? awaitOffer() : undefined,
  url === '-' ? undefined : awaitPage(),
]);
process.stdout.write(`${JSON.stringify({ dhcp, http })}\n`);
process.exitCode = 0;
