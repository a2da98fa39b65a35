import { advanceSession, type SessionAdvance } from '../boot/boot-session.ts';
import { openTokenSession } from '../boot/open-token-session.ts';
import type { Logger } from '../logger.ts';
import type { BootEvent } from '../machine/event.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type { BootSession } from '../machine/session.ts';
import { stageReached } from '../machine/stage.ts';
import { createHistoryWriter } from './history-writer.ts';
import { createBucket, JOURNAL_LIMITS, type JournalLimits } from './journal-limits.ts';
import {
  createMachineTable,
  type MachineEntry,
  NO_EVIDENCE,
  newEntry,
  type Rank,
  rankOf,
  type SessionSlot,
  toRecord,
  toStored,
} from './machine-table.ts';
import { createOldestFirst } from './oldest-first.ts';
import type { JoiningMachine, Journal, Observation, Store, StoredMachine, StoredState } from './port.ts';
import { mergeFacts, toEvent } from './shape-event.ts';
import { createTokenSlots } from './token-slots.ts';

export interface JournalOptions {
  readonly store: Pick<Store, 'appendHistory' | 'forgetMachine'>;
  readonly state: Omit<StoredState, 'admissions'>;
  /** Milliseconds since the epoch; observations bring their own. */
  readonly clock: () => number;
  /** A boot session that was silent for longer does not go on with the next network boot. In ms. */
  readonly idleTime: number;
  /** Called with each observation, also with those that bounds forbid to record. */
  readonly observed?: (observation: Observation) => void;
  /** Has an entry in machines.yaml: the bounds on strangers and newcomers are not for it, and it is forgotten last. */
  readonly isListed?: (mac: Mac) => boolean;
  readonly limits?: Partial<JournalLimits>;
  readonly logger: Logger;
}

/** The journal, and its end: `close` writes what waits and stops. */
export type ClosableJournal = Journal & { close(): Promise<void> };

const HOUR = 3_600_000;

/** Once its entry and its token are gone it is one of those that got their script. */
function rankAfter(
  { rank, recorded }: Pick<MachineEntry, 'rank' | 'recorded'>,
  now: { readonly named: boolean; readonly gotScript: boolean; readonly bootsFromNetwork: boolean },
): Rank {
  if (now.named) return 3;
  if (rank === 3 || (now.gotScript && recorded)) return 2;
  return rank === 0 && now.bootsFromNetwork ? 1 : rank;
}

function isOfNode({ kind }: Observation): boolean {
  return kind.startsWith('node.');
}

/** Asked at the URL of a session that is not the machine's newest any more. */
function isOfFormer(current: BootSession | undefined, sessionId: number | undefined): boolean {
  return sessionId !== undefined && sessionId !== current?.id;
}

/** Complaints about listeners in the log: one a second. */
const SAY_AGAIN = 1_000;

