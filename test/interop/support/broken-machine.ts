/*
 * Boots one virtual machine on eth0 that breaks at a place of its own, and prints its steps. A program of its own, since
 * a namespace is entered by a process.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { readTftpFile } from '../../../src/lab/tftp-client.ts';
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
import { parseMac } from '../../../src/machine/mac.ts';
import { openUdpSocket } from '../../../src/net/open-udp-socket.ts';
import { encodeIpxeOptions } from '../../../src/protocol/dhcp/option-175.ts';
import { OPTION } from '../../../src/protocol/dhcp/option-codes.ts';
import { decodeDhcpPacket, encodeDhcpPacket } from '../../../src/protocol/dhcp/packet.ts';
import { decodeTftpPacket, encodeTftpPacket } from '../../../src/protocol/tftp/packet.ts';
import type { BrokenOrder, Fault } from './broken-machine-port.ts';

const {
  mac: text,
  fault,
  arch = 'uefi-x64',
  until = 'report',
  boots = 1,
} = JSON.parse(process.argv[2] ?? '{}') as BrokenOrder;
const mac = parseMac(text);
const architecture = architectureByName(arch);
if (mac === undefined || architecture === undefined) throw new Error('no such machine');

const nothing = (): Promise<never> => Promise.reject(new Error('it does not get through'));

function breakPort(port: ClientPort): ClientPort {
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

/** Asks for the loader, and after its first block says nothing, or that it wants no more. */
async function readBadly(host: string, port: number, name: string): Promise<never> {
  const socket = await openUdpSocket({ port: 0 });
  try {
    const request = encodeTftpPacket({ kind: 'read', name, mode: 'octet', options: new Map() });
    socket.send(request, port, host);
    const [bytes, remote] = (await once(socket, 'message')) as [Buffer, { port: number }];
    if (fault === 'tftp-abort' && decodeTftpPacket(bytes).kind === 'data') {
      const error = encodeTftpPacket({ kind: 'error', code: 3, message: 'no room for it' });
      await new Promise((sent) => socket.send(error, remote.port, host, sent));
    }
  } finally {
    socket.close();
  }
  return nothing();
}

/** Which URLs do not get through. */
const BLOCKED: Readonly<Partial<Record<Fault, RegExp>>> = {
  'no-http': /./,
  'no-ipxe-script': /\/ipxe\?/,
  'no-assets': /\/assets\//,
  'no-initrd': /initrd/,
  'no-config': /cloud-config/,
};

const fetchBadly: VirtualClientDeps['fetch'] = async (url, init) => {
  if (BLOCKED[fault]?.test(url) === true) return nothing();
  const failing = fault === 'reports-failure' && url.endsWith('/report');
  const response = await fetch(
    url,
    failing ? { ...init, body: 'stage=failed&log=fetching+it%0Ano+disk' } : init,
  );
  if (fault === 'config-twice' && url.includes('cloud-config')) {
    const first = await response.text();
    await (await fetch(url, init)).text();
    return new Response(first, response);
  }
  if (fault === 'kernel-aborted' && url.includes('vmlinuz')) {
    await response.body?.cancel();
    return nothing();
  }
  return response;
};

const deps: VirtualClientDeps = {
  port: breakPort(await createClientPort(openUdpSocket, 'eth0')),
  openSocket: fault === 'no-tftp' ? nothing : openUdpSocket,
  readFile:
    fault === 'tftp-probe-only'
      ? nothing
      : fault === 'tftp-silent' || fault === 'tftp-abort'
        ? readBadly
        : readTftpFile,
  fetch: fetchBadly,
  now: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
  randomXid: () => randomBytes(4).readUInt32BE(),
};
const results: SimulationResult[] = [];
const switchOn = () =>
  runVirtualClient({ mac, architecture, uuid: `74696e64-6572-4000-8000-${mac.replaceAll(':', '')}` }, deps, {
    timing: scaleTiming(FIRMWARE_TIMING, 0.05),
    until,
    keepPackets: false,
    questions: 1,
    signal: AbortSignal.timeout(30_000),
  });
for (let boot = 0; boot < boots; boot++) {
  let result = await switchOn();
  // On a loaded host the npm client gives up at an OACK that comes twice: not what is meant to break here.
  const brokeOff = () =>
    !fault.startsWith('tftp-') && result.steps.some(({ step, ok }) => step === 'tftp-read' && !ok);
  for (let attempt = 0; attempt < 5 && brokeOff(); attempt++) result = await switchOn();
  results.push(result);
}
process.stdout.write(
  results
    .flatMap(({ steps }) => steps)
    .map(({ step, ok, asked, answered }) => `${ok ? '' : 'not '}${step}: ${asked} → ${answered}\n`)
    .join(''),
);
await deps.port.close();
