import { advanceSession, type SessionAdvance } from '../boot/boot-session.ts';
import { openTokenSession } from '../boot/open-token-session.ts';
import { isAsGood } from '../boot/session-as-good.ts';
import type { Logger } from '../logger.ts';
import type { Mac } from '../machine/mac.ts';
import type { BootSession } from '../machine/session.ts';
import { stageReached } from '../machine/stage.ts';
import { createAddressBook } from './address-book.ts';
import { followClock } from './clock-jumps.ts';
import { createEventRecorder, isOfFormer, isOfNode } from './event-recorder.ts';
import { createHistoryWriter } from './history-writer.ts';
import { createBucket, JOURNAL_LIMITS, type JournalLimits } from './journal-limits.ts';
import {
  createMachineTable,
  type MachineEntry,
  NO_EVIDENCE,
  newEntry,
  rankOf,
  type SessionSlot,
  toRecord,
  toStored,
} from './machine-table.ts';
import type { JoiningMachine, Journal, Observation, Store, StoredMachine, StoredState } from './port.ts';
import type { Rank } from './ranked-table.ts';
import { mergeFacts } from './shape-event.ts';
import { createTokenSlots } from './token-slots.ts';

export interface JournalOptions {
  readonly store: Pick<Store, 'appendHistory' | 'forgetMachine'>;
  readonly state: Omit<StoredState, 'admissions' | 'onceUses'>;
  /** Milliseconds since the epoch; observations bring their own. */
  readonly clock: () => number;
  /** Milliseconds that never jump; absent: the clock never does. */
  readonly uptime?: () => number;
  /** A boot session that was silent for longer does not go on with the next network boot. In ms. */
  readonly idleTime: number;
  /** Called with each observation, also with those that bounds forbid to record. */
  readonly observed?: (observation: Observation) => void;
  /** Called with what an observation did to a session, also to one that bounds forbid to record. */
  readonly advanced?: (turn: SessionTurn) => void;
  /** Has an entry in machines.yaml: the bounds on strangers and newcomers are not for it, and it is forgotten last. */
  readonly isListed?: (mac: Mac) => boolean;
  readonly limits?: Partial<JournalLimits>;
  readonly logger: Logger;
}

/** A session's step. `before`: the machine's session until then, of which it may be the next. */
export interface SessionTurn extends SessionAdvance {
  readonly before?: BootSession;
}

/** The journal, and its end: `close` writes what waits and stops. */
export type ClosableJournal = Journal & {
  close(): Promise<void>;
  /** The newest boot session of each machine in memory. */
  sessions(): Iterable<BootSession>;
};

/** Once its entry and its token are gone it is one of those that got their script. */
function rankAfter(
  { rank, recorded }: Pick<MachineEntry, 'rank' | 'recorded'>,
  now: { readonly named: boolean; readonly gotScript: boolean; readonly bootsFromNetwork: boolean },
): Rank {
  if (now.named) return 3;
  if (rank === 3 || (now.gotScript && recorded)) return 2;
  return rank === 0 && now.bootsFromNetwork ? 1 : rank;
}

/** Complaints about listeners in the log: one a second. */
const SAY_AGAIN = 1_000;

/** How long an answer waits for its session to be written. In ms. */
const PATIENCE = 500;
/** By so much the patience of some is shorter, so that each needs no timer of its own. In ms. */
const TOGETHER = 50;

