import { toTinderboxError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { BootEvent } from '../machine/event.ts';
import type { Mac } from '../machine/mac.ts';
import type { BootSession } from '../machine/session.ts';
import type { JournalLimits } from './journal-limits.ts';
import { type MachineEntry, toStored } from './machine-table.ts';
import type { Store } from './port.ts';

export interface HistoryWriter {
  event(event: BootEvent): void;
  /** What is known of it when the batch leaves is written. */
  machine(entry: MachineEntry): void;
  /** Nothing is new of it but when it was heard: written as there is room in a batch. */
  seen(entry: MachineEntry): void;
  session(session: BootSession): void;
  /** What waits of this machine is not written, also where the batch under way fails and is tried again. */
  forget(mac: Mac): void;
  /** Resolves when all of it is in the store; rejects when the store refuses. */
  flush(): Promise<void>;
  /**
   * Resolves when all that was given so far is in the store, or was refused by it. Many who wait share a batch and this
   * promise; undefined: nobody waits while the store refuses anyway.
   */
  settle(): Promise<void> | undefined;
  /** The number of the batch that what is given now leaves with. Events may leave with a later one. */
  nextBatch(): number;
  /** Whether all of that batch is in the store, by itself or, where it was refused once, by a later one. */
  isStored(batch: number): boolean;
  /** Flushes once more; what cannot be written is lost, and said. */
  close(): Promise<void>;
}

/**
 * Machines of a batch, if there are more of which nothing is new: a storm is heard of thousands of them a second, and a row
 * for each packet costs more than its answer.
 */
const SEEN_A_BATCH = 500;

/** Messages of one kind in the log: one a second. */
const SAY_AGAIN = 1_000;

/**
 * Writes behind, in batches: a batch leaves after `batchTime`, or when it is full. One is under way at a time. What
 * the store refuses is kept and tried again, up to the limits.
 */
export function createHistoryWriter(options: {
  readonly store: Pick<Store, 'appendHistory'>;
  readonly limits: JournalLimits;
  readonly clock: () => number;
  readonly logger: Logger;
  /** Called for each event that had to be thrown away. */
  readonly dropped: () => void;
}): HistoryWriter {
  const { store, limits, clock, logger, dropped } = options;
  let events: BootEvent[] = [];
  const machines = new Map<Mac, MachineEntry>();
  const seen = new Map<Mac, MachineEntry>();
  const sessions = new Map<number, BootSession>();
  /** Since the batch under way left. */
  const forgotten = new Set<Mac>();
  let timer: NodeJS.Timeout | undefined;
  let underWay: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  let closed = false;
  let failing = false;
  let leaves = 1;
  let stored = 0;
  /** Of this batch, or of one before, something was thrown away. */
  let lost = 0;
  let saidAt = Number.NEGATIVE_INFINITY;

  function schedule(delay: number): void {
    if (closed || timer !== undefined || underWay !== undefined) return;
    timer = setTimeout(() => {
      timer = undefined;
      void writeInBackground();
    }, delay);
    timer.unref();
  }

  function writeNow(): void {
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    void writeInBackground();
  }

  async function writeInBackground(): Promise<void> {
    try {
      await writeOne();
    } catch {
      schedule(limits.retryTime);
      return;
    }
    if (events.length >= limits.batchEvents) writeNow();
    else if (somethingWaits()) schedule(limits.batchTime);
  }

  function somethingWaits(): boolean {
    return events.length > 0 || machines.size > 0 || sessions.size > 0 || seen.size > 0;
  }

  /** One batch, after the one under way. Rejects with the store's error; then everything waits as before. */
  async function writeOne(): Promise<void> {
    for (let before = underWay; before !== undefined; before = underWay) await before.catch(() => undefined);
    if (!somethingWaits()) return;
    underWay = writeBatch();
    try {
      await underWay;
    } finally {
      underWay = undefined;
    }
  }

  async function writeBatch(): Promise<void> {
    const batchEvents = events.slice(0, limits.batchEvents);
    const batchMachines = new Map(machines);
    for (const [mac, entry] of seen) {
      if (batchMachines.size >= SEEN_A_BATCH) break;
      batchMachines.set(mac, entry);
      seen.delete(mac);
    }
    const batchSessions = new Map(sessions);
    events = events.slice(batchEvents.length);
    machines.clear();
    sessions.clear();
    const batch = leaves++;
    try {
      await store.appendHistory({
        machines: Array.from(batchMachines.values(), toStored),
        sessions: [...batchSessions.values()],
        events: batchEvents,
      });
      failing = false;
      stored = batch;
    } catch (error) {
      failing = true;
      // A full disk passes; a batch that the store does not understand would stand in the way for ever.
      if (toTinderboxError(error).code === 'internal') {
        for (let count = 0; count < batchEvents.length; count++) dropped();
        lost = batch;
        say(error);
        throw error;
      }
      events = [...batchEvents.filter(({ mac }) => !isForgotten(mac)), ...events];
      // What changed meanwhile is newer than what comes back.
      for (const [mac, entry] of batchMachines) {
        if (!machines.has(mac) && !isForgotten(mac)) machines.set(mac, entry);
      }
      for (const [id, session] of batchSessions) {
        if (!sessions.has(id) && !isForgotten(session.mac)) sessions.set(id, session);
      }
      keepWithinLimits();
      say(error);
      throw error;
    } finally {
      forgotten.clear();
    }
  }

  function isForgotten(mac: Mac | undefined): boolean {
    return mac !== undefined && forgotten.has(mac);
  }

  function keepWithinLimits(): void {
    const surplus = events.length - limits.waitingEvents;
    if (surplus > 0) {
      for (let count = 0; count < surplus; count++) dropped();
      events = events.slice(surplus);
    }
    for (const waiting of [machines, seen, sessions]) {
      for (const key of waiting.keys()) {
        if (waiting.size <= limits.machines) break;
        lost = leaves - 1;
        (waiting as Map<unknown, unknown>).delete(key);
      }
    }
  }

  function say(error: unknown): void {
    const now = clock();
    if (Math.abs(now - saidAt) < SAY_AGAIN) return;
    saidAt = now;
    const { message, remedy } = toTinderboxError(error);
    logger.error({ waiting: events.length, remedy }, `history cannot be written: ${message}`);
  }

  /** Everything that is given until this batch leaves goes with it. */
  async function writeNext(): Promise<void> {
    // At least once, so that those who ask in the same turn share it.
    await underWay?.catch(() => undefined);
    for (let before = underWay; before !== undefined; before = underWay) await before.catch(() => undefined);
    next = undefined;
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    await writeInBackground();
  }

  async function flush(): Promise<void> {
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    try {
      do await writeOne();
      while (somethingWaits());
    } catch (error) {
      schedule(limits.retryTime);
      throw error;
    }
  }

  return {
    event(event) {
      events.push(event);
      // Not at each one: cutting the front of a long array is not free.
      if (events.length > limits.waitingEvents * 1.1) keepWithinLimits();
      if (events.length >= limits.batchEvents && underWay === undefined && !failing) writeNow();
      else schedule(limits.batchTime);
    },
    machine(entry) {
      seen.delete(entry.mac);
      machines.set(entry.mac, entry);
      schedule(limits.batchTime);
    },
    seen(entry) {
      if (machines.has(entry.mac)) return;
      seen.set(entry.mac, entry);
      schedule(limits.batchTime);
    },
    session(session) {
      sessions.set(session.id, session);
      schedule(limits.batchTime);
    },
    forget(mac) {
      if (underWay !== undefined) forgotten.add(mac);
      events = events.filter((event) => event.mac !== mac);
      machines.delete(mac);
      seen.delete(mac);
      for (const [id, session] of sessions) if (session.mac === mac) sessions.delete(id);
    },
    flush,
    settle() {
      if (closed || failing) return undefined;
      return (next ??= writeNext());
    },
    nextBatch: () => leaves,
    isStored: (batch) => batch <= stored && (batch > lost || batch === 0),
    async close() {
      try {
        await flush();
      } catch {
        logger.error({ events: events.length }, 'the newest history could not be written and is lost');
      }
      closed = true;
      if (timer !== undefined) clearTimeout(timer);
      timer = undefined;
    },
  };
}
