import type { BenchPoint, BenchTable } from './bench-table.ts';
import { comparePoint, type PeerComparison, type PointComparison, type Spread } from './compare-samples.ts';

/** Three digits that count, no exponent. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '∞';
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  const [whole = '', rest] = value.toFixed(digits).split('.');
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, ',');
  return rest === undefined ? grouped : `${grouped}.${rest}`;
}

export const formatRatio = (ratio: number): string =>
  Number.isFinite(ratio) ? `${ratio.toFixed(2)} ×` : '∞ ×';

/**
 * A table for a terminal: a line a server, the median and in brackets the outermost samples; behind each peer how many
 * times as good Tinderbox is.
 */
export function formatTable(table: BenchTable): string {
  const rows = table.points.flatMap(rowsOf);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 2 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  return [table.title, ...lines.map((line) => `  ${line}`), ...(table.notes ?? []).map((note) => `  ${note}`)]
    .map((line) => `${line}\n`)
    .join('');
}

type Row = readonly [work: string, server: string, value: string, spread: string, ratio: string];

function rowsOf(point: BenchPoint): readonly Row[] {
  const compared = comparePoint(point);
  const own: Row = [
    point.work,
    'tinderbox',
    valueOf(point, compared.own),
    spreadText(compared.own),
    goalText(point, compared),
  ];
  return [own, ...compared.peers.map((peer) => peerRow(point, peer))];
}

const peerRow = (point: BenchPoint, { name, spread, ratio }: PeerComparison): Row => [
  '',
  name,
  valueOf(point, spread),
  spreadText(spread),
  `Tinderbox is ${formatRatio(ratio.median)} ${spreadText(ratio)}`,
];

export const valueOf = ({ unit }: BenchPoint, { median }: Spread): string =>
  `${formatNumber(median)} ${unit}`;

export const spreadText = ({ low, high }: Spread): string => `(${formatNumber(low)}–${formatNumber(high)})`;

function goalText({ goal }: BenchPoint, { against, reached }: PointComparison): string {
  if (goal === undefined || against === undefined) return '';
  return `${reached === true ? 'reached' : 'short of'} ${formatRatio(goal)} ${against.name}`;
}
