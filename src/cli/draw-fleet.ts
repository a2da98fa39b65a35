import { formatAge } from '../boot/format-age.ts';
import { FLEET_STATES, type FleetState } from '../machine/fleet-state.ts';
import { STAGES, type Stage } from '../machine/stage.ts';
import type { FleetRow } from './fleet-rows.ts';
import { plain } from './format-timeline.ts';

export interface FleetPicture {
  /** In their order. */
  readonly rows: readonly FleetRow[];
  /** Of all machines, whatever is filtered. */
  readonly total: number;
  /** What is filtered, in words; empty: nothing is. */
  readonly filter: string;
  /** Why what is shown may be old; absent: it is live. */
  readonly trouble?: string;
}

export interface Canvas {
  readonly columns: number;
  readonly lines: number;
  readonly color: boolean;
  readonly unicode: boolean;
}

const RESET = '\x1b[0m';
const DIM = '\x1b[2m';
const BOLD = '\x1b[1m';
const PAINT: Readonly<Record<FleetState, string>> = {
  waiting: '\x1b[33m',
  failed: '\x1b[31m',
  stalled: '\x1b[31m',
  booting: '\x1b[36m',
  ready: '\x1b[32m',
  booted: '\x1b[32m',
  'handed-over': '\x1b[32m',
  unknown: DIM,
};
/** Summary, an empty line, headings, and the keys at the bottom. */
const FRAME = 4;
/** Narrower than this there is no room for names. */
const WIDE = 72;

/** A whole screen, at most `lines` lines of at most `columns` characters. `now` in milliseconds since the epoch. */
export function drawFleet(picture: FleetPicture, canvas: Canvas, now: number): readonly string[] {
  const { rows, trouble, filter } = picture;
  const { columns, lines } = canvas;
  const paint = (code: string, text: string): string => (canvas.color ? `${code}${text}${RESET}` : text);
  const room = Math.max(1, lines - FRAME - (trouble === undefined ? 0 : 1));
  const shown = rows.length <= room ? rows : rows.slice(0, Math.max(0, room - 1));
  const cells = shown.map((row) => cellsOf(row, canvas, now));
  const widths = columnWidths([HEADINGS, ...cells], columns);
  const print = (row: Cells, code: string | undefined): string => {
    const text = clip(joinCells(row, widths), columns);
    return code === undefined ? text : paint(code, text);
  };
  const screen = [
    paint(BOLD, clip(summarise(picture), columns)),
    ...(trouble === undefined ? [] : [paint(PAINT.waiting, clip(plain(trouble), columns))]),
    '',
    print(HEADINGS, DIM),
    ...cells.map((row, index) => print(row, PAINT[shown[index]?.state ?? 'unknown'])),
  ];
  if (shown.length < rows.length) screen.push(clip(`… and ${rows.length - shown.length} more`, columns));
  if (rows.length === 0) screen.push(clip(filter === '' ? 'no machine was seen yet' : 'none', columns));
  return [...screen.slice(0, Math.max(1, lines - 1)), paint(DIM, clip('q quits', columns))].slice(0, lines);
}

/** `12 machines: 1 stalled, 3 booting, 8 ready`. */
export function summarise({ rows, total, filter }: Omit<FleetPicture, 'trouble'>): string {
  const counts = FLEET_STATES.map(
    (state) => [state, rows.filter((row) => row.state === state).length] as const,
  );
  const said = counts.filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`);
  const whose =
    filter === '' ? countMachines(total) : `${rows.length} of ${countMachines(total)} (${plain(filter)})`;
  return said.length === 0 ? whose : `${whose}: ${said.join(', ')}`;
}

function countMachines(count: number): string {
  return `${count} machine${count === 1 ? '' : 's'}`;
}

type Cells = readonly [
  mac: string,
  name: string,
  role: string,
  state: string,
  stage: string,
  age: string,
  note: string,
];

const HEADINGS: Cells = ['MAC', 'HOSTNAME', 'ROLE', 'STATE', 'STAGE', 'AGE', ''];

function cellsOf(row: FleetRow, canvas: Canvas, now: number): Cells {
  const stage = row.stage === undefined ? '-' : `${stageBar(row.stage, canvas.unicode)} ${row.stage}`;
  return [
    row.mac,
    clip(plain(row.hostname ?? '-'), 24),
    clip(plain(row.role ?? '-'), 20),
    row.state,
    stage,
    formatAge(now - row.since),
    plain(row.note ?? ''),
  ];
}

/** A cell for each stage that a machine goes through, filled up to where it stands. */
export function stageBar(stage: Stage, unicode: boolean): string {
  const done = STAGES.indexOf(stage) + 1;
  const [full, empty] = unicode ? ['█', '░'] : ['#', '-'];
  return full.repeat(done) + empty.repeat(STAGES.length - done);
}

/** Zero for columns that are left out where the screen is narrow. The last one takes what is left. */
function columnWidths(table: readonly Cells[], columns: number): readonly number[] {
  return HEADINGS.map((_heading, index) => {
    if (columns < WIDE && (index === 1 || index === 2)) return 0;
    return Math.max(...table.map((row) => Array.from(row[index] ?? '').length));
  });
}

function joinCells(row: Cells, widths: readonly number[]): string {
  return row
    .flatMap((cell, index) => {
      const width = widths[index] ?? 0;
      return width === 0 ? [] : [cell + ' '.repeat(Math.max(0, width - Array.from(cell).length))];
    })
    .join('  ')
    .trimEnd();
}

function clip(text: string, width: number): string {
  const characters = Array.from(text);
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}
