import type { Stall } from '../machine/diagnosis.ts';
import type { EventKind, Outcome } from '../machine/event.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type {
  BootSession,
  FormerRegistration,
  LastStage,
  NodeRegistration,
  SessionEnd,
} from '../machine/session.ts';
import { laterStage, STAGES, type Stage, stageReached } from '../machine/stage.ts';

/** What `/ipxe` decided. */
export interface Assignment {
  readonly role: string;
  readonly hostname: string;
  readonly address?: Ipv4;
  /** Absent: `booted`. */
  readonly lastStage?: LastStage;
  readonly registration?: NodeRegistration;
}

/** What a boot session needs to know of one thing that its machine did. */
export interface SessionStep {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly kind: EventKind;
  /** Absent: as `answered`. */
  readonly outcome?: Outcome;
  /** Who network-boots; absent: the operating system, or a stranger. */
  readonly client?: 'rom' | 'ipxe' | 'script';
  /** The stage that this proves. */
  readonly stage?: Stage;
  readonly assigned?: Assignment;
  /** It was told to wait for approval. */
  readonly waits?: boolean;
  /** It was told to wait for its turn to load. */
  readonly queued?: boolean;
  /** The boot ID of the Node that is ready. */
  readonly bootId?: string;
  readonly failed?: boolean;
  readonly stalled?: Stall;
  readonly end?: SessionEnd;
}

export interface SessionContext {
  /** The machine whose step it is. */
  readonly mac: Mac;
  /** The number that a session gets if one opens. */
  readonly nextId: number;
  /** A session that was silent for longer belongs to an attempt that is over. In ms. */
  readonly idleTime: number;
}

export interface SessionAdvance {
  /** The machine's newest session after the step, ended or not. */
  readonly session?: BootSession;
  /** The session that ended with this step: the one that was superseded, else `session` itself. */
  readonly ended?: BootSession;
  readonly opened: boolean;
  /** Why it opened, ended or did not change; empty when the step simply carried it on. */
  readonly reasons: readonly string[];
}

/**
 * Lays one step of a machine to its boot session ("A boot session, exactly" in the design). `current` is the
 * machine's newest session, open or ended. Sessions are values: what is returned replaces `current`.
 */
export function advanceSession(
  current: BootSession | undefined,
  step: SessionStep,
  context: SessionContext,
): SessionAdvance {
  // What a machine prints proves nothing, and does not keep its session young: a system that hangs may print for days.
  if (step.kind === 'syslog.line') {
    return { ...(current === undefined ? {} : { session: current }), opened: false, reasons: [] };
  }
  const opening = whyItOpens(current, step, context);
  if (opening !== undefined) {
    const fresh: BootSession = {
      id: context.nextId,
      mac: context.mac,
      openedAt: step.at,
      updatedAt: step.at,
      stage: 'discovered',
      // One that opens with its script was never heard to ask by DHCP.
      stageTimes: step.kind === 'http.script' ? {} : { discovered: step.at },
      ...formerBoot(current),
      ...formerNode(current),
    };
    const { session, endReasons } = carryOn(fresh, step);
    const superseded =
      current === undefined || current.end !== undefined
        ? undefined
        : endSession(current, 'superseded', step.at);
    const ended = superseded ?? (session.end === undefined ? undefined : session);
    return {
      session,
      ...(ended === undefined ? {} : { ended }),
      opened: true,
      reasons: [opening, ...endReasons],
    };
  }
  if (current === undefined) {
    return { opened: false, reasons: ['only a network boot opens a session, and this is none'] };
  }
  if (current.end === 'ready' && isNodeGone(step.kind)) return takeBack(current, step);
  if (current.end !== undefined) {
    return {
      // What a session was given is asked for again when its machine has booted: that is when alarms count.
      session: step.kind === 'security.alarm' ? { ...current, ...alarmMark(step) } : current,
      opened: false,
      reasons: [`session ${current.id} has ended (${current.end}): a late packet does not open it again`],
    };
  }
  const { session, endReasons } = carryOn(current, step);
  return {
    session,
    ...(session.end === undefined ? {} : { ended: session }),
    opened: false,
    reasons: endReasons,
  };
}

