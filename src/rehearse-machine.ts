import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MachineView, SessionView } from './admin/api.ts';
import { type AdminClient, createAdminClient } from './admin/client.ts';
import { judgeRehearsal, type RehearsalVerdict } from './boot/judge-rehearsal.ts';
import { planBoot } from './boot/plan-boot.ts';
import { assignInProfiles } from './catalog/assign-in-profiles.ts';
import { brokenCatalog } from './catalog/catalog-holder.ts';
import { loadCatalog } from './catalog/load-catalog.ts';
import { loadConfig } from './config/load.ts';
import type { Config } from './config/port.ts';
import { TinderboxError, toTinderboxError } from './errors.ts';
import { LAB_PACKAGES } from './lab/debian-packages.ts';
import { type MachineKind, packagesOf, processorOf } from './lab/machine-kinds.ts';
import { type QemuMachine, startQemuMachine } from './lab/qemu-machine.ts';
import { type CopiedInterface, createRehearsalNetwork } from './lab/rehearsal-network.ts';
import { runProgram } from './lab/run-program.ts';
import { emulatorOf } from './lab/run-qemu.ts';
import type { BootEvent } from './machine/event.ts';
import type { MachineFacts } from './machine/facts.ts';
import type { Stage } from './machine/stage.ts';
import { checkRoleAssets } from './preflight-assets.ts';
import { tryRoles } from './preflight-roles.ts';
import { NO_MEMORY } from './preview.ts';
import { writeRehearsalFiles } from './rehearsal-files.ts';
import { checkRoleTemplates } from './render/check-templates.ts';

export interface RehearsalOrder {
  readonly config: Config;
  /** Who it is; `address` and `relay` are not taken into account. */
  readonly facts: MachineFacts;
  readonly kind: MachineKind;
  /** In the place of what machines.yaml says. */
  readonly role?: string;
  readonly interfaces: readonly CopiedInterface[];
  /** The interface that the machine is plugged into. */
  readonly machineOn: string;
  readonly until?: Stage;
  /** Milliseconds from power-on. */
  readonly patience: number;
  /** Mebibytes. */
  readonly memory: number;
  readonly kvm: boolean;
  /** The program that `serve` is given to. */
  readonly tinderbox: readonly string[];
  /** Leaves the folder with both logs behind. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
  /** What just happened, live. */
  readonly onEvent: (event: BootEvent) => void;
  readonly onConsole: (line: string) => void;
}

export interface Rehearsal {
  readonly verdict: Exclude<RehearsalVerdict, { kind: 'going' }>;
  /** Absent: nothing was heard of the machine. */
  readonly machine?: MachineView;
  readonly session?: SessionView;
  /** Oldest first. */
  readonly events: readonly BootEvent[];
  /** The last lines of the machine's screen. */
  readonly console: readonly string[];
  /** Milliseconds from power-on. */
  readonly took: number;
  /** With `keep`. */
  readonly folder?: string;
}

const START_PATIENCE = 60_000;
const CONSOLE_TAIL = 15;

/**
 * Boots a virtual machine in the place of a real one from a second daemon with the same configuration, in a network of
 * their own: neither the running daemon nor its database nor a real network takes part. Throws TinderboxError
 * `not-found` where QEMU, an asset or the role is missing, `refused` where no namespace can be made, `unavailable` where
 * the daemon does not start.
 */
export async function rehearseMachine(order: RehearsalOrder): Promise<Rehearsal> {
  await requireQemu(order.kind);
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-rehearsal-'));
  await using stack = new AsyncDisposableStack();
  if (!order.keep) stack.defer(() => rm(folder, { recursive: true, force: true }));
  const { onProgress, signal, facts } = order;
  const files = await writeRehearsalFiles(order.config, folder);
  for (const difference of files.differences) onProgress(difference);
  const { config } = await loadConfig(files.configFile, {});
  if (order.role !== undefined) await assign(config, facts, order.role);
  await requireAssets(config, facts, order.config.paths.profiles);

  const plainDhcp = config.dhcp.mode === 'proxy';
  const network = stack.use(await createRehearsalNetwork({ ...order, plainDhcp }));
  onProgress(`a network of its own, ${order.machineOn} with its addresses; nothing reaches the real one`);
  if (plainDhcp) onProgress('another DHCP server is there and gives addresses (dnsmasq)');
  const argv = [...order.tinderbox, 'serve', '--config', files.configFile];
  const daemon = network.namespace.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const log = createWriteStream(join(folder, 'daemon.log'));
  daemon.stdout?.pipe(log, { end: false });
  daemon.stderr?.pipe(log, { end: false });
  const client = createAdminClient(files.socket);
  try {
    await waitForDaemon(client, () => daemon.exitCode !== null, signal);
  } catch (thrown) {
    throw await withLog(thrown, join(folder, 'daemon.log'));
  }
  onProgress(`a second daemon serves (${config.dhcp.mode} mode)`);

  const stream = await client.follow({ mac: facts.mac, signal });
  const machine = stack.use(
    await startQemuMachine({
      ...smbiosOf(facts),
      kind: order.kind,
      namespace: network.namespace,
      tap: network.tap,
      mac: facts.mac,
      folder: join(folder, 'machine'),
      memory: order.memory,
      kvm: order.kvm,
    }),
  );
  const started = performance.now();
  machine.console.onLine(order.onConsole);
  onProgress(`powered on: ${order.kind}, ${facts.mac}, ${order.memory} MiB, no disk`);
  const verdict = await watchBoot(order, client, stream, machine);
  const took = performance.now() - started;
  const result = await readResult(client, facts, (text) =>
    text.replaceAll(config.paths.profiles, order.config.paths.profiles),
  );
  return {
    verdict,
    ...result,
    console: machine.console.lines.slice(-CONSOLE_TAIL),
    took,
    ...(order.keep ? { folder } : {}),
  };
}

