/** What the journal keeps and records at most. Beyond, it counts. Times in milliseconds. */
export interface JournalLimits {
  /** Machines in memory. Strangers go first, then those without a script or not recorded, then the rest. */
  readonly machines: number;
  /** Addresses in memory whose machine is known. */
  readonly addresses: number;
  /** Superseded sessions in memory, so that a late request can be told why it is refused. */
  readonly supersededSessions: number;
  readonly counterNames: number;
  readonly eventsPerSession: number;
  /** Of a session that has not got its script yet: anybody can send DISCOVERs. */
  readonly eventsBeforeScript: number;
  /** Of a session, beyond these: of each kind of evidence. */
  readonly evidencePerSession: number;
  /**
   * Lines that a machine says of itself by syslog, of a session; a quarter of them is for warnings and worse. Bounds of
   * their own: a chatty kernel must not push out the steps of its boot.
   */
  readonly linesPerSession: number;
  /** The same of a machine without a session, an hour. */
  readonly linesPerHour: number;
  /** Lines of all machines: so many at once, and a minute when that is used up. */
  readonly linesAtOnce: number;
  readonly linesPerMinute: number;
  /** Lines of senders that nobody knows, a minute. */
  readonly strangerLinesPerMinute: number;
  /** Machines with a signing token. */
  readonly signingTokens: number;
  /** Of a machine without a session. */
  readonly eventsPerHour: number;
  /** Events a minute of all that have no session. */
  readonly strangerEventsPerMinute: number;
  /** Machines never seen before, that do not network-boot, a minute. */
  readonly strangersPerMinute: number;
  /**
   * Machines never seen before that ask for a network boot: so many at once (a hall that is powered on), and a minute
   * when that is used up; as many again of those that get as far as their script. The rest are served all the same,
   * from memory, and recorded when there is room again.
   */
  readonly newMachinesAtOnce: number;
  readonly newMachinesPerMinute: number;
  /** Characters of an event's texts. */
  readonly textLength: number;
  readonly reasons: number;
  /** Characters of what a machine says of itself (serial, product, …). */
  readonly factLength: number;
  /** After its end a session still takes events for so long. */
  readonly lateTime: number;
  /** How long what was recorded may wait to be written. */
  readonly batchTime: number;
  readonly batchEvents: number;
  /** Events that wait for a database that cannot write; then the oldest go. */
  readonly waitingEvents: number;
  /** Before a failed write is tried again. */
  readonly retryTime: number;
}

export const JOURNAL_LIMITS: JournalLimits = {
  machines: 20_000,
  addresses: 65_536,
  supersededSessions: 1_000,
  counterNames: 1_000,
  eventsPerSession: 500,
  eventsBeforeScript: 100,
  evidencePerSession: 50,
  linesPerSession: 200,
  linesPerHour: 50,
  linesAtOnce: 20_000,
  linesPerMinute: 2_000,
  strangerLinesPerMinute: 20,
  signingTokens: 5_000,
  eventsPerHour: 100,
  strangerEventsPerMinute: 600,
  strangersPerMinute: 60,
  newMachinesAtOnce: 2_000,
  newMachinesPerMinute: 60,
  textLength: 512,
  reasons: 8,
  factLength: 128,
  lateTime: 10 * 60_000,
  batchTime: 200,
  batchEvents: 500,
  waitingEvents: 20_000,
  retryTime: 1_000,
};

/** A bucket of permissions: `size` at once, `perMinute` from then on. Time is that of the events. */
export function createBucket(size: number, perMinute: number): (at: number) => boolean {
  let left = size;
  let filledAt: number | undefined;
  return (at) => {
    if (filledAt === undefined || at < filledAt) filledAt = at;
    left = Math.min(size, left + ((at - filledAt) / 60_000) * perMinute);
    filledAt = at;
    if (left < 1) return false;
    left--;
    return true;
  };
}
