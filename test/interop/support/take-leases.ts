/*
 * Many machines take a lease each, some at a time, and ask until they have one, whatever happens to the server:
 * argv is the first MAC as a number, how many, how many at a time, and the interface. Prints `MAC address` as soon as
 * an ACK is there: what is printed was promised.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createClientPort, FIRMWARE_TIMING } from '../../../src/lab/virtual-client.ts';
import { configureByDhcp } from '../../../src/lab/virtual-client-dhcp.ts';
import { FIRMWARE_ARCHITECTURES } from '../../../src/machine/architecture.ts';
import { formatIpv4 } from '../../../src/machine/ipv4.ts';
import { parseMac } from '../../../src/machine/mac.ts';
import { openUdpSocket } from '../../../src/net/open-udp-socket.ts';

const [first = 0, count = 1, width = 1] = process.argv.slice(2, 5).map(Number);
const port = await createClientPort(openUdpSocket, process.argv[5] ?? 'eth0');
const [architecture] = FIRMWARE_ARCHITECTURES;
const signal = AbortSignal.timeout(60_000);
const waits = [100, 200, 400, 800];
let next = 0;

async function takeLease(index: number): Promise<void> {
  const mac = parseMac((first + index).toString(16).padStart(12, '0'));
  if (mac === undefined || architecture === undefined) throw new Error('no such machine');
  const run = {
    machine: { mac, uuid: `00000000-0000-4000-8000-${mac.replaceAll(':', '')}`, architecture },
    deps: {
      port,
      openSocket: openUdpSocket,
      readFile: () => Promise.reject(new Error('no files here')),
      fetch,
      now: () => performance.now(),
      sleep: (ms: number, stop: AbortSignal) => delay(ms, undefined, { signal: stop }).catch(() => undefined),
      randomXid: () => randomBytes(4).readUInt32BE(),
    },
    options: {
      timing: { ...FIRMWARE_TIMING, discoverWaits: waits, requestWaits: waits, settle: 0 },
      until: 'loader' as const,
      signal,
      keepPackets: false,
    },
    startedAt: 0,
    steps: [],
    packets: [],
    screen: { waits: '' },
    waited: { ms: 0 },
  };
  while (!signal.aborted) {
    const configured = await configureByDhcp(run, 'os').catch(() => undefined);
    if (configured === undefined) continue;
    process.stdout.write(`${mac} ${formatIpv4(configured.lease.address)}\n`);
    return;
  }
}

async function work(): Promise<void> {
  while (next < count && !signal.aborted) await takeLease(next++);
}

await Promise.all(Array.from({ length: width }, work));
await port.close();
