import type { ServerResponse } from 'node:http';
import type { Mac } from '../../machine/mac.ts';
import type { MachineOverview } from '../../store/port.ts';
import type { EventStreams } from '../event-stream.ts';
import type { AdminServerOptions } from '../port.ts';

/** What one open page of the fleet shows, and wants to hear of. */
export interface FleetReader {
  readonly rows: ReadonlySet<Mac>;
  /** It has room for machines that are not on it: it is told of them, and loads itself again. */
  readonly open: boolean;
  /** Milliseconds since the epoch: what changed before is in it already. Absent: it lost its stream, and missed anything. */
  readonly since?: number;
}

export interface FleetFeed {
  follow(response: ServerResponse, reader: FleetReader): void;
}

export interface FleetFeedOptions {
  readonly streams: EventStreams;
  readonly store: AdminServerOptions['store'];
  readonly journal: AdminServerOptions['journal'];
  readonly renderRows: (overviews: readonly MachineOverview[]) => Promise<readonly string[]>;
  /** Called at most once a tick, for all who follow. */
  readonly renderSummary: () => Promise<string>;
  readonly clock: () => number;
  readonly onError: (error: unknown) => void;
  /** Milliseconds; absent: a second. */
  readonly every?: number;
}

/** A hall that is switched on writes thousands of events a second; people read one line. */
const EVERY = 1_000;
/** Rows that are looked up in one tick; the rest wait for the next. */
const MOST_ROWS = 300;

const RELOAD = 'event: fleet-changed\ndata: 1\n\n';

interface Follower extends FleetReader {
  readonly send: (text: string) => void;
  /** Machines that are not on it and booted since. */
  readonly others: Set<Mac>;
  /** As it was last sent. */
  summary: string;
}

/**
 * Rows as they change, for every open page: each is looked up and rendered once, however many show it. A page is sent its
 * own rows only, and how many others there are news of.
 */
export function createFleetFeed(options: FleetFeedOptions): FleetFeed {
  const { streams, store, journal, renderRows, renderSummary, clock, onError, every = EVERY } = options;
  const followers = new Set<Follower>();
  const changed = new Set<Mac>();
  let timer: NodeJS.Timeout | undefined;
  let unsubscribe: (() => void) | undefined;
  let running = false;
  /** Something was heard while a tick ran, which may have read what was before. */
  let again = false;

  const schedule = (): void => {
    if (running) again = true;
    else if (timer === undefined && followers.size > 0) timer = setTimeout(() => void tick(), every);
  };

  function hear(mac: Mac | undefined, isNew: boolean): void {
    if (mac === undefined) return;
    let shown = false;
    for (const { rows, others } of followers) {
      if (rows.has(mac)) shown = true;
      else if (isNew && others.size < MOST_ROWS) others.add(mac);
    }
    if (shown) changed.add(mac);
    // Counts may have changed, whoever it was.
    schedule();
  }

  async function tick(): Promise<void> {
    timer = undefined;
    running = true;
    again = false;
    try {
      await journal.flush();
      const due = [...changed].slice(0, MOST_ROWS);
      for (const mac of due) changed.delete(mac);
      const rendered = await renderEach(due);
      const summary = await renderSummary();
      for (const follower of followers) {
        const own = due.filter((mac) => follower.rows.has(mac)).map((mac) => rendered.get(mac) ?? '');
        say(follower, own, summary);
      }
    } catch (error) {
      onError(error);
    } finally {
      running = false;
      if (again || changed.size > 0) schedule();
    }
  }

  async function renderEach(macs: Iterable<Mac>, since?: number): Promise<ReadonlyMap<Mac, string>> {
    const overviews: MachineOverview[] = [];
    for (const mac of macs) {
      const overview = await store.findMachine(mac);
      if (overview !== undefined && isMissed(overview, since)) overviews.push(overview);
    }
    const rows = await renderRows(overviews);
    return new Map(overviews.map(({ machine }, index) => [machine.mac, rows[index] ?? '']));
  }

  function say(follower: Follower, rows: readonly string[], summary: string): void {
    const counts = summary === follower.summary ? '' : summary;
    follower.summary = summary;
    const html = [...rows, counts, news(follower)].join('');
    if (html !== '') follower.send(message(clock(), html));
    if (!follower.open || follower.others.size === 0) return;
    follower.others.clear();
    follower.send(RELOAD);
  }

  /** What a page shows that has just come, or come back. */
  async function catchUp(follower: Follower): Promise<void> {
    try {
      await journal.flush();
      const rows = await renderEach(follower.rows, follower.since);
      say(follower, [...rows.values()], await renderSummary());
      if (follower.since === undefined && follower.open) follower.send(RELOAD);
    } catch (error) {
      onError(error);
    }
  }

  return {
    follow(response, reader) {
      streams.openWith(response, `id: ${clock()}\n: following\n\n`, (send) => {
        const follower: Follower = { ...reader, send, others: new Set(), summary: '' };
        followers.add(follower);
        unsubscribe ??= journal.subscribe(({ mac, kind }) => hear(mac, kind === 'session.opened'));
        void catchUp(follower);
        return () => {
          followers.delete(follower);
          if (followers.size > 0) return;
          unsubscribe?.();
          unsubscribe = undefined;
          clearTimeout(timer);
          timer = undefined;
          changed.clear();
        };
      });
    },
  };
}

function isMissed({ machine, session }: MachineOverview, since: number | undefined): boolean {
  return since === undefined || machine.lastSeen >= since || (session?.updatedAt ?? 0) >= since;
}

/** The number is how the page says, when it comes back, that it had a stream before. */
function message(at: number, html: string): string {
  return `id: ${at}\n${html
    .split('\n')
    .map((line) => `data: ${line}\n`)
    .join('')}\n`;
}

function news({ open, others }: Follower): string {
  if (open || others.size === 0) return '';
  const text = others.size === 1 ? '1 machine' : `${others.size} machines`;
  return `<hx-partial hx-target="#fleet-news" hx-swap="innerHTML">${text} that this page does not show booted since: load it again</hx-partial>`;
}
