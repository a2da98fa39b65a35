import { diagnoseSession, isNews } from './boot/diagnose-session.ts';
import type { DaemonFacts } from './boot/diagnosis-case.ts';
import { isShort, LOOP_SESSIONS } from './boot/diagnosis-rules.ts';
import { readTrace, type SessionTrace } from './boot/session-trace.ts';
import { timeAllowed } from './boot/stage-times.ts';
import type { Logger } from './logger.ts';
import type { Diagnosis } from './machine/diagnosis.ts';
import type { BootEvent } from './machine/event.ts';
import type { Mac } from './machine/mac.ts';
import type { Role } from './machine/role.ts';
import type { BootSession } from './machine/session.ts';
import type { Stage, StageTimes } from './machine/stage.ts';
import type { ClosableJournal } from './store/journal.ts';
import { createBucket } from './store/journal-limits.ts';
import type { Store } from './store/port.ts';

export interface StallWatchOptions {
  readonly journal: Pick<
    ClosableJournal,
    'sessions' | 'sessionOf' | 'sessionById' | 'machine' | 'record' | 'written' | 'subscribe' | 'count'
  >;
  readonly store: Pick<Store, 'listEvents' | 'listSessions'>;
  /** As the profiles have it now. */
  readonly roleOf: (name: string) => Role | undefined;
  /** Of a machine that asked for no script: what the profiles would give it. */
  readonly expectedRole?: (mac: Mac) => Role | undefined;
  /** Whether its machine may fetch kernel and initrd from a mirror, whose downloads are not seen. */
  readonly hasMirror?: (session: BootSession) => boolean;
  /** `stageTime` of tinderbox.yaml. */
  readonly stageTime: StageTimes;
  /** Whether it waits for its turn in the boot queue. */
  readonly isQueued?: (mac: Mac) => boolean;
  readonly facts: (session: BootSession, trace: SessionTrace) => Promise<DaemonFacts>;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds that never jump, as `now` may: a clock that is set stalls nobody. */
  readonly uptime: () => number;
}

export interface StallWatch extends AsyncDisposable {
  /** Looks now and then from here on. */
  start(): void;
  /** One look, for tests: what overran is marked when it resolves. */
  look(): Promise<void>;
}

const INTERVAL = 1000;
/** Sessions diagnosed in one look: each reads its events from the database. A hall of 2,000 takes some minutes. */
const MOST_AT_ONCE = 25;
/** A stalled session of which something new was heard is looked at again so soon, and any other so often. In ms. */
const LOOK_AGAIN = 5_000;
const LOOK_ANYWAY = 60_000;
/** Who changes its trouble more often than that keeps the last one. */
const MOST_CHANGES = 20;
/** Beyond the events of one session, which are bounded. */
const MOST_EVENTS = 1000;
/** A machine that was silent for so long at the start was left off by somebody: no news. In ms. */
const FORGOTTEN = 3_600_000;
/** Machines whose former ends are remembered. */
const MOST_LOOPS = 10_000;
/** Lines of the log at once, and a minute from then on: anybody can send DISCOVERs. */
const LOG_LINES = [60, 60] as const;

interface Clock {
  readonly stage: Stage;
  /** By `uptime`, when it came to this stage; undefined: it is not to be looked at. */
  since: number | undefined;
  /** Something was heard of it since it was looked at. */
  fresh: boolean;
  lookedAt: number;
  changes: number;
}

/**
 * Marks boot sessions that stand at a stage for longer than it may take, with a named cause and what to do. Looks at
 * open sessions in memory, and reads the events of those that overran.
 */
