/*
 * Boots virtual machines on an interface, all at once over one port 68, and prints one JSON line for each as it ends.
 * A program of its own, since a namespace is entered by a process.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { runProgram } from '../../../src/lab/run-program.ts';
import { readTftpFile } from '../../../src/lab/tftp-client.ts';
import {
  createClientPort,
  FIRMWARE_TIMING,
  runVirtualClient,
  type SimulationResult,
  scaleTiming,
  type VirtualMachine,
} from '../../../src/lab/virtual-client.ts';
import { architectureByName } from '../../../src/machine/architecture.ts';
import { formatIpv4, type Ipv4 } from '../../../src/machine/ipv4.ts';
import { parseMac } from '../../../src/machine/mac.ts';
import { openUdpSocket } from '../../../src/net/open-udp-socket.ts';
import type { MachineOutcome, MachinesOrder } from './virtual-machines-port.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as MachinesOrder;
const port = await createClientPort(openUdpSocket, order.interface);

function text(address: Ipv4 | undefined): string {
  return address === undefined ? '' : formatIpv4(address);
}

/** Some servers answer to the address that a machine says it has, so it must have it. */
async function useAddress(address: Ipv4): Promise<void> {
  await runProgram(['ip', 'address', 'replace', `${formatIpv4(address)}/32`, 'dev', order.interface]);
}

async function boot(index: number): Promise<void> {
  const mac = parseMac((order.firstMac + index).toString(16).padStart(12, '0'));
  const architecture = architectureByName(order.arch);
  if (mac === undefined || architecture === undefined) throw new Error('no such machine');
  const uuid = `74696e64-6572-4000-8000-${mac.replaceAll(':', '')}`;
  const machine = { mac, uuid, architecture };
  await delay((order.stagger ?? 0) * index);
  for (let attempt = 1; attempt <= (order.attempts ?? 1); attempt++) {
    const { addresses, packets: _packets, ...rest } = await bootOnce(machine);
    const outcome: MachineOutcome = {
      mac,
      attempt,
      ...rest,
      addresses: { rom: text(addresses.rom), ipxe: text(addresses.ipxe), os: text(addresses.os) },
    };
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
    if (outcome.ok) return;
  }
}

function bootOnce(machine: VirtualMachine): Promise<SimulationResult> {
  return runVirtualClient(
    machine,
    {
      port,
      openSocket: openUdpSocket,
      readFile: readTftpFile,
      fetch,
      now: () => performance.now(),
      sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
      randomXid: () => randomBytes(4).readUInt32BE(),
      ...(order.ownAddresses === true && { useAddress }),
    },
    {
      timing: scaleTiming(FIRMWARE_TIMING, order.pace ?? 0.25),
      until: order.until,
      keepPackets: false,
      ...(order.questions === undefined ? {} : { questions: order.questions }),
      signal: AbortSignal.timeout(order.timeout ?? 60_000),
    },
  );
}

await Promise.all(Array.from({ length: order.count }, (_, index) => boot(index)));
await port.close();
