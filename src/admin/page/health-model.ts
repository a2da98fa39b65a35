/** A counter in words. */
export interface CounterRow {
  readonly name: string;
  readonly words: string;
  readonly count: number;
}

export interface CounterGroup {
  readonly title: string;
  readonly rows: readonly CounterRow[];
}

const GROUPS: Readonly<Record<string, string>> = {
  dhcp: 'DHCP',
  pxe: 'PXE boot server (4011)',
  tftp: 'TFTP',
  http: 'HTTP',
  events: 'Recording',
  machines: 'Machines',
  syslog: 'Console messages',
  security: 'Alarms',
  journal: 'Recording',
  cluster: 'Cluster',
};

/** What a counter counts, in a sentence, where its name alone does not say it. */
const WORDS: Readonly<Record<string, string>> = {
  'dhcp.dropped.no-room': 'packets lost, as they came faster than they were read',
  'pxe.dropped.no-room': 'packets lost, as they came faster than they were read',
  'events.dropped.store': 'events lost, as the database could not write them',
  'machines.forgotten': 'machines forgotten, since memory holds a bounded number',
  'tftp.read.answered': 'files asked for and sent',
  'tftp.read.refused': 'files asked for and refused',
  'tftp.read.noted': 'files asked for that nobody needs',
  'tftp.read.ignored': 'requests not answered',
  'tftp.read.failed': 'requests that failed here',
  'tftp.done.finished': 'transfers that came to their end',
  'tftp.duplicate-request': 'requests sent again by impatient clients',
  'tftp.send-failed': 'packets that could not be sent',
  'tftp.stranger': 'packets from a port that has no transfer',
  'http.aborted-asset': 'files that a client stopped taking half-way',
  'http.bad-asset-path': 'paths that lead out of the assets',
  'http.bad-boot-query': 'requests for a script that name no machine',
  'http.dropped-connection': 'connections closed to make room',
  'http.dropped-silent-connection': 'connections closed on which nothing was asked',
  'http.expired-session': 'requests at the URL of a session that is over',
  'http.no-session': 'requests at the URL of a session that there is not',
  'http.other-address': 'requests from another address than the one that got the script',
  'http.sender-crashed': 'threads that sent files and ended with an error',
  'http.stalled': 'answers that nobody took',
  'http.too-many-connections': 'connections refused: there were too many',
  'http.too-many-new-machines': 'new machines served, but not recorded: there were too many at once',
  'http.unknown-route': 'requests for what there is not',
  'journal.errors': 'faults while recording',
};

const MOST_ROWS = 40;

/**
 * Counters by what they are of. A name that has no words of its own is read out: `dhcp.discover.answered` is
 * `discover answered`.
 */
export function counterGroups(counters: Readonly<Record<string, number>>): readonly CounterGroup[] {
  const groups = new Map<string, CounterRow[]>();
  for (const [name, count] of Object.entries(counters).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const [first = '', ...rest] = name.split('.');
    const title = GROUPS[first] ?? 'Other';
    const words =
      WORDS[name] ??
      (rest.length === 0 || GROUPS[first] === undefined ? name : rest.join(' ')).replaceAll(/[-.]/g, ' ');
    const rows = groups.get(title) ?? [];
    rows.push({ name, words, count });
    groups.set(title, rows);
  }
  return [...groups].map(([title, rows]) => ({
    title,
    rows: rows.toSorted((a, b) => b.count - a.count).slice(0, MOST_ROWS),
  }));
}

/** How full something is: 0 to 100, and whether that is a reason to look. */
export function fillOf(
  used: number,
  most: number,
): { readonly percent: number; readonly tone: 'good' | 'warn' | 'bad' } {
  const percent = most <= 0 ? 0 : Math.min(100, Math.round((used / most) * 100));
  return { percent, tone: percent >= 95 ? 'bad' : percent >= 80 ? 'warn' : 'good' };
}
