/*
 * Boots virtual machines on eth0, all at once, each of which breaks at a place of its own, and prints their steps. A
 * program of its own, since a namespace is entered by a process.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type ClientPort,
  createClientPort,
  FIRMWARE_TIMING,
  runVirtualClient,
  type SimulationResult,
  scaleTiming,
  type VirtualClientDeps,
} from '../../../src/lab/virtual-client.ts';
import { architectureByName } from '../../../src/machine/architecture.ts';
import { type Ipv4, parseIpv4 } from '../../../src/machine/ipv4.ts';
import { parseMac } from '../../../src/machine/mac.ts';
import { openUdpSocket } from '../../../src/net/open-udp-socket.ts';
import { encodeIpxeOptions } from '../../../src/protocol/dhcp/option-175.ts';
import { OPTION } from '../../../src/protocol/dhcp/option-codes.ts';
import { decodeDhcpPacket, encodeDhcpPacket } from '../../../src/protocol/dhcp/packet.ts';
import { decodeTftpPacket, encodeTftpPacket } from '../../../src/protocol/tftp/packet.ts';
import type { BrokenOrder, Fault } from './broken-machines-port.ts';

const orders = JSON.parse(process.argv[2] ?? '[]') as readonly BrokenOrder[];
const port = await createClientPort(openUdpSocket, 'eth0');
const BLOCK = 512;
/** Before a packet is asked for again. In ms. */
const PATIENCE = 2000;

const nothing = (): Promise<never> => Promise.reject(new Error('it does not get through'));

function breakPort(fault: Fault): ClientPort {
  return {
    ...port,
    ...(fault === 'deaf' && { subscribe: () => () => undefined }),
    ...(fault === 'no-4011' && { sendPxe: async () => 4011 }),
    send(bytes, address, to) {
      if (fault === 'no-4011' && to === 4011) return Promise.resolve();
      if (fault !== 'ipxe-without-http') return port.send(bytes, address, to);
      const packet = decodeDhcpPacket(bytes);
      if (!packet.options.has(OPTION.ipxe)) return port.send(bytes, address, to);
      const options = new Map(packet.options).set(OPTION.ipxe, encodeIpxeOptions({ features: ['tftp'] }));
      return port.send(encodeDhcpPacket({ ...packet, options }), address, to);
    },
  };
}

/** Milliseconds; real ones take longer. */
const SELF_TEST = 1_000;

/** Lock step and no options: what is asked is what counts here. After the first block `fault` may have its way. */
async function readFile(
  from: Ipv4,
  host: string,
  to: number,
  name: string,
  fault: Fault,
): Promise<Uint8Array> {
  const socket = await openUdpSocket({ port: 0, address: from });
  const blocks: Uint8Array[] = [];
  let [next, peer] = [encodeTftpPacket({ kind: 'read', name, mode: 'octet', options: new Map() }), to];
  try {
    for (;;) {
      const over = AbortSignal.timeout(PATIENCE);
      const answer = once(socket, 'message', { signal: over }).catch(() => undefined);
      socket.send(next, peer, host);
      const [bytes, remote] = ((await answer) ?? []) as [Buffer?, { port: number }?];
      if (bytes === undefined || remote === undefined) continue;
      const packet = decodeTftpPacket(bytes);
      if (packet.kind === 'error') return await nothing();
      if (packet.kind !== 'data' || packet.block !== ((blocks.length + 1) & 0xffff)) continue;
      if (fault === 'tftp-silent') return await nothing();
      peer = remote.port;
      const abort = { kind: 'error', code: 3, message: 'no room for it' } as const;
      if (fault === 'tftp-abort') {
        await new Promise((sent) => socket.send(encodeTftpPacket(abort), peer, host, sent));
        return await nothing();
      }
      blocks.push(packet.bytes);
      next = encodeTftpPacket({ kind: 'ack', block: packet.block });
      if (packet.bytes.length < BLOCK) {
        await new Promise((sent) => socket.send(next, peer, host, sent));
        return Buffer.concat(blocks);
      }
    }
  } finally {
    socket.close();
  }
}

/** Node's fetch takes no address to come from. */
const fetchFrom =
  (localAddress: string): VirtualClientDeps['fetch'] =>
  (url, { method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const asked = request(url, { method, headers, signal, localAddress, agent: false }, (answer) => {
        const { statusCode: status = 500, headers: given } = answer;
        const known = Object.entries(given).map(([name, value]): [string, string] => [name, String(value)]);
        const text = status === 204 || status === 304 ? null : (Readable.toWeb(answer) as ReadableStream);
        resolve(new Response(text, { status, headers: known }));
      });
      asked.once('error', reject);
      asked.end(body);
    });

/** Which URLs do not get through. */
const BLOCKED: Readonly<Partial<Record<Fault, RegExp>>> = {
  'no-http': /./,
  'no-ipxe-script': /\/ipxe\?/,
  'no-assets': /\/assets\//,
  'no-initrd': /initrd/,
  'no-config': /cloud-config/,
};

const fetchBadly =
  (fetchWell: VirtualClientDeps['fetch'], fault: Fault): VirtualClientDeps['fetch'] =>
  async (url, init) => {
    if (BLOCKED[fault]?.test(url) === true) return nothing();
    const failing = fault === 'reports-failure' && url.endsWith('/report');
    const response = await fetchWell(
      url,
      failing ? { ...init, body: 'stage=failed&log=fetching+it%0Ano+disk' } : init,
    );
    if (fault === 'config-twice' && url.includes('cloud-config')) {
      const first = await response.text();
      await (await fetchWell(url, init)).text();
      return new Response(first, { status: response.status });
    }
    if (fault === 'kernel-aborted' && url.includes('vmlinuz')) {
      await response.body?.cancel();
      return nothing();
    }
    return response;
  };

async function run({
  mac: text,
  address,
  fault,
  arch = 'uefi-x64',
  until = 'report',
  boots = 1,
}: BrokenOrder) {
  const [mac, from, architecture] = [parseMac(text), parseIpv4(address), architectureByName(arch)];
  if (mac === undefined || from === undefined || architecture === undefined)
    throw new Error('no such machine');
  const deps: VirtualClientDeps = {
    port: breakPort(fault),
    openSocket: fault === 'no-tftp' ? nothing : (options) => openUdpSocket({ ...options, address: from }),
    readFile: (host, to, name) =>
      fault === 'tftp-probe-only' ? nothing() : readFile(from, host, to, name, fault),
    fetch: fetchBadly(fetchFrom(address), fault),
    now: () => performance.now(),
    sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
    randomXid: () => randomBytes(4).readUInt32BE(),
  };
  const uuid = `74696e64-6572-4000-8000-${mac.replaceAll(':', '')}`;
  const results: SimulationResult[] = [];
  for (let boot = 0; boot < boots; boot++) {
    // Each tests itself first: none comes back before the server knows that its loader was taken.
    if (boot > 0) await delay(SELF_TEST);
    results.push(
      await runVirtualClient({ mac, architecture, uuid }, deps, {
        timing: scaleTiming(FIRMWARE_TIMING, 0.05),
        until,
        keepPackets: false,
        questions: 1,
        signal: AbortSignal.timeout(60_000),
      }),
    );
  }
  const steps = results.flatMap((result) => result.steps);
  process.stdout.write(
    steps
      .map(({ step, ok, asked, answered }) => `${mac} ${ok ? '' : 'not '}${step}: ${asked} → ${answered}\n`)
      .join(''),
  );
}

await Promise.all(orders.map(run));
await port.close();