export function createJournal(options: JournalOptions): ClosableJournal {
  const { store, state, clock, idleTime, logger, uptime = clock, isListed = () => false } = options;
  const limits: JournalLimits = { ...JOURNAL_LIMITS, ...options.limits };
  const counters = new Map<string, number>();
  const hostnames = new Map<string, Mac>();
  const sessions = new Map<number, BootSession>();
  /** Superseded, oldest first. */
  const superseded = new Set<number>();
  const machines = createMachineTable(limits.machines, (entry) => {
    if (entry.session !== undefined) sessions.delete(entry.session.id);
    tokens.remove(entry.mac);
    forgetName(entry);
    count('machines.forgotten');
  });
  const tokens = createTokenSlots(limits.signingTokens, ({ id }) => sessions.delete(id));
  const writer = createHistoryWriter({
    store,
    limits,
    clock,
    logger,
    dropped: () => count('events.dropped.store'),
  });
  const addresses = createAddressBook({
    sessionOf: (mac) => machines.get(mac)?.session,
    clock,
    idleTime,
    limit: limits.addresses,
  });
  const events = createEventRecorder({
    limits,
    write: (event) => writer.event(event),
    count,
    complain: sayOnce,
  });
  const mayAddMachine = createBucket(limits.newMachinesAtOnce, limits.newMachinesPerMinute);
  const mayAddScripted = createBucket(limits.newMachinesAtOnce, limits.newMachinesPerMinute);
  const mayAddStranger = createBucket(limits.strangersPerMinute, limits.strangersPerMinute);
  let nextId = state.nextSessionId;
  let saidAt = Number.NEGATIVE_INFINITY;
  let awaited:
    | { readonly settled: Promise<void>; readonly enough: Promise<void>; readonly since: number }
    | undefined;

  restore();
  const follow = followClock({ clock, uptime, jumped: moveSessions });

  function restore(): void {
    // Oldest first, so that the table's order is that of their last packets.
    for (const record of state.machines.toSorted((a, b) => a.lastSeen - b.lastSeen)) {
      const { firstSeen, lastSeen, via, hostname, hardware, ...facts } = record;
      const entry = newEntry(record.mac, firstSeen);
      entry.facts = facts;
      entry.lastSeen = lastSeen;
      entry.via = via;
      entry.hardware = hardware;
      nameMachine(entry, hostname);
      entry.recorded = true;
      machines.touch(entry, isListed(entry.mac) ? 3 : rankOf(record));
    }
    for (const session of state.openSessions) {
      const entry = machines.get(session.mac);
      if (entry === undefined) continue;
      if (session.signingUntil !== undefined) {
        restoreToken(entry, session, session.signingUntil);
        continue;
      }
      if (entry.session !== undefined && entry.session.id > session.id) continue;
      if (entry.session !== undefined) sessions.delete(entry.session.id);
      entry.session = session;
      entry.dueSession = session;
      sessions.set(session.id, session);
      if (session.address !== undefined) addresses.use(session.address, session.mac);
      if (stageReached(session.stage, 'script')) machines.touch(entry, isNamed(entry.mac) ? 3 : 2);
    }
    for (const lease of state.leases) if (lease.state === 'bound') addresses.learn(lease.address, lease.mac);
  }

  function restoreToken(entry: MachineEntry, session: BootSession, until: number): void {
    const now = clock();
    const slot = until <= now ? undefined : tokens.make(entry.mac, now);
    if (slot === undefined) return;
    if (slot.session !== undefined) sessions.delete(slot.session.id);
    slot.session = session;
    sessions.set(session.id, session);
    machines.touch(entry, 3);
  }

  /** A machine that boots while the clock is set is as far in its boot as it was: its URLs are no older for it. */
  function moveSessions(step: number): void {
    for (const entry of machines.entries()) {
      const { session } = entry;
      if (session === undefined || session.end !== undefined) continue;
      const { scriptAt } = session;
      entry.session = {
        ...session,
        updatedAt: session.updatedAt + step,
        ...(scriptAt === undefined ? {} : { scriptAt: scriptAt + step }),
      };
      sessions.set(session.id, entry.session);
      if (!entry.recorded) continue;
      // With the machine: by its former time it may be too old to be kept, and its session would go with it.
      entry.lastSeen += step;
      writer.machine(entry);
      writer.session(entry.session);
      due(entry, entry.session);
    }
  }

  function due(entry: MachineEntry, session: BootSession | undefined): void {
    entry.dueBatch = writer.nextBatch();
    entry.dueSession = session;
  }

  function count(name: string, times = 1): void {
    const known = counters.get(name);
    if (known !== undefined) counters.set(name, known + times);
    else if (counters.size < limits.counterNames) counters.set(name, times);
    else counters.set('other', (counters.get('other') ?? 0) + times);
  }

  function nameMachine(entry: MachineEntry, hostname: string | undefined): void {
    if (hostname === undefined) return;
    if (entry.hostname !== hostname) forgetName(entry);
    entry.hostname = hostname;
    hostnames.set(hostname, entry.mac);
  }

  function forgetName({ hostname, mac }: MachineEntry): void {
    if (hostname !== undefined && hostnames.get(hostname) === mac) hostnames.delete(hostname);
  }

  function recordObservation(observation: Observation): BootSession | undefined {
    follow();
    const mac = observation.mac ?? observation.facts?.mac;
    tellObserver(observation);
    try {
      if (mac === undefined) {
        events.recordUnknown(observation);
        return undefined;
      }
      return recordMachine(mac, observation);
    } catch (error) {
      sayOnce(error, 'an observation could not be recorded');
      return mac === undefined ? undefined : machines.get(mac)?.session;
    }
  }

  function* joiningMachines(): Iterable<JoiningMachine> {
    for (const { mac, facts, session = tokens.of(mac)?.session } of machines.entries()) {
      if (session?.lastStage !== 'ready') continue;
      if (session.end === undefined || session.end === 'ready') yield { facts, session };
    }
  }

  function* newestSessions(): Iterable<BootSession> {
    for (const { session } of machines.entries()) if (session !== undefined) yield session;
  }

  async function forget(mac: Mac): Promise<boolean> {
    const entry = machines.get(mac);
    if (entry !== undefined) {
      forgetName(entry);
      machines.remove(mac);
      if (entry.session !== undefined) sessions.delete(entry.session.id);
    }
    tokens.remove(mac);
    for (const id of superseded) {
      if (sessions.get(id)?.mac !== mac) continue;
      superseded.delete(id);
      sessions.delete(id);
    }
    addresses.forget(mac);
    writer.forget(mac);
    // One that memory had no room for may be on disk all the same.
    const stored = await store.forgetMachine(mac);
    return stored || entry !== undefined;
  }

  function tellObserver(observation: Observation): void {
    try {
      options.observed?.(observation);
    } catch (error) {
      sayOnce(error, 'the observer of the journal failed');
    }
  }

  function tellTurn(turn: SessionTurn): void {
    try {
      options.advanced?.(turn);
    } catch (error) {
      sayOnce(error, 'the observer of sessions failed');
    }
  }

  function recordMachine(mac: Mac, observation: Observation): BootSession | undefined {
    const { at } = observation;
    let entry = machines.get(mac);
    let isNew = false;
    const isToken = observation.signingUntil !== undefined;
    const bootsFromNetwork = observation.client !== undefined && !isToken;
    if (isToken && tokens.make(mac, at) === undefined) {
      events.drop('token', observation);
      return undefined;
    }
    const named = isNamed(mac);
    if (entry === undefined) {
      if (!bootsFromNetwork && !named && !mayAddStranger(at)) {
        events.drop('stranger', observation);
        return undefined;
      }
      entry = newEntry(mac, at);
      if (!bootsFromNetwork) entry.recorded = true;
      isNew = true;
    }
    const wasRecorded = entry.recorded && !isNew;

    const slot = slotFor(entry, observation);
    const before = slot.session;
    const advance = advanceSlot(mac, before, observation);
    const session = advance.session;
    if (advance.opened) {
      nextId++;
      slot.sessionEvents = 0;
      slot.sessionLines = 0;
      slot.evidence = NO_EVIDENCE;
    }
    slot.session = session;
    if (session !== before) tellTurn({ ...advance, ...(before === undefined ? {} : { before }) });
    if (session !== undefined) sessions.set(session.id, session);
    if (before !== undefined && before.id !== session?.id) {
      rememberSuperseded(advance.ended?.id === before.id ? advance.ended : before);
    }

    const gotScript = session !== undefined && session !== before && stageReached(session.stage, 'script');
    const { facts: known, via, rank } = entry;
    // What the daemon says of it is not heard of it.
    if (observation.stalled === undefined) entry.lastSeen = Math.max(entry.lastSeen, at);
    if (observation.via !== undefined) entry.via = observation.via;
    if (observation.hardware !== undefined) entry.hardware = observation.hardware;
    if (observation.facts !== undefined)
      entry.facts = mergeFacts(entry.facts, observation.facts, limits.factLength);
    if (observation.assigned !== undefined) {
      nameMachine(entry, observation.assigned.hostname);
      if (observation.assigned.address !== undefined) {
        addresses.learn(observation.assigned.address, mac);
        addresses.use(observation.assigned.address, mac);
      }
    }
    // Bounds of their own: a script takes a connection, so that a flood of DISCOVERs does not keep it from the record.
    // Who got a secret is recorded whoever else is new at the moment.
    if (observation.evidence !== undefined) entry.recorded = true;
    if (!entry.recorded)
      entry.recorded = named || (gotScript ? mayAddScripted(at) : bootsFromNetwork && mayAddMachine(at));
    machines.touch(entry, rankAfter(entry, { named, gotScript, bootsFromNetwork }));

    if (entry.recorded) {
      const isNews = known !== entry.facts || via !== entry.via || rank !== entry.rank || !wasRecorded;
      if (
        isNews ||
        session !== before ||
        observation.hardware !== undefined ||
        observation.assigned !== undefined
      )
        writer.machine(entry);
      else writer.seen(entry);
      if (session !== undefined && (session !== before || !wasRecorded)) writer.session(session);
      if (known !== entry.facts || !wasRecorded || !isAsGood(entry.dueSession, session)) due(entry, session);
      // What it superseded is in the database only if the machine was recorded then; writing it again does no harm.
      if (advance.ended !== undefined && advance.ended !== session) writer.session(advance.ended);
    }
    events.record(observation, { entry, slot, before, advance });
    return session;
  }

  /** Whose session it is about: the machine's boot session, unless it was asked at the URL of its token. */
  function slotFor(entry: MachineEntry, observation: Observation): SessionSlot {
    const token = tokens.of(entry.mac);
    if (token === undefined) return entry;
    if (observation.signingUntil !== undefined) return token;
    if (observation.sessionId !== undefined)
      return observation.sessionId === token.session?.id ? token : entry;
    // A machine that boots from its image has no other.
    return isOfNode(observation) && entry.session === undefined ? token : entry;
  }

  function advanceSlot(mac: Mac, before: BootSession | undefined, observation: Observation): SessionAdvance {
    const { signingUntil, sessionId } = observation;
    if (signingUntil !== undefined) {
      return openTokenSession(before, { ...observation, signingUntil }, { mac, nextId });
    }
    if (isOfFormer(before, sessionId)) {
      return { ...(before === undefined ? {} : { session: before }), opened: false, reasons: [] };
    }
    return advanceSession(before, observation, { mac, nextId, idleTime });
  }

  function keepRecord(mac: Mac): StoredMachine | 'full' | undefined {
    const entry = machines.get(mac);
    if (entry === undefined) return undefined;
    const named = isNamed(mac);
    if (!entry.recorded) {
      if (!named && !mayAddScripted(clock())) return 'full';
      entry.recorded = true;
      if (entry.session !== undefined) writer.session(entry.session);
      due(entry, entry.session);
    }
    machines.touch(entry, named ? 3 : 2);
    writer.machine(entry);
    return toStored(entry);
  }

  /** By the operator: what others bring about does not push it out. */
  function isNamed(mac: Mac): boolean {
    return isListed(mac) || tokens.of(mac) !== undefined;
  }

  function rememberSuperseded(session: BootSession): void {
    sessions.set(session.id, session);
    superseded.add(session.id);
    for (const oldest of superseded) {
      if (superseded.size <= limits.supersededSessions) return;
      superseded.delete(oldest);
      sessions.delete(oldest);
    }
  }

  /** Many wait for the same batch: those who come together share a timer. */
  function patiently(settled: Promise<void>): Promise<void> {
    const now = uptime();
    if (awaited?.settled === settled && now - awaited.since < TOGETHER) return awaited.enough;
    const { promise: enough, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, PATIENCE).unref();
    const over = (): void => {
      clearTimeout(timer);
      resolve();
    };
    void settled.then(over, over);
    awaited = { settled, enough, since: now };
    return enough;
  }

  function sayOnce(error: unknown, message: string): void {
    count('journal.errors');
    const now = clock();
    if (Math.abs(now - saidAt) < SAY_AGAIN) return;
    saidAt = now;
    logger.error({ err: error }, message);
  }

  return {
    record: recordObservation,
    sessionOf(mac) {
      follow();
      return machines.get(mac)?.session;
    },
    sessionById(id) {
      follow();
      return sessions.get(id);
    },
    machine(mac) {
      const entry = machines.get(mac);
      return entry === undefined ? undefined : toRecord(entry);
    },
    keepRecord,
    addressUser: (address) => addresses.userOf(address),
    hostnameHolder: (hostname) => hostnames.get(hostname),
    joiningMachines,
    forget,
    macAt: (address) => addresses.macAt(address),
    learnAddress: (address, mac) => addresses.learn(address, mac),
    count,
    counters: () => counters,
    subscribe: (listener) => events.subscribe(listener),
    flush: () => writer.flush(),
    async written(mac) {
      if (mac !== undefined && writer.isStored(machines.get(mac)?.dueBatch ?? 0)) return;
      const settled = writer.settle();
      if (settled !== undefined) await patiently(settled);
    },
    close: () => writer.close(),
    sessions: newestSessions,
  };
}
