import type { BenchPoint, BenchTable } from './bench-table.ts';
import { comparePoint, type Spread } from './compare-samples.ts';
import { formatRatio, spreadText, valueOf } from './format-table.ts';

/** A page for the docs: a line a kind of work, beside the peer that is hardest to beat, or that the goal counts against. */
export function formatMarkdown(tables: readonly BenchTable[], host: string): string {
  const head = `# Figures of \`npm run bench\`

${host}.

Medians, and in brackets the lowest and the highest of the rounds. *Times*: how many times as good as that peer Tinderbox is, of
each round's pair; above 1 it is better, whichever way better is. All peers stand in [bench.json](bench.json).
[performance.md](performance.md) says how it is measured, and where the limits are.
`;
  return [head, ...tables.map(sectionOf)].join('\n');
}

function sectionOf(table: BenchTable): string {
  const isCompared = table.points.some(({ peers }) => Object.keys(peers).length > 0);
  const columns = isCompared ? ['', 'Tinderbox', 'the hardest peer', 'times', 'goal'] : ['', 'Tinderbox'];
  const lines = [columns, columns.map(() => '---'), ...table.points.map((point) => rowOf(point, isCompared))];
  const notes = (table.notes ?? []).map((note) => `- ${note}`);
  return [`## ${table.name}`, '', `${table.title}.`, '', ...lines.map(lineOf), '', ...notes, ''].join('\n');
}

function rowOf(point: BenchPoint, isCompared: boolean): readonly string[] {
  const { own, against, reached } = comparePoint(point);
  const cells = [point.work, withSpread(valueOf(point, own), own)];
  if (!isCompared) return cells;
  if (against === undefined) return [...cells, '', '', ''];
  const times = withSpread(formatRatio(against.ratio.median), against.ratio);
  const goal =
    point.goal === undefined ? '' : `${formatRatio(point.goal)}${reached === true ? ' reached' : ''}`;
  const theirs = withSpread(`${against.name}: ${valueOf(point, against.spread)}`, against.spread);
  return [...cells, theirs, times, goal];
}

const lineOf = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

const withSpread = (text: string, spread: Spread): string =>
  spread.low === spread.high ? text : `${text} ${spreadText(spread)}`;
