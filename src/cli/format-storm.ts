import { maskSessionTokens } from '../boot/session-token.ts';
import type { FailureGroup, Spread, StormFigures } from '../lab/storm-figures.ts';
import type { StormPlace, StormStage } from '../lab/storm-stages.ts';
import { formatBinarySize } from './format-binary-size.ts';
import { plain } from './format-timeline.ts';
import type { ServerFigures } from './read-server-figures.ts';

/** What `--json` prints. Times are in milliseconds unless their name says otherwise. */
export interface StormReport extends StormFigures {
  readonly machines: number;
  readonly arrival: string;
  readonly loss: number;
  readonly seconds: number;
  /** Still under way, or not switched on, when it was stopped. */
  readonly unfinished: number;
  readonly lostPackets: number;
  /** Replies for which this host had no room. */
  readonly droppedReplies: number;
  /** Attempts that failed, where the machine began anew. */
  readonly restarts: readonly FailureGroup[];
  /** Absent where no daemon of this host answered. */
  readonly server?: ServerFigures;
  /** Of this program. */
  readonly client: { readonly cpuSeconds: number; readonly memoryBytes: number };
  /** How many machines the daemon was made to forget. */
  readonly forgotten?: number;
}

const STAGE_NAMES: Readonly<Record<StormStage, string>> = {
  'rom-dhcp': 'DHCP, its ROM',
  loader: 'loader',
  'ipxe-dhcp': 'DHCP, iPXE',
  script: 'scripts',
  kernel: 'kernel',
  initrd: 'initrd',
  'os-dhcp': 'DHCP, its system',
  config: 'configuration',
  certificate: 'certificate',
  report: 'report',
};
const NAME_WIDTH = 18;
const COLUMN = 10;

export function formatStorm(report: StormReport): string {
  const { machines, booted, failed, unfinished, seconds } = report;
  const rate = seconds > 0 ? `, ${(booted / seconds).toFixed(1)} a second` : '';
  const open = unfinished === 0 ? '' : `, ${unfinished} not at their end`;
  const lost = report.loss === 0 ? '' : `, ${report.lostPackets} packets lost on purpose`;
  return [
    `${machines} machines, ${report.arrival}: ${booted} booted, ${failed} failed${open}, in ${seconds.toFixed(1)} s${rate}`,
    `${formatBinarySize(report.bytes)} fetched${lost}`,
    '',
    row('', ['machines', 'p50', 'p90', 'p99', 'longest']),
    ...report.stages
      .filter((stage) => stage.machines > 0)
      .map((stage) => spreadRow(STAGE_NAMES[stage.stage], stage)),
    ...(report.waited.machines > 0 ? [spreadRow('told to wait', report.waited)] : []),
    ...(booted > 0 ? [spreadRow('whole boot', report.whole)] : []),
    ...report.restarts.map((group) =>
      maskSessionTokens(`began anew at ${group.step}: ${group.machines} (${plain(group.reason)})`),
    ),
    ...report.failures.flatMap((group) => [
      '',
      maskSessionTokens(`✗ ${group.machines} at ${group.step}: ${plain(group.reason)}`),
      `    ${group.examples.join(', ')}${group.machines > group.examples.length ? ', …' : ''}`,
      ...(group.remedy === undefined ? [] : [maskSessionTokens(`    ${plain(group.remedy)}`)]),
    ]),
    '',
    ...serverLines(report),
    ...(report.droppedReplies === 0
      ? []
      : [
          `client    had no room for ${report.droppedReplies} replies: simulate fewer at a time (--arrival rolling:500), or from more hosts`,
        ]),
    `client    ${report.client.cpuSeconds.toFixed(1)} s of processor, ${formatBinarySize(report.client.memoryBytes)}`,
    ...(report.forgotten === undefined ? [] : [`forgotten ${report.forgotten} machines`]),
    '',
  ].join('\n');
}

function serverLines({ server, seconds }: StormReport): readonly string[] {
  if (server === undefined)
    return ['server    no daemon of this host answered: --config names its configuration'];
  const { cpuSeconds, memoryBytes, blocked, commits, incidents } = server;
  const commit = ({ count, seconds: sum, p99 }: typeof commits.leases): string =>
    `${count} in ${sum.toFixed(2)} s, p99 within ${formatMs(p99)}`;
  return [
    `server    ${cpuSeconds.toFixed(1)} s of processor (${Math.round((cpuSeconds / Math.max(seconds, 0.001)) * 100)} % of one), ` +
      `${formatBinarySize(memoryBytes.before)} before, ${formatBinarySize(memoryBytes.after)} after`,
    `          its event loop was blocked for ${formatMs(blocked.p50)} (p50), ${formatMs(blocked.p99)} (p99), ${formatMs(blocked.max)} (longest)`,
    `          commits of leases: ${commit(commits.leases)}`,
    `          commits of history: ${commit(commits.history)}`,
    ...Object.entries(incidents).map(([name, count]) => `          ${plain(name)}: ${count}`),
  ];
}

function spreadRow(name: string, { machines, p50, p90, p99, max }: Spread): string {
  return row(name, [String(machines), ...[p50, p90, p99, max].map(formatMs)]);
}

function row(name: string, cells: readonly string[]): string {
  return name.padEnd(NAME_WIDTH) + cells.map((cell) => cell.padStart(COLUMN)).join('');
}

export function formatMs(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}

const PLACE_NAMES: Readonly<Record<StormPlace, string>> = {
  ...STAGE_NAMES,
  off: 'off',
  waiting: 'told to wait',
  booted: 'booted',
  failed: 'failed',
};
const ORDER = Object.keys({
  booted: 0,
  failed: 0,
  waiting: 0,
  'rom-dhcp': 0,
  loader: 0,
  'ipxe-dhcp': 0,
  script: 0,
  kernel: 0,
  initrd: 0,
  'os-dhcp': 0,
  config: 0,
  certificate: 0,
  report: 0,
  off: 0,
} satisfies Record<StormPlace, 0>) as StormPlace[];

/** `12 s: 312 booted, 3 initrd, 40 told to wait, 645 off`. */
export function formatPlaces(seconds: number, places: ReadonlyMap<StormPlace, number>): string {
  const parts = ORDER.flatMap((place) => {
    const count = places.get(place) ?? 0;
    return count === 0 ? [] : [`${count} ${PLACE_NAMES[place]}`];
  });
  return `${seconds.toFixed(0)} s: ${parts.join(', ')}`;
}
