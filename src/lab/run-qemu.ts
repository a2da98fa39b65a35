import type { ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { TinderboxError } from '../errors.ts';
import type { MachineConsole } from './machine-console.ts';
import { createConsole } from './machine-console.ts';
import type { Processor } from './machine-kinds.ts';
import type { NetworkNamespace } from './namespace.ts';
import { stopProcess } from './namespace.ts';
import { sendQmpCommand } from './qmp-client.ts';

export interface QemuOptions {
  readonly namespace: NetworkNamespace;
  /** amd64 unless told. */
  readonly processor?: Processor;
  /** What its console is called in errors. */
  readonly name: string;
  /** Made if it is missing; holds console.log. */
  readonly folder: string;
  /** Mebibytes. */
  readonly memory: number;
  /** KVM instead of emulation. It may exist and still hang in real-mode ROMs, so only where somebody asks for it. */
  readonly kvm?: boolean;
  /** Machine, cards, disks: all but console, monitor, processor and memory. */
  readonly argv: readonly string[];
}

export interface RunningQemu extends AsyncDisposable {
  readonly pid: number;
  readonly console: MachineConsole;
  readonly consoleFile: string;
  /** As its reset button: it boots again. */
  readonly reset: () => Promise<void>;
  /** Presses a key of its keyboard, by QEMU's name for it (`ret`, `down`, `m`). */
  readonly press: (key: string) => Promise<void>;
  /** Pulls the plug. */
  readonly quit: () => Promise<void>;
  /** Resolves when the machine is off, whoever turned it off. */
  readonly exited: Promise<void>;
}

const EMULATORS: Readonly<Record<Processor, { readonly program: string; readonly cpu: string }>> = {
  amd64: { program: 'qemu-system-x86_64', cpu: 'max' },
  // `max` signs its pointers, with a cipher that emulation spends most of its time on.
  arm64: { program: 'qemu-system-aarch64', cpu: 'cortex-a57' },
};

/** The name of the program. */
export function emulatorOf(processor: Processor): string {
  return EMULATORS[processor].program;
}

/** Powers a machine on. Throws TinderboxError `not-found` if QEMU or its firmware is not installed. */
export async function runQemu(options: QemuOptions): Promise<RunningQemu> {
  const { namespace, name, folder } = options;
  await mkdir(folder, { recursive: true });
  // Not in the machine's folder: the path of a unix socket has at most 107 bytes.
  const monitorFolder = await mkdtemp(`${tmpdir()}/tinderbox-qmp-`);
  const monitor = `${monitorFolder}/qmp`;
  const { program, cpu } = EMULATORS[options.processor ?? 'amd64'];
  const argv = [
    [program, '-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'none'],
    ['-accel', options.kvm === true ? 'kvm' : 'tcg', '-cpu', cpu, '-m', String(options.memory)],
    ['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ['-qmp', `unix:${escapeCommas(monitor)},server=on,wait=off`],
    options.argv,
  ].flat();
  const child = namespace.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const console = createConsole(name);
  const consoleFile = `${folder}/console.log`;
  const copy = createWriteStream(consoleFile);
  child.stdout?.on('data', (chunk: Buffer) => {
    copy.write(chunk);
    console.write(chunk);
  });
  const said: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => said.push(chunk));
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  }).then(() => {
    copy.end();
    console.end();
    return rm(monitorFolder, { recursive: true, force: true });
  });
  const remedy =
    options.processor === 'arm64'
      ? 'Install the packages qemu-system-arm and qemu-efi-aarch64.'
      : 'Install the packages qemu-system-x86, ipxe-qemu, seabios and ovmf.';
  await started(child, monitor, () => Buffer.concat(said).toString('utf8'), remedy);
  return {
    pid: child.pid as number,
    console,
    consoleFile,
    exited,
    reset: () => sendQmpCommand(monitor, 'system_reset'),
    press: (key) => sendQmpCommand(monitor, 'send-key', { keys: [{ type: 'qcode', data: key }] }),
    async quit() {
      if (child.exitCode === null && child.signalCode === null) await sendQmpCommand(monitor, 'quit');
      await exited;
    },
    async [Symbol.asyncDispose]() {
      await stopProcess(child);
      await exited;
    },
  };
}

/** QEMU reads a doubled comma as a comma. */
export function escapeCommas(text: string): string {
  return text.replaceAll(',', ',,');
}

/** Waits until QEMU's monitor answers, which is when the machine runs. */
async function started(
  child: ChildProcess,
  monitor: string,
  said: () => string,
  remedy: string,
): Promise<void> {
  const failures: Error[] = [];
  child.once('error', (error) => failures.push(error));
  for (let tries = 0; tries < 500 && failures.length === 0 && child.exitCode === null; tries += 1) {
    const answers =
      existsSync(monitor) && (await sendQmpCommand(monitor, 'query-status').then(isTrue, isFalse));
    if (answers) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await stopProcess(child);
  throw new TinderboxError('not-found', `QEMU did not start: ${failures[0]?.message ?? said().trim()}`, {
    remedy,
  });
}

const isTrue = (): boolean => true;
const isFalse = (): boolean => false;