async function requireQemu(kind: MachineKind): Promise<void> {
  const program = emulatorOf(processorOf(kind));
  await runProgram([program, '--version']).catch((cause: unknown) => {
    const names = [...LAB_PACKAGES, ...packagesOf(kind)].join(' ');
    throw new TinderboxError('not-found', `${program} is not installed`, {
      cause,
      remedy: `Install it: apt-get install --no-install-recommends ${names}`,
    });
  });
}

async function assign(config: Config, { mac }: MachineFacts, role: string): Promise<void> {
  await assignInProfiles({
    dir: config.paths.profiles,
    mac,
    role,
    // Else what its entry has it boot once would be rehearsed instead.
    once: null,
    checkRole: checkRoleTemplates,
    checkCatalog: () => [],
  });
}

/** Without them it would take a boot to find out. Problems are said of `profiles`, the operator's own folder. */
async function requireAssets(config: Config, facts: MachineFacts, profiles: string): Promise<void> {
  const dir = config.paths.profiles;
  const loaded = await loadCatalog(dir, { generation: 1, checkRole: checkRoleTemplates });
  const { catalog } = loaded;
  if (catalog === undefined) throw brokenCatalog(dir, loaded.problems);
  const plan = planBoot({
    facts,
    catalog,
    admission: config.admission,
    ...NO_MEMORY,
    holderOf: () => undefined,
  });
  if (plan.kind !== 'boot') return;
  const { rendered } = tryRoles(config, catalog);
  const own = rendered.filter(({ role }) => role.name === plan.role.name);
  const problems = await checkRoleAssets(config, own);
  const errors = problems
    .filter(({ severity }) => severity === 'error')
    .map((problem) => ({
      ...problem,
      ...(problem.file === undefined ? {} : { file: problem.file.replace(dir, profiles) }),
    }));
  if (errors.length === 0) return;
  throw new TinderboxError('not-found', `what the role ${plan.role.name} boots is not there`, {
    problems: errors,
  });
}

function smbiosOf({ uuid, serial, asset, manufacturer, product }: MachineFacts) {
  return {
    ...(uuid === undefined ? {} : { uuid }),
    ...(serial === undefined ? {} : { serial }),
    ...(asset === undefined ? {} : { asset }),
    ...(manufacturer === undefined ? {} : { manufacturer }),
    ...(product === undefined ? {} : { product }),
  };
}

async function waitForDaemon(client: AdminClient, ended: () => boolean, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + START_PATIENCE;
  while (performance.now() < deadline && !ended()) {
    signal.throwIfAborted();
    const status = await client.status().catch(() => undefined);
    if (status?.interfaces.every(({ state }) => state === 'serving') === true) return;
    await sleep(200, undefined, { signal });
  }
  throw new TinderboxError(
    'unavailable',
    ended() ? 'the second daemon ended' : 'the second daemon did not become ready',
  );
}

async function withLog(thrown: unknown, file: string): Promise<TinderboxError> {
  const error = toTinderboxError(thrown);
  const text = await readFile(file, 'utf8').catch(() => '');
  return new TinderboxError(error.code, error.message, {
    cause: thrown,
    remedy: `The end of its log:\n${text.trimEnd().split('\n').slice(-10).join('\n')}`,
  });
}

/** Until it is over: the machine came as far as it can, was told no, or its time is up. */
async function watchBoot(
  { facts, until, patience, onEvent, signal }: RehearsalOrder,
  client: AdminClient,
  stream: AsyncIterable<BootEvent>,
  machine: QemuMachine,
): Promise<Rehearsal['verdict']> {
  const timeUp = AbortSignal.timeout(patience);
  const over = Promise.race([
    aborted(timeUp).then(() =>
      stopped(
        `${patience / 1000} s passed`,
        'Give it more with --timeout, or see what it does with --screen.',
      ),
    ),
    machine.exited.then(() => stopped('the machine turned itself off', 'See why with --screen.')),
    aborted(signal).then(() => {
      throw new TinderboxError('unavailable', 'the rehearsal was stopped');
    }),
  ]);
  over.catch(() => undefined);
  const judged = (async () => {
    for await (const event of stream) {
      onEvent(event);
      const sessions = await client.machine(facts.mac).then(
        (view) => view.sessions,
        () => [],
      );
      const verdict = judgeRehearsal({ session: sessions[0], event, until });
      if (verdict.kind !== 'going') return verdict;
    }
    return stopped('the second daemon ended', 'Keep its log with --keep.');
  })();
  judged.catch(() => undefined);
  return Promise.race([judged, over]);
}

function stopped(reason: string, remedy: string): Rehearsal['verdict'] {
  return { kind: 'stopped', reason, remedy };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

async function readResult(
  client: AdminClient,
  { mac }: MachineFacts,
  /** Names the operator's own files in the place of their copies. */
  named: (text: string) => string,
): Promise<Pick<Rehearsal, 'machine' | 'session' | 'events'>> {
  try {
    const { machine, sessions } = await client.machine(mac);
    const session = sessions[0];
    const recorded = await client.events(mac, session?.id);
    const events = recorded.events.map((event) => ({ ...event, reasons: event.reasons.map(named) }));
    return { machine, events, ...(session === undefined ? {} : { session }) };
  } catch {
    return { events: [] };
  }
}
