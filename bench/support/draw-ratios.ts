import type { BenchPoint, BenchTable } from './bench-table.ts';
import { comparePoint, type PeerComparison } from './compare-samples.ts';
import { formatRatio } from './format-table.ts';

const ROW = 22;
const LABELS = 820;
const CHART = 440;
const VALUES = 110;
const WIDTH = LABELS + CHART + VALUES;
const TITLE = 54;
/** The scale's ends, in powers of two. */
const [LEAST, MOST] = [-3, 5];

/** A ratio's place, by its logarithm: as far to the left of 1 as the opposite is to the right. */
export function placeOf(ratio: number): number {
  const power = ratio > 0 ? Math.log2(ratio) : LEAST;
  return LABELS + ((Math.min(Math.max(power, LEAST), MOST) - LEAST) / (MOST - LEAST)) * CHART;
}

/** How many times as good as the best peer we are: a dot, its spread, and a mark where the goal is. For the docs. */
export function drawRatios(tables: readonly BenchTable[], caption: string): string {
  const parts: string[] = [];
  let y = 40;
  for (const table of tables) {
    const rows = table.points.flatMap((point) => {
      const { against } = comparePoint(point);
      return against === undefined ? [] : [{ point, peer: against }];
    });
    if (rows.length === 0) continue;
    y += TITLE;
    parts.push(text(0, y - 30, table.title, 'title'));
    const top = y - 6;
    const body = rows.map(({ point, peer }, index) => drawRow(point, peer, y + index * ROW + 8));
    y += rows.length * ROW;
    parts.push(...drawGrid(top, y), ...body);
  }
  const height = y + 28;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">
<style>
  text { fill: #3b4148 } .title { font-weight: 600; font-size: 14px; fill: #14181d } .scale { fill: #7a828c; font-size: 10px }
  .grid { stroke: #dfe3e8 } .even { stroke: #7a828c } .spread { stroke-width: 3; stroke-linecap: round; opacity: .45 }
  .better { stroke: #1a7f4b; fill: #1a7f4b } .worse { stroke: #b4472e; fill: #b4472e } .goal { stroke: #14181d; stroke-width: 2 }
</style>
<rect width="${WIDTH}" height="${height}" fill="#fff"/>
${text(0, 18, 'How many times as good as the best peer Tinderbox is', 'title')}
${text(0, 34, caption, 'scale')}
${parts.join('\n')}
${text(0, height - 8, 'Dot: median of the rounds, compared pair by pair; bar: outermost rounds; black mark: the goal. Right of the line: Tinderbox is better.', 'scale')}
</svg>
`;
}

function drawGrid(top: number, bottom: number): readonly string[] {
  const lines: string[] = [];
  for (let power = LEAST; power <= MOST; power++) {
    const x = placeOf(2 ** power);
    const kind = power === 0 ? 'even' : 'grid';
    lines.push(`<line class="${kind}" x1="${x}" y1="${top}" x2="${x}" y2="${bottom}"/>`);
    lines.push(text(x, top - 3, power < 0 ? `1/${2 ** -power}` : `${2 ** power}×`, 'scale', 'middle'));
  }
  return lines;
}

function drawRow(point: BenchPoint, { name, ratio }: PeerComparison, y: number): string {
  const kind = ratio.median >= 1 ? 'better' : 'worse';
  const goal = point.goal === undefined ? undefined : placeOf(point.goal);
  return [
    text(LABELS - 12, y + 4, `${point.work}, ${point.unit} — ${name}`, undefined, 'end'),
    `<line class="spread ${kind}" x1="${placeOf(ratio.low)}" y1="${y}" x2="${placeOf(ratio.high)}" y2="${y}"/>`,
    `<circle class="${kind}" cx="${placeOf(ratio.median)}" cy="${y}" r="4"/>`,
    ...(goal === undefined
      ? []
      : [`<line class="goal" x1="${goal}" y1="${y - 7}" x2="${goal}" y2="${y + 7}"/>`]),
    text(LABELS + CHART + 12, y + 4, formatRatio(ratio.median)),
  ].join('');
}

function text(x: number, y: number, words: string, kind?: string, anchor?: 'middle' | 'end'): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const attributes = [
    ...(kind === undefined ? [] : [` class="${kind}"`]),
    ...(anchor === undefined ? [] : [` text-anchor="${anchor}"`]),
  ];
  return `<text x="${x}" y="${y}"${attributes.join('')}>${escaped}</text>`;
}
