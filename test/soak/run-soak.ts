import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { createAdminClient } from '../../src/admin/client.ts';
import { createLab } from '../interop/support/dhcp-lab.ts';
import { createAddressLedger } from './address-ledger.ts';
import { FAULTS, type FaultContext } from './faults.ts';
import { type HallEvent, type HallOrder, machineMac } from './hall-port.ts';
import { createLogWatch } from './log-watch.ts';
import { createRandom } from './random.ts';
import { createSoakDaemon, type Life } from './soak-daemon.ts';
import { LEASE_TIME, soakFiles } from './soak-files.ts';
import type { SoakReport } from './soak-report.ts';
import { createBootVerifier } from './verify-boots.ts';
import { findGrowth, type GrowthBounds, type Sample, spreadOf, takeSample } from './watch-growth.ts';

export interface SoakOptions {
  /** Milliseconds. */
  readonly time: number;
  readonly machines: number;
  readonly seed: number;
  /** Called every few seconds with what has been so far. */
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

const HALL = join(import.meta.dirname, 'hall.ts');
const MIB = 1024 * 1024;
const DISK_BYTES = 96 * MIB;
const SAMPLE_TIME = 1_000;
const PROGRESS_TIME = 5_000;
/** The threads for TFTP and for large files, once there are some, stay: four, with seven handles each. */
const STAYS = 32;

/** How long a boot may take that nothing disturbs. Generous: what is measured is whether it comes, not when. */
const BOOT_PATIENCE = 300_000;
const STOP_PATIENCE = 60_000;
/** After the end of what disturbs: a machine that was asking has to be heard, and a pause between two tries to pass. */
const AFTERMATH = 1_000;
/** Lines of the log in one second; a start and a reload say a dozen each. */
const LOG_RATE = 80;

const BOUNDS: GrowthBounds = {
  rss: 450 * MIB,
  rssGrowth: 64 * MIB,
  fds: 1_000,
  // Its bound, and a round of tidying, and what a batch takes.
  database: 24 * MIB,
  // It is cut back to 16 MiB after a checkpoint, and may be longer meanwhile.
  wal: 32 * MIB,
  warmUp: 45_000,
};

/** Runs the day; what broke is in the report, and throws only where the soak itself cannot go on. */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const { machines, seed, onProgress, signal } = options;
  const began = Date.now();
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await createLab({ address: '10.77.0.1/16' }));
  const hallSpace = await lab.addClient('10.77.0.3/16');
  await hallSpace.run(['ip', 'route', 'replace', 'default', 'dev', 'eth0']);
  const flooder = await lab.addClient('10.77.0.4/16');
  const random = createRandom(seed, 1_000_000);
  const listed = Math.min(100, Math.ceil(machines / 3));

  const broken = new Map<string, number>();
  const breakInvariant = (text: string): void => {
    if (!broken.has(text)) onProgress(`BROKEN: ${text}`);
    broken.set(text, (broken.get(text) ?? 0) + 1);
  };
  const disturbances: { from: number; to: number }[] = [];
  const isExcused = (from: number, to: number): boolean =>
    disturbances.some((one) => one.from <= to && one.to >= from);
  const disturb = async (work: () => Promise<void>): Promise<void> => {
    const window = { from: Date.now(), to: Number.POSITIVE_INFINITY };
    disturbances.push(window);
    await work().finally(() => (window.to = Date.now() + AFTERMATH));
  };

  const log = createLogWatch(
    ({ part, time }) => part === 'catalog' || isExcused(time - 1_000, time),
    breakInvariant,
  );
  const files = soakFiles(listed, random);
  const daemon = stack.use(
    await createSoakDaemon({
      namespace: lab.network.namespace,
      diskBytes: DISK_BYTES,
      files,
      onLine: (line) => log.notice(line),
    }),
  );
  const client = createAdminClient(daemon.socket);
  const database = join(daemon.state, 'tinderbox.db');
  const kernels = new Set<string>();
  const knowKernel = (content: Uint8Array): void =>
    void kernels.add(createHash('sha256').update(content).digest('hex'));
  knowKernel(files['assets/vmlinuz'] as Uint8Array);

  let life: Life = await daemon.start();
  let stopping = false;
  let away = 0;
  const watchEnd = async (one: Life): Promise<void> => {
    const code = await one.ended;
    if (one === life && !stopping)
      breakInvariant(`the daemon ended by itself with ${code}: ${daemon.tail().at(-1)}`);
  };
  void watchEnd(life);
  const end = async (how: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    stopping = true;
    life.signal(how);
    const code = await Promise.race([life.ended, delay(STOP_PATIENCE, 'late' as const)]);
    if (how === 'SIGTERM' && code !== 0) breakInvariant(`after SIGTERM it ended with ${code}`);
    if (code === 'late') {
      life.signal('SIGKILL');
      await life.ended;
    }
  };
  const restart: FaultContext['restart'] = (how) =>
    disturb(async () => {
      const from = Date.now();
      await end(how);
      life = await daemon.start();
      stopping = false;
      void watchEnd(life);
      away += Date.now() - from;
    });

  const restingFds = takeSample(life.pid, database, { age: 0, life: 0 })?.fds ?? 0;
  const samples: Sample[] = [];
  const sampler = setInterval(() => {
    const sample = takeSample(life.pid, database, { age: Date.now() - life.readyAt, life: life.number });
    if (sample !== undefined && !stopping) samples.push(sample);
  }, SAMPLE_TIME);
  stack.defer(() => clearInterval(sampler));

  const ledger = createAddressLedger(LEASE_TIME * 1_000);
  const verifier = createBootVerifier({ client, isExcused, broken: breakInvariant });
  const boots = { started: 0, finished: 0, cut: 0, excused: 0, failed: 0 };
  const renewals = { ack: 0, nak: 0, silence: 0 };
  const failures = new Map<string, number>();
  const strangers = new Map<string, number>();
  const bootTimes: number[] = [];
  let lastMac = machineMac(0);

  function noticeEnd(event: Extract<HallEvent, { kind: 'ended' }>): void {
    const excused = isExcused(event.startedAt, event.at);
    if (event.kernel !== '' && !kernels.has(event.kernel))
      breakInvariant(`${event.mac} got a kernel that never was: ${event.kernel}`);
    if (event.configOf !== '' && event.configOf !== event.mac)
      breakInvariant(`${event.mac} got the configuration of ${event.configOf}`);
    if (event.ok) {
      boots.finished++;
      bootTimes.push(event.at - event.startedAt);
      lastMac = event.mac;
      if (event.reported) verifier.add({ mac: event.mac, startedAt: event.startedAt, reportedAt: event.at });
    } else if (event.way === 'reset' || event.way === 'vanish') boots.cut++;
    else {
      const text = `${event.step}: ${event.why.replace(/\d{4,}|([0-9a-f]{2}:){5}[0-9a-f]{2}/g, '#').slice(0, 160)}`;
      failures.set(text, (failures.get(text) ?? 0) + 1);
      if (excused) boots.excused++;
      else {
        boots.failed++;
        breakInvariant(
          `a boot that nothing disturbed did not finish: ${event.mac} at ${event.step}: ${event.why}`,
        );
      }
    }
  }

  function notice(event: HallEvent): void {
    switch (event.kind) {
      case 'began':
        boots.started++;
        return;
      case 'address': {
        const problem = ledger.take(event.mac, event.address, event.at);
        if (problem !== undefined) breakInvariant(problem);
        return;
      }
      case 'released':
        return ledger.release(event.mac, event.address);
      case 'renewed': {
        renewals[event.answer]++;
        if (event.answer === 'ack') {
          const problem = ledger.take(event.mac, event.address, event.at);
          if (problem !== undefined) breakInvariant(problem);
        } else if (!isExcused(event.at, Date.now()))
          breakInvariant(`${event.mac} could not renew ${event.address}: ${event.answer}`);
        return;
      }
      case 'ended':
        return noticeEnd(event);
      case 'stranger':
        strangers.set(event.what, (strangers.get(event.what) ?? 0) + 1);
    }
  }

  const order: HallOrder = {
    interface: 'eth0',
    server: '10.77.0.1',
    seed,
    machines,
    listed,
    pace: 0.25,
    rest: Math.min(10_000, options.time / 5),
    patience: BOOT_PATIENCE,
  };
  const hall = hallSpace.spawn([process.execPath, HALL, JSON.stringify(order)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  createInterface({ input: hall.stdout as NodeJS.ReadableStream }).on('line', (text) =>
    notice(JSON.parse(text) as HallEvent),
  );
  const hallEnded = once(hall, 'close');
  let hallRuns = true;
  void hallEnded.then(() => (hallRuns = false));

  const progress = (): void => {
    const last = samples.at(-1);
    const seconds = Math.round((Date.now() - began) / 1_000);
    onProgress(
      `${seconds} s: ${boots.started} boots, ${boots.finished} finished, ${boots.cut} cut off, ${boots.excused} excused, ` +
        `${broken.size} broken; ${ledger.held()} addresses; rss ${Math.round((last?.rss ?? 0) / MIB)} MiB, ` +
        `${last?.fds ?? 0} fds, db ${((last?.database ?? 0) / MIB).toFixed(1)} MiB`,
    );
  };
  const progressTimer = setInterval(progress, PROGRESS_TIME);
  stack.defer(() => clearInterval(progressTimer));

  const faults = new Map<string, number>();
  const context: FaultContext = {
    daemon,
    client,
    flooder,
    random,
    listed,
    life: () => life,
    restart,
    disturb,
    knowKernel,
    machine: () => lastMac,
  };
  const deadline = Date.now() + options.time;
  const isOver = (): boolean => signal.aborted || Date.now() >= deadline || !hallRuns;
  const round = Object.entries(FAULTS).flatMap(([name, { times }]) =>
    Array.from({ length: times }, () => name),
  );
  /** So that a short run sees them all once, and a long one is not all faults. */
  const pause = Math.min(4_000, options.time / round.length / 2);
  while (!isOver()) {
    for (const name of random.shuffle(round)) {
      await delay(random.between(pause / 2, pause * 1.5), undefined, { signal }).catch(() => undefined);
      if (isOver()) break;
      faults.set(name, (faults.get(name) ?? 0) + 1);
      onProgress(`${Math.round((Date.now() - began) / 1_000)} s: ${name}`);
      try {
        await FAULTS[name]?.run(context);
      } catch (error) {
        breakInvariant(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  if (!hallRuns) breakInvariant('the hall of machines ended by itself');
  hall.stdin?.end();
  await hallEnded;
  await verifier.finish();
  progress();

  // With nobody there everything that was opened for somebody is closed again.
  for (let wait = 0; wait < 90; wait++) {
    const now = takeSample(life.pid, database, { age: 0, life: 0 });
    if (now === undefined || now.fds <= restingFds + STAYS) break;
    if (wait === 89)
      breakInvariant(`${now.fds} handles stay open with nobody there; ${restingFds} were at the start`);
    await delay(1_000);
  }
  await daemon.run('machines', lastMac).catch((error: Error) => breakInvariant(`machines: ${error.message}`));
  await end('SIGTERM');
  for (const problem of findGrowth(samples, BOUNDS)) breakInvariant(problem);
  const busiest = log.busiest();
  if (busiest.lines > LOG_RATE)
    breakInvariant(`${busiest.lines} lines of the log in one second, the last ${busiest.text}`);
  if (boots.finished === 0) breakInvariant('no boot finished');
  const problem = checkDatabase(database);
  if (problem !== 'ok') breakInvariant(`the database is damaged: ${problem}`);

  return {
    seed,
    seconds: Math.round((Date.now() - began) / 1_000),
    boots: { ...boots, verified: verifier.verified() },
    bootTime: spreadOf(bootTimes),
    renewals,
    failures: Object.fromEntries(failures),
    strangers: Object.fromEntries(strangers),
    faults: Object.fromEntries(faults),
    lives: life.number,
    secondsAway: away / 1_000,
    rss: spreadOf(samples.map(({ rss }) => rss)),
    fds: spreadOf(samples.map(({ fds }) => fds)),
    database: spreadOf(samples.map((sample) => sample.database)),
    wal: spreadOf(samples.map(({ wal }) => wal)),
    log: { lines: log.total(), busiestSecond: busiest.lines, errors: Object.fromEntries(log.errors()) },
    broken: Object.fromEntries(broken),
  };
}

function checkDatabase(file: string): string {
  const database = new Sqlite(file);
  try {
    return database.pragma('integrity_check', { simple: true }) as string;
  } finally {
    database.close();
  }
}