export function createJournal(options: JournalOptions): ClosableJournal {
  const { store, state, clock, idleTime, logger, isListed = () => false } = options;
  const limits: JournalLimits = { ...JOURNAL_LIMITS, ...options.limits };
  const counters = new Map<string, number>();
  const addresses = new Map<Ipv4, Mac>();
  const oldestAddress = createOldestFirst(addresses);
  /** By the address that a newest session has: the first that asked from it and is not over. */
  const users = new Map<Ipv4, Mac>();
  const oldestUser = createOldestFirst(users);
  const hostnames = new Map<string, Mac>();
  const sessions = new Map<number, BootSession>();
  /** Superseded, oldest first. */
  const superseded = new Set<number>();
  const listeners = new Set<(event: BootEvent) => void>();
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
  const mayAddMachine = createBucket(limits.newMachinesAtOnce, limits.newMachinesPerMinute);
  const mayAddScripted = createBucket(limits.newMachinesAtOnce, limits.newMachinesPerMinute);
  const mayAddStranger = createBucket(limits.strangersPerMinute, limits.strangersPerMinute);
  const mayAddStrangerEvent = createBucket(limits.strangerEventsPerMinute, limits.strangerEventsPerMinute);
  let nextId = state.nextSessionId;
  let saidAt = Number.NEGATIVE_INFINITY;

  restore();

  function restore(): void {
    // Oldest first, so that the table's order is that of their last packets.
    for (const record of state.machines.toSorted((a, b) => a.lastSeen - b.lastSeen)) {
      const { firstSeen, lastSeen, via, hostname, ...facts } = record;
      const entry = newEntry(record.mac, firstSeen);
      entry.facts = facts;
      entry.lastSeen = lastSeen;
      entry.via = via;
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
      sessions.set(session.id, session);
      if (session.address !== undefined) useAddress(session.address, session.mac);
      if (stageReached(session.stage, 'script')) machines.touch(entry, isNamed(entry.mac) ? 3 : 2);
    }
    for (const lease of state.leases) if (lease.state === 'bound') learnAddress(lease.address, lease.mac);
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

  function count(name: string): void {
    const known = counters.get(name);
    if (known !== undefined) counters.set(name, known + 1);
    else if (counters.size < limits.counterNames) counters.set(name, 1);
    else counters.set('other', (counters.get('other') ?? 0) + 1);
  }

  function learnAddress(address: Ipv4, mac: Mac): void {
    addresses.delete(address);
    addresses.set(address, mac);
    if (addresses.size <= limits.addresses) return;
    const oldest = oldestAddress();
    if (oldest !== undefined) addresses.delete(oldest);
  }

  function useAddress(address: Ipv4, mac: Mac): void {
    const user = addressUser(address);
    if (user !== undefined && user !== mac) return;
    users.delete(address);
    users.set(address, mac);
    if (users.size <= limits.addresses) return;
    const oldest = oldestUser();
    if (oldest !== undefined) users.delete(oldest);
  }

  function addressUser(address: Ipv4): Mac | undefined {
    const mac = users.get(address);
    const session = mac === undefined ? undefined : machines.get(mac)?.session;
    if (session?.address !== address) return undefined;
    if (session.end === 'ready') return mac;
    return session.end === undefined && clock() - session.updatedAt < idleTime ? mac : undefined;
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
    const mac = observation.mac ?? observation.facts?.mac;
    tellObserver(observation);
    try {
      if (mac === undefined) {
        recordUnknown(observation);
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
    for (const [address, holder] of addresses) if (holder === mac) addresses.delete(address);
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

  function recordUnknown(observation: Observation): void {
    if (mayAddStrangerEvent(observation.at)) publish(toEvent(observation, limits));
    else drop('stranger', observation);
  }

  function recordMachine(mac: Mac, observation: Observation): BootSession | undefined {
    const { at } = observation;
    let entry = machines.get(mac);
    const isToken = observation.signingUntil !== undefined;
    const bootsFromNetwork = observation.client !== undefined && !isToken;
    if (isToken && tokens.make(mac, at) === undefined) {
      drop('token', observation);
      return undefined;
    }
    const named = isNamed(mac);
    if (entry === undefined) {
      if (!bootsFromNetwork && !named && !mayAddStranger(at)) {
        drop('stranger', observation);
        return undefined;
      }
      entry = newEntry(mac, at);
      if (!bootsFromNetwork) entry.recorded = true;
    }

    const slot = slotFor(entry, observation);
    const before = slot.session;
    const advance = advanceSlot(mac, before, observation);
    const session = advance.session;
    if (advance.opened) {
      nextId++;
      slot.sessionEvents = 0;
      slot.evidence = NO_EVIDENCE;
    }
    slot.session = session;
    if (session !== undefined) sessions.set(session.id, session);
    if (before !== undefined && before.id !== session?.id) {
      rememberSuperseded(advance.ended?.id === before.id ? advance.ended : before);
    }

    const gotScript = session !== undefined && session !== before && stageReached(session.stage, 'script');
    entry.lastSeen = Math.max(entry.lastSeen, at);
    if (observation.via !== undefined) entry.via = observation.via;
    if (observation.facts !== undefined)
      entry.facts = mergeFacts(entry.facts, observation.facts, limits.factLength);
    if (observation.assigned !== undefined) {
      nameMachine(entry, observation.assigned.hostname);
      if (observation.assigned.address !== undefined) {
        learnAddress(observation.assigned.address, mac);
        useAddress(observation.assigned.address, mac);
      }
    }
    // Bounds of their own: a script takes a connection, so that a flood of DISCOVERs does not keep it from the record.
    // Who got a secret is recorded whoever else is new at the moment.
    const wasRecorded = entry.recorded;
    if (observation.evidence !== undefined) entry.recorded = true;
    if (!entry.recorded)
      entry.recorded = named || (gotScript ? mayAddScripted(at) : bootsFromNetwork && mayAddMachine(at));
    machines.touch(entry, rankAfter(entry, { named, gotScript, bootsFromNetwork }));

    if (entry.recorded) {
      writer.machine(entry);
      if (session !== undefined && (session !== before || !wasRecorded)) writer.session(session);
      // What it superseded is in the database only if the machine was recorded then; writing it again does no harm.
      if (advance.ended !== undefined && advance.ended !== session) writer.session(advance.ended);
    }
    recordEvents(entry, slot, observation, before, advance);
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

  function recordEvents(
    entry: MachineEntry,
    slot: SessionSlot,
    observation: Observation,
    before: BootSession | undefined,
    advance: SessionAdvance,
  ): void {
    if (!entry.recorded) {
      drop('newcomer', observation);
      return;
    }
    const { session, ended, opened, reasons } = advance;
    const { at, sessionId } = observation;
    const former = isOfFormer(session, sessionId) ? [`asked in session ${sessionId}, which is over`] : [];
    const own: Observation = {
      ...observation,
      mac: entry.mac,
      reasons: [...former, ...observation.reasons],
    };
    if (ended !== undefined && ended !== session) publishTurn(entry, at, 'session.ended', ended, reasons);
    if (opened && session !== undefined) publishTurn(entry, at, 'session.opened', session, reasons);
    const isEvidence = session !== undefined && takeEvidence(slot, observation);
    if (session !== undefined && (isEvidence || belongsTo(session, at))) {
      const moved = opened || before?.stage !== session.stage;
      const over = ended === session && before !== session;
      const limit = stageReached(session.stage, 'script')
        ? limits.eventsPerSession
        : limits.eventsBeforeScript;
      // A Node may come and go for as long as its machine runs, so it has so many events an hour instead. What took
      // the session on is always told: there are but nine stages.
      const told = isOfNode(observation)
        ? hasHourlyEvent(entry, at)
        : isEvidence || slot.sessionEvents < limit || (moved && observation.stage === session.stage) || over;
      if (!told) {
        drop('session', observation);
        return;
      }
      if (isOfNode(observation)) entry.hourEvents++;
      else if (!isEvidence) slot.sessionEvents++;
      const isBack = before?.id === session.id && before.end === 'ready' && session.end === undefined;
      publish(toEvent(isBack ? { ...own, stage: session.stage } : own, limits, session, moved));
      if (over) publishTurn(entry, at, 'session.ended', session, reasons.slice(opened ? 1 : 0));
      return;
    }
    if (!hasHourlyEvent(entry, at)) drop('machine', observation);
    else if (entry.rank < 2 && !mayAddStrangerEvent(at)) drop('stranger', observation);
    else {
      entry.hourEvents++;
      publish(toEvent(own, limits));
    }
  }

  /** Whoever can bring about events must not be able to hide by them who got a secret. */
  function takeEvidence(slot: SessionSlot, { evidence }: Observation): boolean {
    if (evidence === undefined || slot.evidence[evidence] >= limits.evidencePerSession) return false;
    slot.evidence = { ...slot.evidence, [evidence]: slot.evidence[evidence] + 1 };
    return true;
  }

  function hasHourlyEvent(entry: MachineEntry, at: number): boolean {
    if (at - entry.hourBegan >= HOUR || at < entry.hourBegan) {
      entry.hourBegan = at;
      entry.hourEvents = 0;
    }
    return entry.hourEvents < limits.eventsPerHour;
  }

  function belongsTo(session: BootSession, at: number): boolean {
    return session.endedAt === undefined || at - session.endedAt < limits.lateTime;
  }

  /** The opening or the end of a session, as an event of its own. */
  function publishTurn(
    entry: MachineEntry,
    at: number,
    kind: 'session.opened' | 'session.ended',
    session: BootSession,
    reasons: readonly string[],
  ): void {
    const asked =
      kind === 'session.opened'
        ? `session ${session.id} opens`
        : `session ${session.id} ends: ${session.end}`;
    const turn: Observation = { at, kind, outcome: 'noted', mac: entry.mac, asked, answered: '', reasons };
    publish(toEvent(turn, limits, session));
  }

  function publish(event: BootEvent): void {
    writer.event(event);
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        sayOnce(error, 'a listener of the journal failed');
      }
    }
  }

  function drop(bound: string, what: { readonly kind: string; readonly outcome: string }): void {
    count(`events.dropped.${bound}`);
    count(`events.unrecorded.${what.kind}.${what.outcome}`);
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
    sessionOf: (mac) => machines.get(mac)?.session,
    sessionById: (id) => sessions.get(id),
    machine(mac) {
      const entry = machines.get(mac);
      return entry === undefined ? undefined : toRecord(entry);
    },
    keepRecord,
    addressUser,
    hostnameHolder: (hostname) => hostnames.get(hostname),
    joiningMachines,
    forget,
    macAt: (address) => addresses.get(address),
    learnAddress,
    count,
    counters: () => counters,
    subscribe(listener) {
      // A function of its own, so that one listener may subscribe twice.
      const own = (event: BootEvent): void => listener(event);
      listeners.add(own);
      return () => {
        listeners.delete(own);
      };
    },
    flush: () => writer.flush(),
    close: () => writer.close(),
  };
}
