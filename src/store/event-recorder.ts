import type { SessionAdvance } from '../boot/boot-session.ts';
import type { BootEvent } from '../machine/event.ts';
import type { BootSession } from '../machine/session.ts';
import { stageReached } from '../machine/stage.ts';
import { createBucket, type JournalLimits } from './journal-limits.ts';
import type { MachineEntry, SessionSlot } from './machine-table.ts';
import type { Observation } from './port.ts';
import { toEvent } from './shape-event.ts';

export interface EventRecorderOptions {
  readonly limits: JournalLimits;
  /** Where events are written. */
  readonly write: (event: BootEvent) => void;
  readonly count: (name: string) => void;
  readonly complain: (error: unknown, message: string) => void;
}

/** What happened to a session by an observation. */
export interface Recorded {
  readonly entry: MachineEntry;
  readonly slot: SessionSlot;
  readonly before: BootSession | undefined;
  readonly advance: SessionAdvance;
}

/** Turns observations into events, within bounds, and tells who listens. */
export interface EventRecorder {
  /** Of nobody knows whom. */
  recordUnknown(observation: Observation): void;
  record(observation: Observation, recorded: Recorded): void;
  /** Counts what a bound forbids to record. */
  drop(bound: string, what: { readonly kind: string; readonly outcome: string }): void;
  /** Called with each event recorded, until the returned function is called. */
  subscribe(listener: (event: BootEvent) => void): () => void;
}

const HOUR = 3_600_000;

export function createEventRecorder({ limits, write, count, complain }: EventRecorderOptions): EventRecorder {
  const listeners = new Set<(event: BootEvent) => void>();
  const mayAddLine = createBucket(limits.linesAtOnce, limits.linesPerMinute);
  const mayAddStrangerLine = createBucket(limits.strangerLinesPerMinute, limits.strangerLinesPerMinute);
  const mayAddStrangerEvent = createBucket(limits.strangerEventsPerMinute, limits.strangerEventsPerMinute);

  function record(observation: Observation, { entry, slot, before, advance }: Recorded): void {
    if (!entry.recorded) {
      drop('newcomer', observation);
      return;
    }
    const { session, ended, opened, reasons } = advance;
    const { at } = observation;
    if (ended !== undefined && ended !== session) publishTurn(entry, at, 'session.ended', ended, reasons);
    if (opened && session !== undefined) publishTurn(entry, at, 'session.opened', session, reasons);
    if (observation.kind === 'syslog.line') return recordLine(observation, entry, slot, session);
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
        : isEvidence ||
          isNewDiagnosis(before, observation) ||
          slot.sessionEvents < limit ||
          (moved && observation.stage === session.stage) ||
          over;
      if (!told) {
        drop('session', observation);
        return;
      }
      if (isOfNode(observation)) entry.hourEvents++;
      else if (!isEvidence) slot.sessionEvents++;
      const isBack = before?.id === session.id && before.end === 'ready' && session.end === undefined;
      const own = ownOf(observation, entry, session);
      publish(toEvent(isBack ? { ...own, stage: session.stage } : own, limits, session, moved));
      if (over) publishTurn(entry, at, 'session.ended', session, reasons.slice(opened ? 1 : 0));
      return;
    }
    if (!hasHourlyEvent(entry, at)) drop('machine', observation);
    else if (entry.rank < 2 && !mayAddStrangerEvent(at)) drop('stranger', observation);
    else {
      entry.hourEvents++;
      publish(toEvent(ownOf(observation, entry, session), limits));
    }
  }

  /** Beside everything else: neither do lines use up the bounds of events, nor events those of lines. */
  function recordLine(
    line: Observation,
    entry: MachineEntry,
    slot: SessionSlot,
    session: BootSession | undefined,
  ): void {
    const belongs = session !== undefined && belongsTo(session, line.at);
    const limit = belongs ? limits.linesPerSession : limits.linesPerHour;
    beginHour(entry, line.at);
    const used = belongs ? slot.sessionLines : entry.hourLines;
    if (used >= (line.urgent === true ? limit : Math.floor(limit * 0.75)) || !mayAddLine(line.at)) {
      drop(belongs ? 'session-lines' : 'machine-lines', line);
      return;
    }
    if (belongs) slot.sessionLines++;
    else entry.hourLines++;
    publish(toEvent(ownOf(line, entry, session), limits, belongs ? session : undefined));
  }

  /** Whoever can bring about events must not be able to hide by them who got a secret. */
  function takeEvidence(slot: SessionSlot, { evidence }: Observation): boolean {
    if (evidence === undefined || slot.evidence[evidence] >= limits.evidencePerSession) return false;
    slot.evidence = { ...slot.evidence, [evidence]: slot.evidence[evidence] + 1 };
    return true;
  }

  function hasHourlyEvent(entry: MachineEntry, at: number): boolean {
    beginHour(entry, at);
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
    write(event);
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        complain(error, 'a listener of the journal failed');
      }
    }
  }

  function drop(bound: string, what: { readonly kind: string; readonly outcome: string }): void {
    count(nameOf('events.dropped', bound, ''));
    count(nameOf('events.unrecorded', what.kind, what.outcome));
  }

  return {
    record,
    recordUnknown(observation) {
      const mayAdd = observation.kind === 'syslog.line' ? mayAddStrangerLine : mayAddStrangerEvent;
      if (mayAdd(observation.at)) publish(toEvent(observation, limits));
      else drop('stranger', observation);
    },
    drop,
    subscribe(listener) {
      // A function of its own, so that one listener may subscribe twice.
      const own = (event: BootEvent): void => listener(event);
      listeners.add(own);
      return () => {
        listeners.delete(own);
      };
    },
  };
}

/** As the machine's, and with what its session says to it. Only for what is recorded: most of a storm is not. */
function ownOf(
  observation: Observation,
  { mac }: MachineEntry,
  session: BootSession | undefined,
): Observation {
  const { sessionId, reasons } = observation;
  if (!isOfFormer(session, sessionId)) return { ...observation, mac };
  return { ...observation, mac, reasons: [`asked in session ${sessionId}, which is over`, ...reasons] };
}

/** Why it stalled is worth more than the hundredth question that led to it; who marks it bounds how often. */
function isNewDiagnosis(before: BootSession | undefined, { stalled }: Observation): boolean {
  return stalled !== undefined && stalled.diagnosis.name !== before?.stalled?.diagnosis.name;
}

export function isOfNode({ kind }: Observation): boolean {
  return kind.startsWith('node.');
}

/** Asked at the URL of a session that is not the machine's newest any more. */
export function isOfFormer(current: BootSession | undefined, sessionId: number | undefined): boolean {
  return sessionId !== undefined && sessionId !== current?.id;
}

/** Names of counters, joined once: a flood is counted by them. Their parts are of closed sets. */
const names = new Map<string, Map<string, string>>();

function nameOf(what: string, first: string, second: string): string {
  let inner = names.get(first);
  if (inner === undefined) names.set(first, (inner = new Map()));
  const known = inner.get(second);
  if (known !== undefined) return known;
  const name = second === '' ? `${what}.${first}` : `${what}.${first}.${second}`;
  inner.set(second, name);
  return name;
}

function beginHour(entry: MachineEntry, at: number): void {
  if (at - entry.hourBegan < HOUR && at >= entry.hourBegan) return;
  entry.hourBegan = at;
  entry.hourEvents = 0;
  entry.hourLines = 0;
}
