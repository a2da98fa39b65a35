import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { maskSessionTokens } from '../boot/session-token.ts';
import type {
  ClientStep,
  FetchHttp,
  ReadTftpFile,
  SimulationResult,
  VirtualClientDeps,
  VirtualMachine,
} from '../lab/virtual-client.ts';
import { createClientPort, FIRMWARE_TIMING, runVirtualClient } from '../lab/virtual-client.ts';
import { architectureByName, FIRMWARE_ARCHITECTURES } from '../machine/architecture.ts';
import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import { type Mac, parseMac } from '../machine/mac.ts';
import type { OpenUdpSocket } from '../net/port.ts';
import { type ExitCode, usageError } from './exit.ts';
import { plain } from './format-timeline.ts';

/** As commander gives them; `report` is false for `--no-report`. */
export interface SimulateArgs {
  readonly interface: string;
  readonly arch?: string;
  readonly mac?: string;
  readonly uuid?: string;
  readonly json?: boolean;
  readonly report?: boolean;
  /** Seconds for the whole boot. */
  readonly timeout?: string | number;
}

export interface SimulateDeps {
  readonly openSocket: OpenUdpSocket;
  readonly readFile: ReadTftpFile;
  readonly fetch: FetchHttp;
  readonly write: (text: string) => void;
  /** Ends the simulation early (Ctrl-C). */
  readonly signal?: AbortSignal;
  readonly useAddress?: (address: Ipv4, prefix: number) => Promise<void>;
}

/** Locally administered, and always the same: simulating again and again makes one machine known, not hundreds. */
const DEFAULT_MAC = '02:74:62:6f:78:01' as Mac;
const DEFAULT_TIMEOUT = 180;

/**
 * Boots one virtual machine on an interface and prints each step. 0: it came to its report (or, with `--no-report`
 * and where the command line does not say where to report to, to its configuration). Throws TinderboxError `usage`, and what opening the sockets throws.
 */
export async function runSimulate(args: SimulateArgs, deps: SimulateDeps): Promise<ExitCode> {
  const machine = readMachine(args);
  const timeout = readTimeout(args.timeout);
  const json = args.json === true;
  const over = AbortSignal.timeout(timeout * 1000);
  const port = await createClientPort(deps.openSocket, args.interface);
  try {
    if (!json) deps.write(`${machine.mac}, ${machine.architecture.label}, on ${args.interface}\n`);
    const result = await runVirtualClient(machine, clientDeps(deps, port), {
      timing: FIRMWARE_TIMING,
      until: args.report === false ? 'config' : 'report',
      keepPackets: json,
      signal: deps.signal === undefined ? over : AbortSignal.any([over, deps.signal]),
      ...(json
        ? {}
        : {
            onStep: (step: ClientStep) => deps.write(formatStep(step)),
            onScreen: (lines) => deps.write(formatScreen(lines)),
          }),
    });
    deps.write(json ? formatJson(machine, result) : formatEnd(result));
    return result.ok ? 0 : 1;
  } finally {
    await port.close();
  }
}

function clientDeps(deps: SimulateDeps, port: VirtualClientDeps['port']): VirtualClientDeps {
  return {
    port,
    openSocket: deps.openSocket,
    readFile: deps.readFile,
    fetch: deps.fetch,
    now: () => performance.now(),
    sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
    randomXid: () => randomBytes(4).readUInt32BE(),
    ...(deps.useAddress === undefined ? {} : { useAddress: deps.useAddress }),
  };
}

function readMachine(args: SimulateArgs): VirtualMachine {
  const name = args.arch ?? 'uefi-x64';
  const architecture = architectureByName(name);
  if (architecture === undefined) {
    const known = [...new Set(FIRMWARE_ARCHITECTURES.map((one) => one.name))].join(', ');
    throw usageError(`no architecture is named ${name}`, `use one of ${known}`);
  }
  const mac = args.mac === undefined ? DEFAULT_MAC : parseMac(args.mac);
  if (mac === undefined) throw usageError(`${args.mac} is no MAC`, 'write it as 52:54:00:12:34:56');
  const uuid = args.uuid?.toLowerCase() ?? `74696e64-6572-4000-8000-${mac.replaceAll(':', '')}`;
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) {
    throw usageError(`${args.uuid} is no UUID`, 'write it as 8-4-4-4-12 hexadecimal digits');
  }
  const name6 = mac.replaceAll(':', '').slice(-6);
  return {
    mac,
    uuid,
    architecture,
    serial: `SIM-${name6}`,
    manufacturer: 'Tinderbox',
    product: 'simulated machine',
  };
}

function readTimeout(text: string | number | undefined): number {
  const seconds = Number(text ?? DEFAULT_TIMEOUT);
  if (!(seconds > 0 && seconds <= 86_400)) {
    throw usageError(`${text} is no time-out`, 'give whole seconds, from 1 to 86400');
  }
  return seconds;
}

/** A session's URL is the right to its configuration; what is printed is passed on. */
function formatStep(step: ClientStep): string {
  const time = step.ms < 1000 ? `${Math.round(step.ms)} ms` : `${(step.ms / 1000).toFixed(1)} s`;
  const head = `${step.ok ? '✓' : '✗'} ${step.step.padEnd(13)} ${step.asked}`;
  const remedy = step.remedy === undefined ? '' : `\n    ${step.remedy}`;
  return maskSessionTokens(`${head}\n    ${step.answered} (${time})${remedy}\n`);
}

/** As a person before the machine reads it, while it waits. */
export function formatScreen(lines: readonly string[]): string {
  return maskSessionTokens(`  its screen:\n${lines.map((line) => `    | ${plain(line)}\n`).join('')}`);
}

export function formatEnd(result: SimulationResult): string {
  const failed = result.steps.findLast((step) => !step.ok);
  const seconds = (result.ms / 1000).toFixed(1);
  if (!result.ok) return `failed at ${failed?.step ?? 'the start'} after ${seconds} s\n`;
  const role = result.role === undefined ? '' : ` as ${result.role}`;
  if (result.localDisk === true) return `handed over to its own disk${role} after ${seconds} s\n`;
  // Without a report nobody knows that it booted: a real system may find the URL in its configuration only.
  const reported = result.steps.some(({ step, ok }) => step === 'report' && ok);
  return `${reported ? 'booted' : 'configured'} ${result.hostname ?? 'a machine without a name'}${role} in ${seconds} s\n`;
}

export function formatJson(machine: VirtualMachine, result: SimulationResult): string {
  return `${JSON.stringify(toJson(machine, result), maskText, 2)}\n`;
}

/** By string: in the text of JSON, what ends a string would be taken for a part of a token. */
function maskText(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? maskSessionTokens(value) : value;
}

function toJson(machine: VirtualMachine, result: SimulationResult): object {
  const { addresses, packets, ...rest } = result;
  return {
    machine: { mac: machine.mac, uuid: machine.uuid, architecture: machine.architecture.name },
    ...rest,
    addresses: Object.fromEntries(
      Object.entries(addresses).map(([life, address]) => [life, formatIpv4(address)]),
    ),
    packets: packets.map(({ peer, bytes, ...packet }) => ({
      ...packet,
      peer: formatIpv4(peer),
      bytes: Buffer.from(bytes).toString('hex'),
    })),
  };
}