export function watchStalls(options: StallWatchOptions): StallWatch {
  const { journal, now, uptime } = options;
  let clocks = new Map<number, Clock>();
  let firstLook = true;
  const loops = new Map<Mac, { readonly stage: Stage; readonly count: number }>();
  const mayLog = createBucket(...LOG_LINES);
  const stop = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();

  function hear({ kind, mac, sessionId }: BootEvent): void {
    if (mac === undefined || sessionId === undefined || kind === 'session.stalled') return;
    const clock = clocks.get(sessionId);
    if (clock !== undefined) {
      clock.fresh = true;
      clock.since ??= uptime();
    }
    if (kind === 'session.ended') noteEnd(mac, journal.sessionById(sessionId));
  }

  function noteEnd(mac: Mac, session: BootSession | undefined): void {
    const known = loops.get(mac);
    loops.delete(mac);
    if (session === undefined || !isShort(session)) return;
    const count = known?.stage === session.stage ? known.count + 1 : 1;
    loops.set(mac, { stage: session.stage, count });
    const [oldest] = loops.keys();
    if (loops.size > MOST_LOOPS && oldest !== undefined) loops.delete(oldest);
  }

  function clockOf(session: BootSession): Clock {
    const known = clocks.get(session.id);
    if (known?.stage === session.stage) return known;
    const at = now();
    const age = firstLook ? Math.max(0, at - (session.stageTimes[session.stage] ?? session.openedAt)) : 0;
    const left = firstLook && session.stalled === undefined && at - session.updatedAt > FORGOTTEN;
    const since = left ? undefined : uptime() - age;
    return { stage: session.stage, since, fresh: false, lookedAt: uptime(), changes: known?.changes ?? 0 };
  }

  function isDue(session: BootSession, clock: Clock): boolean {
    const { stage, role, failedAt, stageTimes, stalled, mac } = session;
    if (clock.since === undefined) return false;
    if (stalled !== undefined) {
      const waited = uptime() - clock.lookedAt;
      return clock.changes < MOST_CHANGES && (waited >= LOOK_ANYWAY || (clock.fresh && waited >= LOOK_AGAIN));
    }
    if (failedAt !== undefined && failedAt >= (stageTimes[stage] ?? 0)) return true;
    const loop = loops.get(mac);
    if (loop?.stage === stage && loop.count >= LOOP_SESSIONS) return true;
    const known = role === undefined ? undefined : options.roleOf(role);
    const stood = uptime() - clock.since;
    const isOver = (times: StageTimes): boolean => {
      const allowed = timeAllowed(session, known, times, options.hasMirror?.(session) === true);
      return allowed !== undefined && stood >= allowed;
    };
    if (!isOver(options.stageTime)) return false;
    // Looked for when it matters: a hall that asks for its loaders has a hundred rules to go through.
    const expected = role === undefined ? options.expectedRole?.(mac)?.stageTime : undefined;
    return expected === undefined || isOver({ ...options.stageTime, ...expected });
  }

  function isWaiting({ waitingSince, mac }: BootSession): boolean {
    return waitingSince !== undefined || options.isQueued?.(mac) === true;
  }

  async function look(): Promise<void> {
    const next = new Map<number, Clock>();
    const overran: BootSession[] = [];
    const marked: { readonly session: BootSession; readonly lookedAt: number }[] = [];
    for (const session of journal.sessions()) {
      // Who waits for a person, or for its turn, does not stand still by a fault. Its time begins when that is over.
      if (session.end !== undefined || isWaiting(session)) continue;
      const clock = clockOf(session);
      next.set(session.id, clock);
      if (!isDue(session, clock)) continue;
      if (session.stalled !== undefined) marked.push({ session, lookedAt: clock.lookedAt });
      else if (overran.length < MOST_AT_ONCE) overran.push(session);
    }
    const due = inTurn(overran, marked);
    clocks = next;
    firstLook = false;
    if (due.length > 0) await journal.written();
    for (const session of due) {
      if (stop.signal.aborted) return;
      const clock = next.get(session.id);
      if (clock !== undefined) {
        clock.lookedAt = uptime();
        clock.fresh = false;
      }
      await mark(session, clock);
    }
  }

  async function mark(session: BootSession, clock: Clock | undefined): Promise<void> {
    const diagnosis = await diagnose(session);
    // It may have gone on, or been forgotten, in between.
    const current = journal.sessionOf(session.mac);
    if (current?.id !== session.id || current.stage !== session.stage) return;
    if (current.end !== undefined || isWaiting(current)) return;
    const before = current.stalled;
    if (before !== undefined && !isNews(before.diagnosis, diagnosis)) return;
    if (clock !== undefined) clock.changes++;
    const { mac, stage, id: sessionId } = current;
    const at = now();
    journal.record({
      at,
      kind: 'session.stalled',
      outcome: 'noted',
      asked: `stalled at ${stage}: ${diagnosis.title}`,
      answered: '',
      reasons: [...diagnosis.evidence, `do: ${diagnosis.remedy}`],
      mac,
      sessionId,
      stalled: { at: before?.at ?? at, stage, diagnosis },
    });
    journal.count(`stalls.${diagnosis.name}`);
    say(current, diagnosis, before === undefined || before.diagnosis.name !== diagnosis.name);
  }

  /** Once for each stall, and again if its cause turns out to be another one. */
  function say({ mac, stage, stalled }: BootSession, diagnosis: Diagnosis, isOther: boolean): void {
    if (!isOther) return;
    if (!mayLog(now())) return journal.count('stalls.unlogged');
    const level = stalled === undefined ? 'warn' : 'info';
    options.logger[level](
      { mac, stage, diagnosis: diagnosis.name, evidence: diagnosis.evidence },
      `${mac} stalled at ${stage}: ${diagnosis.title}. ${diagnosis.remedy}`,
    );
  }

  async function diagnose(session: BootSession): Promise<Diagnosis> {
    const { id, mac } = session;
    const [events, sessions] = await Promise.all([
      options.store.listEvents({ mac, sessionId: id, limit: MOST_EVENTS }),
      options.store.listSessions(mac, { limit: LOOP_SESSIONS + 3, offset: 0 }),
    ]);
    const trace = readTrace(events);
    return diagnoseSession({
      session,
      trace,
      machine: journal.machine(mac) ?? { mac },
      former: sessions.filter((one) => one.id < id && one.signingUntil === undefined),
      daemon: await options.facts(session, trace),
      now: now(),
    });
  }

  function lookSoon(): void {
    timer = setTimeout(() => {
      running = look()
        .catch((error: unknown) => {
          // The database may be away for a while: the next look tries again.
          journal.count('stalls.errors');
          options.logger.debug({ err: error }, 'stalled machines could not be looked for');
        })
        .finally(() => {
          if (!stop.signal.aborted) lookSoon();
        });
    }, INTERVAL);
    timer.unref();
  }

  const unsubscribe = journal.subscribe(hear);
  return {
    start: lookSoon,
    look,
    async [Symbol.asyncDispose]() {
      stop.abort();
      unsubscribe();
      clearTimeout(timer);
      await running;
    },
  };
}

/**
 * What is not marked yet first, then who was not looked at for the longest time: a hall that
 * was left off keeps nobody waiting.
 */
function inTurn(
  overran: readonly BootSession[],
  marked: readonly { readonly session: BootSession; readonly lookedAt: number }[],
): readonly BootSession[] {
  const again = marked.toSorted((a, b) => a.lookedAt - b.lookedAt).map(({ session }) => session);
  return [...overran, ...again].slice(0, MOST_AT_ONCE);
}
