import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { AdminClient } from '../admin/client.ts';
import { toTinderboxError } from '../errors.ts';
import { makeSigningRequest } from '../lab/make-signing-request.ts';
import { describeArrivals, planArrivals } from '../lab/plan-arrivals.ts';
import { type Storm, startStorm } from '../lab/run-storm.ts';
import { groupFailures, summarizeStorm } from '../lab/storm-figures.ts';
import type { Mac } from '../machine/mac.ts';
import type { BorrowedAddresses, DatagramSocket, OpenUdpSocket } from '../net/port.ts';
import type { ExitCode } from './exit.ts';
import { formatPlaces, formatStorm, type StormReport } from './format-storm.ts';
import { readServerFigures, type ServerFigures } from './read-server-figures.ts';
import { readStormArgs, type StormArgs } from './storm-args.ts';

export interface StormCommandDeps {
  readonly openSocket: OpenUdpSocket;
  readonly inBatches: (socket: DatagramSocket) => DatagramSocket;
  readonly borrowAddresses: () => BorrowedAddresses;
  /** The daemon whose figures are told; undefined: none of this host. */
  readonly daemon: Pick<AdminClient, 'metrics' | 'forget'> | undefined;
  readonly write: (text: string) => void;
  /** What is of use only while it runs. */
  readonly say: (text: string) => void;
  /** Whether a line that was said can be said anew. */
  readonly moves: boolean;
  /** Ends it early; what was measured is told (Ctrl-C). */
  readonly signal: AbortSignal;
}

const TICK = 1_000;
/** Where lines cannot be drawn over. */
const LINE_EVERY = 5;

/** 0: every machine came to its report. Throws TinderboxError `usage`, `refused`, and what opening port 68 throws. */
export async function runStormCommand(args: StormArgs, deps: StormCommandDeps): Promise<ExitCode> {
  const plan = readStormArgs(args);
  const readMetrics = async (): Promise<string | undefined> => {
    try {
      return await deps.daemon?.metrics();
    } catch (thrown) {
      deps.say(`the server's figures: ${toTinderboxError(thrown).message}\n`);
      return undefined;
    }
  };
  const before = await readMetrics();
  const addresses = deps.borrowAddresses();
  const processorBefore = process.cpuUsage();
  try {
    const storm = await startStorm(
      {
        interface: args.interface,
        machines: plan.machines,
        arrivals: planArrivals(plan.arrivals, plan.machines.length, Math.random),
        loss: plan.loss,
        attempts: plan.attempts,
        timeout: plan.timeout,
        ...(plan.arrivals.kind === 'rolling' ? { underWay: plan.arrivals.underWay } : {}),
        signal: deps.signal,
      },
      {
        openSocket: deps.openSocket,
        inBatches: deps.inBatches,
        addresses,
        signingRequest: await makeSigningRequest(),
        now: () => performance.now(),
        sleep: sleepOrStop,
        randomXid: () => randomBytes(4).readUInt32BE(),
        random: Math.random,
      },
    );
    const result = await watchStorm(storm, deps);
    const { user, system } = process.cpuUsage(processorBefore);
    const server = figuresOf(before, await readMetrics());
    const forgotten =
      args.forget === true
        ? await forgetAll(
            plan.machines.map(({ mac }) => mac),
            deps,
          )
        : undefined;
    const report: StormReport = {
      machines: plan.machines.length,
      arrival: describeArrivals(plan.arrivals),
      loss: plan.loss,
      seconds: result.ms / 1000,
      unfinished: result.unfinished,
      lostPackets: result.lostPackets,
      droppedReplies: result.droppedReplies,
      restarts: groupFailures(result.restarts),
      ...summarizeStorm(result.ends),
      ...(server === undefined ? {} : { server }),
      client: { cpuSeconds: (user + system) / 1e6, memoryBytes: process.memoryUsage().rss },
      ...(forgotten === undefined ? {} : { forgotten }),
    };
    deps.write(args.json === true ? `${JSON.stringify(report, undefined, 2)}\n` : formatStorm(report));
    return report.booted === report.machines ? 0 : 1;
  } finally {
    addresses.giveBack();
  }
}

/** A promise of timers/promises would be rejected with an error of its own for each answer that ends a wait. */
function sleepOrStop(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}

async function watchStorm(storm: Storm, { say, moves }: StormCommandDeps) {
  const started = performance.now();
  let ticks = 0;
  const timer = setInterval(() => {
    if (!moves && ++ticks % LINE_EVERY !== 0) return;
    const line = formatPlaces((performance.now() - started) / 1000, storm.places());
    say(moves ? `\r\u001b[K${line}` : `${line}\n`);
  }, TICK);
  try {
    return await storm.done;
  } finally {
    clearInterval(timer);
    if (moves) say('\r\u001b[K');
  }
}

function figuresOf(before: string | undefined, after: string | undefined): ServerFigures | undefined {
  return before === undefined || after === undefined ? undefined : readServerFigures(before, after);
}

/** One after the other: each is a commit. A machine that the daemon never knew is none. */
async function forgetAll(macs: readonly Mac[], { daemon, say }: StormCommandDeps): Promise<number> {
  let forgotten = 0;
  for (const mac of macs) {
    try {
      const { history } = (await daemon?.forget(mac)) ?? { history: 'none' };
      if (history === 'forgotten') forgotten++;
    } catch (thrown) {
      say(`${mac} is not forgotten: ${toTinderboxError(thrown).message}\n`);
      break;
    }
  }
  return forgotten;
}