function whyItOpens(
  current: BootSession | undefined,
  step: SessionStep,
  { idleTime }: SessionContext,
): string | undefined {
  const open = current !== undefined && current.end === undefined ? current : undefined;
  const discover = step.kind === 'dhcp.discover' || step.kind === 'pxe.discover';

  if (discover && (step.client === 'rom' || step.client === 'ipxe')) {
    const who = step.client === 'rom' ? 'the network-boot ROM' : 'iPXE';
    if (open === undefined) return `${who} asks for a network boot and no session is open`;
    if (isSilent(open, step.at, idleTime)) return afterSilence(who, open);
    if (step.client === 'rom' && stageReached(open.stage, 'script')) {
      return `the ROM asks again although session ${open.id} had its script (stage ${open.stage}): the machine was reset`;
    }
    // A card whose ROM is iPXE has no other ROM that would show a reset. iPXE may repeat its DHCP while it still
    // runs, also after a kernel that did not load; only the operating system, which replaces it, fetches `config`.
    if (step.client === 'ipxe' && stageReached(open.stage, 'config')) return resetAfterConfig(open);
    return undefined;
  }

  if (step.kind === 'http.script' && step.client === 'script') {
    if (current === undefined) {
      return 'the script is asked for and no session is open: its DHCP did not come by here, or was forgotten in a restart';
    }
    if (open === undefined) {
      return `the script is asked for after session ${current.id} ended (${current.end}), without a DHCP request here`;
    }
    if (isSilent(open, step.at, idleTime)) return afterSilence('iPXE', open);
    if (stageReached(open.stage, 'config')) return resetAfterConfig(open);
  }
  return undefined;
}

/** A machine that was left off, or whose system never said a word, shows its next attempt by the time between. */
function isSilent(open: BootSession, now: number, idleTime: number): boolean {
  return now - open.updatedAt > idleTime;
}

function afterSilence(who: string, open: BootSession): string {
  return `${who} asks again after session ${open.id} was silent for long (stage ${open.stage}): another attempt`;
}

function resetAfterConfig(open: BootSession): string {
  return `iPXE asks again although session ${open.id} had started its system (stage ${open.stage}): the machine was reset`;
}

function carryOn(
  current: BootSession,
  step: SessionStep,
): { readonly session: BootSession; readonly endReasons: readonly string[] } {
  const proven = step.stage ?? 'discovered';
  const session: BootSession = {
    ...withFormerNode(stalledOrNot(waitingOrNot(current, step), step), step),
    updatedAt: isFutile(step) ? current.updatedAt : Math.max(current.updatedAt, step.at),
    stage: laterStage(current.stage, proven),
    stageTimes:
      step.stage === undefined ? current.stageTimes : withStage(current.stageTimes, step.stage, step.at),
    ...(step.kind === 'http.script' && step.stage === 'script' ? { scriptAt: step.at } : {}),
    ...(step.assigned === undefined ? {} : assignedFields(step.assigned)),
    ...(step.bootId === undefined ? {} : { bootId: step.bootId }),
    ...(step.failed === true ? { failedAt: step.at } : {}),
    ...alarmMark(step),
  };
  if (step.end !== undefined) {
    return { session: endSession(session, step.end, step.at), endReasons: [`it ended: ${step.end}`] };
  }
  const { lastStage = 'booted' } = session;
  if (stageReached(session.stage, lastStage)) {
    const end = session.stage === 'ready' ? 'ready' : lastStage;
    return {
      session: endSession(session, end, step.at),
      endReasons: [`it reached its last stage, ${session.stage}`],
    };
  }
  return { session, endReasons: [] };
}

/** A machine that only ever gets a no is as good as silent: its session must not stay young for as long as it asks. */
function isFutile({ kind, outcome }: SessionStep): boolean {
  // What we say of it is no sign of life.
  if (kind === 'session.stalled') return true;
  return (
    outcome === 'refused' && (kind === 'http.config' || kind === 'http.config-file' || kind === 'http.csr')
  );
}

