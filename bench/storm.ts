/*
 * A rack that powers on: whole boots of 100 and 1,000 machines at once, and of 10,000 that are 500 under way at a time; clients
 * and daemon on the same host. Nobody else does all of it, so there is no peer.
 * `node bin/bootstrap.mjs bench/storm.ts --table` prints the table of docs/scaling.md.
 */
import { availableParallelism } from 'node:os';
import type { StormReport } from '../src/cli/format-storm.ts';
import { formatMs } from '../src/cli/format-storm.ts';
import { describeArrivals, parseArrivals } from '../src/lab/plan-arrivals.ts';
import type { BenchPoint, BenchTable } from './support/bench-table.ts';
import { runStorm, type StormLoad } from './support/storm-lab.ts';

export interface StormBenchOptions {
  readonly rounds?: number;
  /** Twenty machines, once. */
  readonly quick?: boolean;
  /** Also 10,000 machines: two to three minutes each round. */
  readonly large?: boolean;
}

const LOADS: readonly StormLoad[] = [{ machines: 100 }, { machines: 1_000 }, { machines: 1_000, loss: '1%' }];
/** At once they were more than two processors can act for: as their clients get slow, what is measured is them. */
const LARGE: readonly StormLoad[] = [{ machines: 10_000, arrival: 'rolling:500' }];
const NEVER = Number.POSITIVE_INFINITY;
const NOTES = [
  'A boot here is DHCP three times, an iPXE of Debian by TFTP, two scripts, 64 KiB of kernel, 1 MiB of initrd, a configuration, a signed certificate and a report.',
  '0.3 s of each boot is the rhythm of firmware, which waits for more offers, not work.',
  `Machines and daemon share the ${availableParallelism()} processors of one host.`,
];

/** In rounds; each storm has a daemon of its own. */
export async function measureStorms(
  loads: readonly StormLoad[],
  rounds: number,
): Promise<ReadonlyMap<StormLoad, readonly StormReport[]>> {
  const reports = new Map<StormLoad, StormReport[]>(loads.map((load) => [load, []]));
  for (let round = 0; round < rounds; round++) {
    for (const load of loads) {
      const report = await runStorm(load);
      const failed = describeFailures(report);
      process.stderr.write(`storm: ${nameOf(load)}: ${report.seconds.toFixed(1)} s${failed}\n`);
      reports.get(load)?.push(report);
    }
  }
  return reports;
}

export async function run(options: StormBenchOptions = {}): Promise<BenchTable> {
  const { quick = false, large = false, rounds = quick ? 1 : 3 } = options;
  const loads = quick ? [{ machines: 20 }] : [...LOADS, ...(large ? LARGE : [])];
  const reports = await measureStorms(loads, rounds);
  const failures = [...reports].flatMap(([load, all]) =>
    all.flatMap((report, round) => {
      const failed = describeFailures(report);
      return failed === '' ? [] : [`${nameOf(load)}, round ${round + 1}${failed}.`];
    }),
  );
  return {
    name: 'storm',
    title: `Machines that are switched on, to the report of the last; ${rounds} round(s)`,
    points: [...reports].flatMap(([load, all]) => pointsOf(load, all)),
    notes: [...NOTES, ...failures],
  };
}

function pointsOf(load: StormLoad, reports: readonly StormReport[]): readonly BenchPoint[] {
  const point = (
    what: string,
    unit: BenchPoint['unit'],
    read: (report: StormReport) => number,
  ): BenchPoint => ({
    work: `${nameOf(load)}: ${what}`,
    unit,
    better: 'lower',
    own: reports.map(read),
    peers: {},
  });
  return [
    point('all are up', 's', (report) => (areAllUp(report) ? report.seconds : NEVER)),
    point('a whole boot, p99', 's', (report) => (areAllUp(report) ? report.whole.p99 / 1000 : NEVER)),
    point('DHCP of the ROM, p99', 'ms', (report) => stageOf(report, 'rom-dhcp')),
    point('loader by TFTP, p99', 'ms', (report) => stageOf(report, 'loader')),
    point('configuration, p99', 'ms', (report) => stageOf(report, 'config')),
    point('processor of the daemon', 's', ({ server }) => server?.cpuSeconds ?? Number.NaN),
    point('event loop blocked, longest', 'ms', ({ server }) => server?.blocked.max ?? Number.NaN),
    point(
      'memory of the daemon afterwards',
      'MiB',
      ({ server }) => (server?.memoryBytes.after ?? Number.NaN) / 1024 ** 2,
    ),
  ];
}

function stageOf({ stages }: StormReport, name: string): number {
  return stages.find(({ stage }) => stage === name)?.p99 ?? Number.NaN;
}

function areAllUp({ booted, machines }: StormReport): boolean {
  return booted === machines;
}

/** Empty where all are up. */
function describeFailures(report: StormReport): string {
  const { unfinished, failures } = report;
  if (areAllUp(report)) return '';
  const groups = failures.map(
    ({ machines, step, reason, examples }) => `${machines} at ${step} (${reason}; ${examples.join(', ')})`,
  );
  if (unfinished > 0) groups.push(`${unfinished} not at their end`);
  return `: not up: ${groups.join(', ')}`;
}

function nameOf({ machines, arrival, loss = '0' }: StormLoad): string {
  const pattern = parseArrivals(arrival ?? 'all-at-once');
  const how = pattern?.kind === 'rolling' ? `, ${describeArrivals(pattern)}` : '';
  return `${machines.toLocaleString('en')} machines${how}${loss === '0' ? '' : `, loss ${loss}`}`;
}

/** Markdown, of the median round each; what failed is of all. */
export function formatScalingTable(reports: ReadonlyMap<StormLoad, readonly StormReport[]>): string {
  const rows = [...reports].map(([load, all]) => {
    const sorted = all.toSorted((left, right) => left.seconds - right.seconds);
    const report = sorted[Math.floor((sorted.length - 1) / 2)];
    if (report === undefined) return '';
    const { server, client } = report;
    const cells = [
      nameOf(load),
      `${report.seconds.toFixed(1)} s`,
      formatMs(report.whole.p50),
      formatMs(report.whole.p99),
      ...['rom-dhcp', 'loader', 'initrd', 'config'].map((stage) => formatMs(stageOf(report, stage))),
      `${(((server?.cpuSeconds ?? 0) / load.machines) * 1000).toFixed(1)} ms`,
      `${((client.cpuSeconds / load.machines) * 1000).toFixed(1)} ms`,
      `${formatMs(server?.blocked.p99 ?? 0)} / ${formatMs(server?.blocked.max ?? 0)}`,
      `${Math.round((server?.memoryBytes.after ?? 0) / 1024 ** 2)} MiB`,
      String(report.restarts.reduce((sum, { machines }) => sum + machines, 0)),
      String(all.reduce((sum, { machines, booted }) => sum + machines - booted, 0)),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| machines | all up | boot p50 | boot p99 | DHCP p99 | loader p99 | initrd p99 | config p99 | daemon CPU a machine | client CPU a machine | event loop blocked p99 / longest | daemon memory | began anew | not up, all rounds |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

if (import.meta.main) {
  const args = new Set(process.argv.slice(2));
  if (args.has('--table')) {
    const reports = await measureStorms([...LOADS, ...LARGE], args.has('--once') ? 1 : 3);
    process.stdout.write(formatScalingTable(reports));
  } else {
    const table = await run({ quick: args.has('--quick'), large: args.has('--large') });
    process.stdout.write(`${JSON.stringify(table, undefined, 2)}\n`);
  }
}
