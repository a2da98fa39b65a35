import type { BootEvent, Outcome } from '../../machine/event.ts';
import type { Stage } from '../../machine/stage.ts';
import type { Tone } from './fleet-row.ts';

/** One row of a boot's timeline: an event, or several in a row that say the same. */
export interface TimelineRow {
  readonly at: number;
  /** Since the session began, in ms. */
  readonly offset: number;
  /** Since the row before, in ms; absent on the first of all. */
  readonly gap: number | undefined;
  /** That as a bar: 0 to 100. */
  readonly bar: number;
  /** Noticeably longer than its neighbours: where the time went. */
  readonly long: boolean;
  readonly stage: Stage | undefined;
  /** `DHCP`, `TFTP`, … */
  readonly plane: string;
  readonly asked: string;
  readonly answered: string;
  /** What became of it where that is not `answered`: `refused`, `no answer`, `failed`, `ALARM`. */
  readonly mark: string | undefined;
  readonly tone: Tone;
  readonly reasons: readonly string[];
  readonly via: string | undefined;
  /** How many events it stands for, and until when. */
  readonly times: number;
  readonly until: number;
}

export interface TimelineModel {
  /** Oldest first. */
  readonly rows: readonly TimelineRow[];
  /** Events of the session, and how many of them are before and after these rows. */
  readonly total: number;
  readonly earlier: number;
  readonly later: number;
  /** Which window this is, counted from the newest: the number for `?older=`. */
  readonly window: number;
}

/** Events in one page of the timeline. */
export const TIMELINE_WINDOW = 500;

/** Texts that are shown; what is longer is cut by the view. */
const MOST_REASONS = 12;
/**
 * Characters of all rows; a boot has a quarter of them. A machine that sends nothing but long texts would have a page of
 * five megabytes, drawn anew at each packet. Older rows are shortened then.
 */
const MOST_TEXT = 200_000;
const SHORT_TEXT = 80;

/**
 * The rows of a window of a session's events. `window` 0 holds the newest, 1 those before them, …; one that is beyond
 * the oldest is the oldest. `start`: when the session began.
 */
export function timelineOf(events: readonly BootEvent[], start: number, window = 0): TimelineModel {
  const total = events.length;
  const last = Math.max(0, Math.ceil(total / TIMELINE_WINDOW) - 1);
  const chosen = Math.min(window, last);
  const to = total - chosen * TIMELINE_WINDOW;
  const from = Math.max(0, to - TIMELINE_WINDOW);
  const rows = lighten(rowsOf(events.slice(from, to), start, events[from - 1]?.at));
  return { rows, total, earlier: from, later: total - to, window: chosen };
}

function rowsOf(events: readonly BootEvent[], start: number, before: number | undefined): TimelineRow[] {
  const groups = groupAlike(events);
  let previous = before;
  const gaps = groups.map((group) => {
    const gap = previous === undefined ? undefined : Math.max(0, group.first.at - previous);
    previous = group.last.at;
    return gap;
  });
  const longest = Math.max(1, ...gaps.map((gap) => gap ?? 0));
  const whole = Math.max(1, (events.at(-1)?.at ?? start) - (before ?? start));
  return groups.map(({ first, last, times }, index): TimelineRow => {
    const gap = gaps[index];
    return {
      at: first.at,
      offset: first.at - start,
      gap,
      bar: gap === undefined ? 0 : Math.round((gap / longest) * 100),
      long: gap !== undefined && gap >= 1_000 && gap > whole / 8,
      stage: first.stage,
      plane: planeOf(first),
      asked: first.asked === '' ? first.kind : first.asked,
      answered: first.answered,
      mark: markOf(first),
      tone: toneOf(first),
      reasons: first.reasons.slice(0, MOST_REASONS),
      via: first.via,
      times,
      until: last.at,
    };
  });
}

function lighten(rows: readonly TimelineRow[]): readonly TimelineRow[] {
  let left = MOST_TEXT;
  return rows
    .toReversed()
    .map((row): TimelineRow => {
      left -= [row.asked, row.answered, ...row.reasons].reduce((sum, text) => sum + text.length, 0);
      if (left >= 0) return row;
      return { ...row, asked: shorten(row.asked), answered: shorten(row.answered), reasons: [] };
    })
    .toReversed();
}

function shorten(text: string): string {
  return text.length <= SHORT_TEXT ? text : `${text.slice(0, SHORT_TEXT).toWellFormed()}…`;
}

interface Group {
  readonly first: BootEvent;
  readonly last: BootEvent;
  readonly times: number;
}

/** A machine that asks again every minute for a day is one row. */
function groupAlike(events: readonly BootEvent[]): readonly Group[] {
  const groups: Group[] = [];
  for (const event of events) {
    const current = groups.at(-1);
    if (current !== undefined && event.stage === undefined && isAlike(current.first, event)) {
      groups[groups.length - 1] = { ...current, last: event, times: current.times + 1 };
    } else {
      groups.push({ first: event, last: event, times: 1 });
    }
  }
  return groups;
}

function isAlike(a: BootEvent, b: BootEvent): boolean {
  return (
    a.kind === b.kind &&
    a.outcome === b.outcome &&
    a.via === b.via &&
    withoutNumber(a.asked) === withoutNumber(b.asked) &&
    withoutNumber(a.answered) === withoutNumber(b.answered) &&
    a.reasons.join('\n') === b.reasons.join('\n')
  );
}

/** Each packet has a transaction number of its own. */
function withoutNumber(text: string): string {
  return text.replace(/\bxid 0x[0-9a-f]+/, '');
}

const PLANES: Readonly<Record<string, string>> = {
  dhcp: 'DHCP',
  pxe: 'PXE',
  tftp: 'TFTP',
  http: 'HTTP',
  node: 'Node',
  session: 'session',
  syslog: 'console',
  power: 'power',
  catalog: 'catalog',
  security: 'security',
};

function planeOf({ kind }: BootEvent): string {
  const [plane = ''] = kind.split('.');
  return PLANES[plane] ?? plane;
}

function markOf({ kind, outcome }: BootEvent): string | undefined {
  if (kind === 'security.alarm') return 'ALARM';
  if (kind === 'session.stalled') return 'stalled';
  const marks: Readonly<Record<Outcome, string | undefined>> = {
    answered: undefined,
    noted: undefined,
    ignored: 'no answer',
    refused: 'refused',
    failed: 'failed',
  };
  return marks[outcome];
}

function toneOf({ kind, outcome, stage }: BootEvent): Tone {
  if (kind === 'security.alarm' || outcome === 'failed') return 'bad';
  if (kind === 'session.stalled' || outcome === 'refused') return 'warn';
  if (stage === 'ready' || stage === 'booted') return 'good';
  return outcome === 'answered' ? 'busy' : 'idle';
}