function alarmMark({ kind, at }: SessionStep): Pick<BootSession, 'alarmedAt'> {
  return kind === 'security.alarm' ? { alarmedAt: at } : {};
}

/** Each answer to its question for a script says anew whether it waits; nothing else does. */
function waitingOrNot(current: BootSession, step: SessionStep): BootSession {
  if (step.kind !== 'http.script' || step.client !== 'script') return current;
  const { waitingSince = step.at, ...rest } = current;
  return step.waits === true ? { ...rest, waitingSince } : rest;
}

/** A mark, not an end: gone once the session gets further than where it stalled, or waits for a person or its turn. */
function stalledOrNot(
  current: BootSession,
  { stalled, waits, queued, stage = 'discovered' }: SessionStep,
): BootSession {
  if (stalled !== undefined) return { ...current, stalled };
  const stays = waits !== true && queued !== true && laterStage(current.stage, stage) === current.stage;
  if (current.stalled === undefined || stays) return current;
  const { stalled: _stalled, ...rest } = current;
  return rest;
}

function isNodeGone(kind: EventKind): boolean {
  return kind === 'node.not-ready' || kind === 'node.deleted';
}

/** The one way back: a session is as ready as its machine's Node is, and ends again when the Node is ready again. */
function takeBack(current: BootSession, step: SessionStep): SessionAdvance {
  const { end: _end, endedAt: _endedAt, ...rest } = withFormerNode(current, step);
  const { ready: _ready, ...stageTimes } = current.stageTimes;
  const updatedAt = Math.max(current.updatedAt, step.at);
  return {
    session: { ...rest, stage: 'booted', stageTimes, updatedAt },
    opened: false,
    reasons: [`session ${current.id} was ready and goes back to booted`],
  };
}

/** Kept from session to session: in between may lie boots that never got as far as a Node. */
function formerBoot(current: BootSession | undefined): Pick<BootSession, 'formerBootId'> {
  const formerBootId = current?.bootId ?? current?.formerBootId;
  return formerBootId === undefined ? {} : { formerBootId };
}

/**
 * What the Node that a session leaves behind registered with. Until a boot hands out its configuration, no kubelet of it can have
 * registered; where the Node of before could not be deleted, that is still the one.
 */
export function nodeLeftBy({
  registration,
  formerRegistration,
  stage,
}: Pick<BootSession, 'registration' | 'formerRegistration' | 'stage'>): FormerRegistration | undefined {
  const registered = stageReached(stage, 'config') && formerRegistration?.left !== true;
  return registered ? (registration ?? formerRegistration) : formerRegistration;
}

function formerNode(current: BootSession | undefined): Pick<BootSession, 'formerRegistration'> {
  const former = current === undefined ? undefined : nodeLeftBy(current);
  return former === undefined ? {} : { formerRegistration: former };
}

function withFormerNode(current: BootSession, { kind }: SessionStep): BootSession {
  const { formerRegistration, ...rest } = current;
  if (formerRegistration === undefined) return current;
  if (kind === 'node.left') return { ...current, formerRegistration: { ...formerRegistration, left: true } };
  return kind === 'node.deleted' ? rest : current;
}

/**
 * When a stage was first reached. What is proven late (a transfer whose last ACK was lost is done when its time runs
 * out) happened before the stage that follows it.
 */
function withStage(times: BootSession['stageTimes'], stage: Stage, at: number): BootSession['stageTimes'] {
  if (times[stage] !== undefined) return times;
  const later = STAGES.slice(STAGES.indexOf(stage) + 1).flatMap((other) => times[other] ?? []);
  return { ...times, [stage]: Math.min(at, ...later) };
}

export function assignedFields(assigned: Assignment): Partial<BootSession> {
  return {
    role: assigned.role,
    hostname: assigned.hostname,
    lastStage: assigned.lastStage ?? 'booted',
    ...(assigned.address === undefined ? {} : { address: assigned.address }),
    ...(assigned.registration === undefined ? {} : { registration: assigned.registration }),
  };
}

export function endSession(session: BootSession, end: SessionEnd, at: number): BootSession {
  return { ...session, end, endedAt: at, updatedAt: Math.max(session.updatedAt, at) };
}
