import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  addAddress,
  addVethPair,
  createNamespace,
  joinBridge,
  type NetworkNamespace,
  stopProcess,
} from '../../../src/lab/namespace.ts';
import {
  createProvisioningNetwork,
  type ProvisioningNetwork,
} from '../../../src/lab/provisioning-network.ts';
import { runProgram } from '../../../src/lab/run-program.ts';
import type { MachineOutcome, MachinesOrder } from './virtual-machines-port.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const VIRTUAL_MACHINES = fileURLToPath(new URL('virtual-machines.ts', import.meta.url));

/** The daemon with files of its own, in a namespace. */
export interface LabDaemon extends AsyncDisposable {
  readonly folder: string;
  /** Everything it printed. */
  log(): string;
  running(): boolean;
  /** SIGKILL, or SIGTERM and its exit code. */
  kill(): Promise<void>;
  stop(): Promise<number | null>;
  /** Starts it again on the same files. */
  restart(): Promise<void>;
}

export interface DaemonOptions {
  /** tinderbox.yaml without `paths:` and `admin:`. */
  readonly config: string;
  /** machines.yaml; every machine a worker unless told. */
  readonly machines?: string;
  /** An address that answers /healthz when it is ready. */
  readonly address: string;
}

const ROLE = `description: A machine of a test
boot:
  kernel: /assets/vmlinuz
  initrd: [/assets/initrd.gz]
  cmdline: ['cloud-config-url={{configUrl}}', 'tinderbox.report={{reportUrl}}', console=ttyS0]
config: { format: cloud-config, template: cloud-config.yaml.hbs }
`;
const TEMPLATE = `#cloud-config
hostname: {{machine.hostname}}
write_files:
  - path: /etc/role
    content: {{role}} {{machine.mac}}
`;

