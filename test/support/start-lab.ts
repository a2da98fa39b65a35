import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyJoinProfiles } from '../../src/lab/copy-join-profiles.ts';
import { ensureJoinInitrd } from '../../src/lab/join-image.ts';
import { ensureLiveImage } from '../../src/lab/live-image.ts';
import type { MachineKind, Processor } from '../../src/lab/machine-kinds.ts';
import { stopProcess } from '../../src/lab/namespace.ts';
import { createProvisioningNetwork, type ProvisioningNetwork } from '../../src/lab/provisioning-network.ts';
import { type QemuMachine, type QemuMachineOptions, startQemuMachine } from '../../src/lab/qemu-machine.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import { type Mac, parseMac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';
import type { MachineRecord } from '../../src/store/port.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TINDERBOX = join(ROOT, 'bin/tinderbox');

export interface LabOptions {
  readonly mode: 'server' | 'proxy';
  /** How many machines can be plugged in. */
  readonly machines?: number;
  readonly machinesYaml: string;
  /** Also the roles of src/lab/join-profiles, with the partials that ship, and what their machines need. */
  readonly joining?: boolean;
  /** Whose programs the system that the machines boot holds; amd64 unless told. */
  readonly processor?: Processor;
  /** Files of assets/ipxe, by name, with where they are copied from. */
  readonly bootFiles?: Readonly<Record<string, string>>;
  /** More of tinderbox.yaml. */
  readonly config?: string;
}

export interface MachineDetail {
  readonly machine: MachineRecord;
  readonly session?: BootSession;
  readonly events: readonly BootEvent[];
}

/** A provisioning network with a running daemon, the real one, and machines to be powered on. */
export interface Lab extends AsyncDisposable {
  readonly network: ProvisioningNetwork;
  readonly folder: string;
  powerOn(
    kind: MachineKind,
    mac: string,
    more?: Pick<QemuMachineOptions, 'disk' | 'memory'>,
  ): Promise<QemuMachine>;
  /** Runs `tinderbox …` beside the daemon; its stdout. */
  tinderbox(...args: readonly string[]): Promise<string>;
  /** The newest session of a machine with its events, as `tinderbox machines MAC --json` has them. */
  inspect(mac: string): Promise<MachineDetail>;
  daemonLog(): Promise<string>;
  /** SIGTERM to the daemon; its exit code. */
  stopDaemon(): Promise<number | null>;
  /** SIGKILL; resolves when it is gone. */
  killDaemon(): Promise<void>;
  startDaemon(): Promise<void>;
}

export async function startLab(options: LabOptions): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-lab-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const { processor = 'amd64' } = options;
  const image = await ensureLiveImage({ cache: join(ROOT, '.cache'), log: () => undefined, processor });
  await mkdir(join(folder, 'assets/live'), { recursive: true });
  await cp(image.kernel, join(folder, 'assets/live/vmlinuz'));
  await cp(image.initrd, join(folder, 'assets/live/initrd.img'));
  await mkdir(join(folder, 'assets/ipxe'));
  for (const [name, source] of Object.entries(options.bootFiles ?? {})) {
    await cp(source, join(folder, 'assets/ipxe', name));
  }
  await cp(join(ROOT, 'src/lab/profiles'), join(folder, 'profiles'), { recursive: true });
  if (options.joining === true) await addJoining(folder);
  await writeFile(join(folder, 'profiles/machines.yaml'), options.machinesYaml);
  const network = stack.use(
    await createProvisioningNetwork({ machines: options.machines ?? 1, plainDhcp: options.mode === 'proxy' }),
  );
  const range = options.mode === 'server' ? ', range: 10.77.0.100-10.77.0.200' : '';
  const configFile = join(folder, 'tinderbox.yaml');
  await writeFile(
    configFile,
    `network: { interface: ${network.bridge} }\ndhcp: { mode: ${options.mode}${range} }\n${options.config ?? ''}`,
  );

  const logFile = join(folder, 'daemon.log');
  let daemon: ChildProcess | undefined;
  const daemonLog = () => readFile(logFile, 'utf8').catch(() => '');
  const startDaemon = async (): Promise<void> => {
    const command = `exec "$0" serve --config "$1" >>"$2" 2>&1`;
    const started = (await daemonLog()).split('"msg":"ready"').length;
    daemon = network.namespace.spawn(['sh', '-c', command, TINDERBOX, configFile, logFile]);
    for (let round = 0; (await daemonLog()).split('"msg":"ready"').length === started; round++) {
      if (round > 300 || daemon.exitCode !== null)
        throw new Error(`the daemon did not start:\n${await daemonLog()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const stopDaemon = async (): Promise<number | null> => {
    if (daemon === undefined) return null;
    await stopProcess(daemon, 20_000);
    return daemon.exitCode;
  };
  const killDaemon = async (): Promise<void> => {
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const gone = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await gone;
  };
  await startDaemon();
  stack.defer(async () => void (await stopDaemon()));

  let plugged = 0;
  const tinderbox = (...args: readonly string[]): Promise<string> => {
    const [program, ...rest] = network.namespace.enter([TINDERBOX, ...args, '--config', configFile]);
    return new Promise((resolve, reject) => {
      execFile(program as string, rest, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`tinderbox ${args.join(' ')}: ${stderr}${stdout}`, { cause: error }));
      });
    });
  };
  const started = stack.move();
  return {
    network,
    folder,
    tinderbox,
    daemonLog,
    startDaemon,
    stopDaemon,
    killDaemon,
    async powerOn(kind, mac, more = {}) {
      const number = plugged++;
      const tap = network.taps[number % network.taps.length] as string;
      const machine = await startQemuMachine({
        kind,
        namespace: network.namespace,
        tap,
        mac: parseMac(mac) as Mac,
        folder: join(folder, `machine-${number}`),
        ...more,
      });
      started.use(machine);
      return machine;
    },
    async inspect(mac) {
      return JSON.parse(await tinderbox('machines', mac, '--json')) as MachineDetail;
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function addJoining(folder: string): Promise<void> {
  const initrd = await ensureJoinInitrd({ cache: join(ROOT, '.cache'), log: () => undefined });
  await cp(initrd, join(folder, 'assets/live/join.img'));
  await copyJoinProfiles(join(folder, 'profiles'));
}

/** Everything a test's failure needs to be understood. */
export async function explain(lab: Lab, machine: QemuMachine): Promise<string> {
  const log = (await lab.daemonLog()).split('\n').slice(-15).join('\n');
  return `console:\n${machine.console.lines.slice(-40).join('\n')}\ndaemon:\n${log}\n${lab.network.routerLog()}`;
}
