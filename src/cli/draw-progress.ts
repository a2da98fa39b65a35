import type { PullEvent } from '../images/pull-options.ts';
import { formatBinarySize } from './format-binary-size.ts';

export interface ProgressOptions {
  /** Undefined: nothing is shown. */
  readonly write: ((text: string) => void) | undefined;
  /** Lines can be drawn over; else a line every few seconds (a pipe, the journal). */
  readonly moves: boolean;
  readonly columns: number;
  /** Milliseconds, of a clock that does not jump. */
  readonly now: () => number;
}

export interface Progress {
  readonly event: (event: PullEvent) => void;
  /** A line of its own, above the bars. */
  readonly note: (text: string) => void;
  close(): void;
}

interface Row {
  bytes: number;
  /** What was there before this run. */
  first: number;
  since: number;
  total: number | undefined;
  state: 'waits' | 'runs' | 'proving' | 'proven';
}

const REDRAW_AFTER = 100;
const LINE_AFTER = 5_000;
const BAR = 20;

/** A line a file, and one for all of them. */
export function createProgress({ write = () => undefined, moves, columns, now }: ProgressOptions): Progress {
  const rows = new Map<string, Row>();
  let [drawn, last] = [0, Number.NEGATIVE_INFINITY];
  const wipe = (): string => (drawn === 0 ? '' : `\u001b[${drawn}A\u001b[J`);
  const draw = (): void => {
    const lines = linesOf(rows, now()).map((line) => line.slice(0, Math.max(20, columns - 1)));
    write(`${wipe()}${lines.map((line) => `${line}\n`).join('')}`);
    drawn = lines.length;
  };
  const show = (isChange: boolean): void => {
    const wait = moves ? REDRAW_AFTER : LINE_AFTER;
    if (rows.size === 0 || (!isChange && now() - last < wait)) return;
    last = now();
    if (moves) draw();
    else write(`${summaryOf(rows, now())}\n`);
  };
  return {
    event(event) {
      if (event.kind === 'plan') {
        for (const { name, size } of event.files)
          rows.set(name, { bytes: 0, first: 0, since: now(), total: size, state: 'waits' });
        // Elsewhere than on a terminal nothing is told yet by a line about nothing.
        return moves ? show(false) : void (last = now());
      }
      const row = rows.get(event.name);
      if (row === undefined) return;
      if (event.kind === 'bytes') {
        // Of a file that is begun anew the rate is, too.
        if (row.state !== 'runs' || event.bytes < row.bytes) {
          row.first = event.bytes;
          row.since = now();
        }
        row.bytes = event.bytes;
        row.total = event.total ?? row.total;
        row.state = 'runs';
        return show(false);
      }
      row.state = event.kind;
      if (!moves && event.kind === 'proven') write(`${event.name}: whole and proven\n`);
      show(moves);
    },
    note(text) {
      write(`${moves ? wipe() : ''}${text}\n`);
      drawn = 0;
      if (moves && rows.size > 0) draw();
    },
    close() {
      if (moves && rows.size > 0) draw();
      rows.clear();
      drawn = 0;
    },
  };
}

function linesOf(rows: ReadonlyMap<string, Row>, now: number): readonly string[] {
  const width = Math.min(36, Math.max(...[...rows.keys()].map((name) => name.length)));
  const lines = [...rows].map(([name, row]) => {
    const short = name.length > width ? `…${name.slice(1 - width)}` : name;
    return `${short.padEnd(width)}  ${barOf(row)}  ${stateOf(row, now)}`;
  });
  return rows.size === 1 ? lines : [...lines, `${'all'.padEnd(width)}  ${summaryOf(rows, now)}`];
}

function barOf({ bytes, total, state }: Row): string {
  const part = state === 'proven' || state === 'proving' ? 1 : total ? Math.min(1, bytes / total) : 0;
  const full = Math.floor(part * BAR);
  return `[${'#'.repeat(full)}${'.'.repeat(BAR - full)}]`;
}

function stateOf(row: Row, now: number): string {
  switch (row.state) {
    case 'waits':
      return 'waits';
    case 'proving':
      return 'is being proven';
    case 'proven':
      return `${row.total === undefined && row.bytes === 0 ? '' : `${formatBinarySize(row.total ?? row.bytes)}, `}proven`;
    case 'runs': {
      const rate = rateOf([row], now);
      return `${sizeOf(row.bytes, row.total)}${timing(rate, row.total === undefined ? undefined : row.total - row.bytes)}`;
    }
  }
}

function summaryOf(rows: ReadonlyMap<string, Row>, now: number): string {
  const all = [...rows.values()];
  const bytes = all.reduce((sum, row) => sum + row.bytes, 0);
  const total = all.every((row) => row.total !== undefined)
    ? all.reduce((sum, row) => sum + (row.total ?? 0), 0)
    : undefined;
  const rate = rateOf(
    all.filter(({ state }) => state === 'runs'),
    now,
  );
  return `${sizeOf(bytes, total)}${timing(rate, total === undefined ? undefined : total - bytes)}`;
}

function sizeOf(bytes: number, total: number | undefined): string {
  if (total === undefined || total === 0) return formatBinarySize(bytes);
  return `${formatBinarySize(bytes)} of ${formatBinarySize(total)} (${Math.floor((bytes / total) * 100)} %)`;
}

function timing(rate: number, left: number | undefined): string {
  if (rate <= 0) return '';
  const eta = left === undefined || left <= 0 ? '' : `, ${formatSeconds(left / rate)} left`;
  return `, ${formatBinarySize(rate)}/s${eta}`;
}

/** Bytes a second of what runs. */
function rateOf(rows: readonly Row[], now: number): number {
  return rows.reduce((sum, { bytes, first, since }) => {
    const seconds = (now - since) / 1000;
    return seconds < 0.5 ? sum : sum + (bytes - first) / seconds;
  }, 0);
}

function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${Math.ceil(whole / 60)} min` : `${(whole / 3600).toFixed(1)} h`;
}