/** Starts `serve` on a configuration and waits until it answers. Throws with its log if it ends instead. */
export async function startDaemon(namespace: NetworkNamespace, options: DaemonOptions): Promise<LabDaemon> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tinderbox-interop-'));
  await mkdir(path.join(folder, 'profiles/worker'), { recursive: true });
  await mkdir(path.join(folder, 'assets'));
  const files: Record<string, string | Uint8Array> = {
    'tinderbox.yaml': `${options.config}\nadmin: { listen: 127.0.0.1:8080 }\npaths: { profiles: ./profiles, assets: ./assets, state: ./var }\n`,
    'profiles/machines.yaml': options.machines ?? 'default: worker\n',
    'profiles/worker/role.yaml': ROLE,
    'profiles/worker/cloud-config.yaml.hbs': TEMPLATE,
    'assets/vmlinuz': new Uint8Array(200_000).fill(1),
    'assets/initrd.gz': new Uint8Array(500_000).fill(2),
  };
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content);

  let log = '';
  let child: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const argv = [path.join(ROOT, 'bin/tinderbox'), 'serve', '--config', path.join(folder, 'tinderbox.yaml')];
    const started = namespace.spawn(argv, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    const keep = (chunk: Buffer): void => {
      log = (log + chunk.toString('utf8')).slice(-200_000);
    };
    started.stdout?.on('data', keep);
    started.stderr?.on('data', keep);
    for (let attempt = 0; attempt < 100; attempt++) {
      if (started.exitCode !== null || started.signalCode !== null)
        throw new Error(`the daemon ended: ${log}`);
      const alive = await fetchInside(namespace, `http://${options.address}/healthz`).catch(() => '');
      if (alive.startsWith('ok')) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the daemon does not answer: ${log}`);
  };
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    const ending = child;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null)
      return ending?.exitCode ?? null;
    const gone = new Promise<number | null>((resolve) => ending.once('exit', (code) => resolve(code)));
    ending.kill(signal);
    return gone;
  };
  const daemon: LabDaemon = {
    folder,
    log: () => log,
    running: () => child !== undefined && child.exitCode === null && child.signalCode === null,
    kill: () => end('SIGKILL').then(() => undefined),
    stop: () => end('SIGTERM'),
    restart: start,
    async [Symbol.asyncDispose]() {
      if (child !== undefined) await stopProcess(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await start();
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
  return daemon;
}

/** What tcpdump hears of DHCP on a namespace's eth0 from now on. */
export async function overhear(namespace: NetworkNamespace): Promise<() => string> {
  const filter = 'udp port 67 or udp port 68 or udp port 4011';
  const argv = ['tcpdump', '-i', 'eth0', '-n', '-l', '--immediate-mode', filter];
  const ear = namespace.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  let overheard = '';
  ear.stdout?.on('data', (chunk: Buffer) => {
    overheard += chunk.toString('utf8');
  });
  await once(ear.stderr as NodeJS.ReadableStream, 'data');
  return () => overheard;
}

export function fetchInside(namespace: NetworkNamespace, url: string): Promise<string> {
  return namespace.run(['curl', '--silent', '--fail', '--max-time', '5', url], { timeout: 10_000 });
}

export interface Lab extends AsyncDisposable {
  readonly network: ProvisioningNetwork;
  /** A machine's side of the switch: a namespace with `eth0`. */
  addClient(address?: string): Promise<NetworkNamespace>;
}

/** A switch with a server at 10.77.0.1 on br0; with `plainDhcp` another DHCP server beside it. */
export async function createLab(
  options: { readonly plainDhcp?: boolean; readonly address?: string } = {},
): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const network = stack.use(await createProvisioningNetwork({ machines: 0, ...options }));
  let plugged = 0;
  const owned = stack.move();
  return {
    network,
    async addClient(address) {
      const index = plugged++;
      const client = await createNamespace(`client${index}`);
      owned.use(client);
      await addVethPair(
        { namespace: network.namespace, name: `port${index}` },
        { namespace: client, name: 'eth0' },
      );
      await joinBridge(network.namespace, `port${index}`, network.bridge);
      if (address !== undefined) await addAddress(client, 'eth0', address);
      return client;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Boots virtual machines inside a namespace, in a process of their own. */
export async function bootMachines(
  namespace: NetworkNamespace,
  order: MachinesOrder,
): Promise<readonly MachineOutcome[]> {
  const most = (order.timeout ?? 60_000) * (order.attempts ?? 1);
  const timeout = most + (order.stagger ?? 0) * order.count + 10_000;
  const output = await namespace.run([process.execPath, VIRTUAL_MACHINES, JSON.stringify(order)], {
    timeout,
  });
  return output
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as MachineOutcome);
}

/** busybox udhcpc with a script that changes nothing and prints what it was told. */
export async function runUdhcpc(
  namespace: NetworkNamespace,
  mac: string,
  args: readonly string[] = [],
): Promise<{ readonly code: number; readonly output: string; readonly address: string }> {
  await namespace.run(['ip', 'link', 'set', 'eth0', 'address', mac]);
  const folder = await mkdtemp(path.join(tmpdir(), 'tinderbox-udhcpc-'));
  const script = path.join(folder, 'script');
  await writeFile(
    script,
    '#!/bin/sh\necho "event=$1 ip=$ip router=$router lease=$lease serverid=$serverid boot=$boot_file"\n',
    { mode: 0o755 },
  );
  try {
    // -n: fail without a lease; -q: end with one; three tries a second apart; -f: stay in front.
    const argv = [
      'busybox',
      'udhcpc',
      '-f',
      '-n',
      '-q',
      '-t',
      '3',
      '-T',
      '1',
      '-i',
      'eth0',
      '-s',
      script,
      ...args,
    ];
    const output = await runProgram(
      ['sh', '-c', '"$@" 2>&1; echo "code=$?"', 'sh', ...namespace.enter(argv)],
      { timeout: 20_000 },
    );
    const code = Number(/code=(\d+)\s*$/.exec(output)?.[1] ?? -1);
    return { code, output, address: /event=bound ip=(\S+)/.exec(output)?.[1] ?? '' };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of perfdhcp's report; `sent` and `received` are of DISCOVER and OFFER. */
export interface PerfReport {
  readonly sent: number;
  readonly received: number;
  readonly drops: number;
  /** Of REQUEST and ACK. */
  readonly acks: number;
  readonly rate: number;
  readonly text: string;
}

function readNumber(within: string, label: string): number {
  return Number(new RegExp(`${label}:\\s*(-?[\\d.]+)`).exec(within)?.[1] ?? 0);
}

/** perfdhcp acts as a relay; its reports are for people, and read here. */
export function parsePerfdhcp(text: string): PerfReport {
  const section = (name: string): string => {
    const start = text.indexOf(`***Statistics for: ${name}***`);
    return start < 0 ? '' : text.slice(start, text.indexOf('***', start + name.length + 22) + 1 || undefined);
  };
  const offers = section('DISCOVER-OFFER');
  const acks = section('REQUEST-ACK');
  return {
    sent: readNumber(offers, 'sent packets'),
    received: readNumber(offers, 'received packets'),
    drops: readNumber(offers, 'drops') + readNumber(acks, 'drops'),
    acks: readNumber(acks, 'received packets'),
    rate: Number(/Rate: ([\d.]+) 4-way exchanges\/second/.exec(text)?.[1] ?? 0),
    text,
  };
}

/** perfdhcp's exit code is 3 where packets were lost; its report says how many, so that is no failure to run it. */
export async function runPerfdhcp(
  namespace: NetworkNamespace,
  args: readonly string[],
  timeout = 60_000,
): Promise<PerfReport> {
  const argv = namespace.enter(['perfdhcp', '-4', ...args]);
  const text = await runProgram(['sh', '-c', '"$@" 2>&1 || true', 'sh', ...argv], { timeout });
  return parsePerfdhcp(text);
}
