import type { Spread } from './watch-growth.ts';

type Counts = Readonly<Record<string, number>>;

/** What a day was like. Sizes in bytes. */
export interface SoakReport {
  readonly seed: number;
  readonly seconds: number;
  readonly boots: {
    readonly started: number;
    readonly finished: number;
    /** On purpose: resets, and machines that vanished. */
    readonly cut: number;
    /** Failed while the daemon was away or its disk was full. */
    readonly excused: number;
    /** Failed although nothing disturbed them. */
    readonly failed: number;
    /** Their timeline was read and is whole. */
    readonly verified: number;
  };
  /** From power-on to report, in milliseconds. */
  readonly bootTime: Spread;
  readonly renewals: Counts;
  /** Steps that failed, and why. */
  readonly failures: Counts;
  readonly strangers: Counts;
  readonly faults: Counts;
  /** Of the daemon. */
  readonly lives: number;
  readonly secondsAway: number;
  readonly rss: Spread;
  readonly fds: Spread;
  readonly database: Spread;
  readonly wal: Spread;
  readonly log: { readonly lines: number; readonly busiestSecond: number; readonly errors: Counts };
  /** Invariants that broke, and how often; empty where all is well. */
  readonly broken: Counts;
}

const MIB = 1024 * 1024;

export function formatReport(report: SoakReport): string {
  const { boots, renewals, log } = report;
  const rows: readonly (readonly [string, string])[] = [
    ['seed', String(report.seed)],
    ['time', `${report.seconds} s, of which the daemon was away ${report.secondsAway.toFixed(1)} s`],
    [
      'boots',
      `${boots.started}: ${boots.finished} finished, ${boots.cut} cut off, ${boots.excused} excused, ${boots.failed} failed`,
    ],
    ['boot, s', `${spread(report.bootTime, 1_000)}   (least – median – most)`],
    ['timelines read', String(boots.verified)],
    [
      'renewals',
      Object.entries(renewals)
        .map(([answer, count]) => `${count} ${answer}`)
        .join(', '),
    ],
    ['strangers', list(report.strangers)],
    ['faults', list(report.faults)],
    ['lives of the daemon', String(report.lives)],
    ['rss, MiB', spread(report.rss, MIB)],
    ['handles', spread(report.fds, 1)],
    ['database, MiB', spread(report.database, MIB)],
    ['its WAL, MiB', spread(report.wal, MIB)],
    ['log', `${log.lines} lines, ${log.busiestSecond} in the busiest second`],
  ];
  const table = rows.map(([name, value]) => `  ${name.padEnd(20)} ${value}\n`).join('');
  const sections = [
    section('boots that failed, and why', report.failures),
    section('errors in the log', log.errors),
    section('BROKEN', report.broken),
  ];
  return `${table}${sections.join('')}${Object.keys(report.broken).length === 0 ? 'every invariant held\n' : ''}`;
}

function spread({ min, median, max }: Spread, unit: number): string {
  return [min, median, max]
    .map((value) => (unit === 1 ? String(value) : (value / unit).toFixed(1)))
    .join(' – ');
}

function list(counts: Counts): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} × ${name}`)
    .join(', ');
}

function section(title: string, counts: Counts): string {
  const entries = Object.entries(counts).toSorted(([, a], [, b]) => b - a);
  if (entries.length === 0) return '';
  return `  ${title}\n${entries.map(([text, count]) => `    ${String(count).padStart(4)} × ${text}\n`).join('')}`;
}
