import type { ChildProcess, StdioOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { TinderboxError } from '../errors.ts';
import type { RunOptions } from './run-program.ts';
import { runProgram } from './run-program.ts';

export interface SpawnInside {
  readonly stdio?: StdioOptions;
  readonly cwd?: string;
}

/**
 * A network namespace that lives as long as its holder process: it has no name in the system, and it and all that
 * runs in it end when the process that made it does, however that ends.
 */
export interface NetworkNamespace extends AsyncDisposable {
  readonly name: string;
  /** The holder's process; `/proc/<pid>/ns/net` is the namespace. */
  readonly pid: number;
  /** The argument list that runs a program inside; its process is the program itself, not a wrapper. */
  readonly enter: (argv: readonly string[]) => readonly string[];
  /** Runs a program inside to its end; as `runProgram`. */
  readonly run: (argv: readonly string[], options?: RunOptions) => Promise<string>;
  /** Starts a long-lived program inside; stopped at the latest with the namespace. */
  readonly spawn: (argv: readonly string[], options?: SpawnInside) => ChildProcess;
}

/** Milliseconds that a program gets between SIGTERM and SIGKILL. */
const STOP_PATIENCE = 5_000;
const IPV6_OFF =
  'for f in all default; do echo 1 >/proc/sys/net/ipv6/conf/$f/disable_ipv6; done 2>/dev/null || true';

/**
 * Needs root, or root inside a user namespace (user-namespace.ts). Throws TinderboxError `refused` otherwise.
 * IPv6 is off inside: its neighbour discovery would only add noise to what is observed.
 */
export async function createNamespace(name: string): Promise<NetworkNamespace> {
  // `cat` ends when our end of the pipe closes, so also when this process is killed.
  const holder = spawn('unshare', ['--net', '--', 'sh', '-c', 'echo ready; exec cat'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const children = new Set<ChildProcess>();
  await holderReady(holder, name);
  const pid = holder.pid as number;
  // pdeathsig comes last: entering a namespace clears it.
  const nsenter = ['nsenter', `--net=/proc/${pid}/ns/net`, '--', 'setpriv', '--pdeathsig', 'KILL', '--'];
  const enter = (argv: readonly string[]): readonly string[] => [...nsenter, ...argv];
  const namespace: NetworkNamespace = {
    name,
    pid,
    enter,
    run: (argv, options) => runProgram(enter(argv), options),
    spawn(argv, options = {}) {
      const [program = '', ...args] = enter(argv);
      const child = spawn(program, args, {
        stdio: options.stdio ?? 'ignore',
        ...(options.cwd !== undefined && { cwd: options.cwd }),
      });
      children.add(child);
      child.once('exit', () => children.delete(child));
      return child;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...children].map((child) => stopProcess(child)));
      await stopProcess(holder);
    },
  };
  await namespace.run(['ip', 'link', 'set', 'lo', 'up']);
  await namespace.run(['sh', '-c', IPV6_OFF]);
  return namespace;
}

/** SIGTERM, and SIGKILL if that does not help in time. Resolves when the process is gone. */
export async function stopProcess(child: ChildProcess, patience = STOP_PATIENCE): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), patience);
  child.kill('SIGTERM');
  await gone;
  clearTimeout(timer);
}

/** A bridge that forwards from its first moment; with an address, e.g. `10.77.0.1/24`, if given. */
export async function addBridge(namespace: NetworkNamespace, name: string, address?: string): Promise<void> {
  await namespace.run([
    'ip',
    'link',
    'add',
    checkName(name),
    'type',
    'bridge',
    'forward_delay',
    '0',
    'stp_state',
    '0',
  ]);
  if (address !== undefined) await addAddress(namespace, name, address);
  await linkUp(namespace, name);
}

/** A tap device on a bridge, for one virtual machine. */
export async function addTap(namespace: NetworkNamespace, name: string, bridge: string): Promise<void> {
  await namespace.run(['ip', 'tuntap', 'add', checkName(name), 'mode', 'tap']);
  await joinBridge(namespace, name, bridge);
}

/** A cable between two namespaces (or within one); both ends are up. */
export async function addVethPair(
  here: { readonly namespace: NetworkNamespace; readonly name: string },
  there: { readonly namespace: NetworkNamespace; readonly name: string },
): Promise<void> {
  const peer = ['peer', 'name', checkName(there.name), 'netns', String(there.namespace.pid)];
  await here.namespace.run(['ip', 'link', 'add', checkName(here.name), 'type', 'veth', ...peer]);
  await linkUp(here.namespace, here.name);
  await linkUp(there.namespace, there.name);
}

/** Plugs a link into a bridge and turns it on. */
export async function joinBridge(namespace: NetworkNamespace, name: string, bridge: string): Promise<void> {
  await namespace.run(['ip', 'link', 'set', name, 'master', bridge]);
  await linkUp(namespace, name);
}

/** `address` with its prefix length: `10.77.0.1/24`. */
export async function addAddress(namespace: NetworkNamespace, name: string, address: string): Promise<void> {
  await namespace.run(['ip', 'address', 'add', address, 'broadcast', '+', 'dev', name]);
}

async function linkUp(namespace: NetworkNamespace, name: string): Promise<void> {
  await namespace.run(['ip', 'link', 'set', name, 'up']);
}

function checkName(name: string): string {
  // IFNAMSIZ is 16 with the final NUL.
  if (/^[A-Za-z][\w.-]{0,14}$/.test(name)) return name;
  throw new TinderboxError(
    'usage',
    `${name} is no usable interface name: at most 15 letters, digits, dots, hyphens, underscores`,
  );
}

async function holderReady(holder: ChildProcess, name: string): Promise<void> {
  const said: Buffer[] = [];
  holder.stderr?.on('data', (chunk: Buffer) => said.push(chunk));
  const ready = await Promise.race([
    once(holder.stdout as NodeJS.ReadableStream, 'data').then(() => true),
    once(holder, 'close').then(() => false),
  ]).catch((cause: unknown) => {
    throw new TinderboxError('not-found', 'cannot run unshare', {
      cause,
      remedy: 'Install the package util-linux.',
    });
  });
  if (ready) return;
  throw new TinderboxError(
    'refused',
    `no network namespace ${name} can be made: ${Buffer.concat(said).toString('utf8').trim()}`,
    { remedy: 'Run this as root, or where unprivileged user namespaces are allowed.' },
  );
}
