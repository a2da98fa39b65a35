import type { BootEvent } from '../machine/event.ts';
import type { BootSession } from '../machine/session.ts';
import { STAGES, type Stage } from '../machine/stage.ts';

/** One boot, as it was recorded. `address` as text or number: it is only compared. */
export interface BootAccount {
  readonly session: Pick<
    BootSession,
    'id' | 'openedAt' | 'updatedAt' | 'stage' | 'stageTimes' | 'end' | 'role' | 'hostname'
  > & { readonly address?: string };
  /** Oldest first. */
  readonly events: readonly BootEvent[];
}

/** A fact of both boots. Absent: nothing of it is recorded there. */
export interface FactDifference {
  readonly what: string;
  readonly before?: string;
  readonly now?: string;
}

/** How long a boot took from the stage before to this one, in ms. Absent: it did not get there. */
export interface StageDifference {
  readonly stage: Stage;
  readonly before?: number;
  readonly now?: number;
  readonly verdict: 'alike' | 'slower' | 'faster' | 'missing' | 'new';
}

export interface BootComparison {
  readonly before: BootAccount['session'];
  readonly now: BootAccount['session'];
  readonly stages: readonly StageDifference[];
  /** What is not as it was; empty where nothing that is recorded is. */
  readonly changed: readonly FactDifference[];
  /** What is as it was. */
  readonly same: readonly string[];
  /** What cannot be compared, and why. */
  readonly unknown: readonly string[];
}

type SessionMark = Pick<BootSession, 'id' | 'end' | 'signingUntil'>;

/**
 * The last boot that worked before this one. `sessions`: of one machine, newest first. Those of signing tokens are no
 * boots.
 */
export function lastThatWorked<S extends SessionMark>(sessions: readonly S[], of: number): S | undefined {
  return sessions.find(
    ({ id, end, signingUntil }) =>
      id < of && signingUntil === undefined && (end === 'ready' || end === 'booted' || end === 'handed-over'),
  );
}

/** What is different between a boot and one that worked, as far as the events of both tell. */
export function compareSessions(before: BootAccount, now: BootAccount): BootComparison {
  const old = factsOf(before);
  const fresh = factsOf(now);
  const changed: FactDifference[] = [];
  const same: string[] = [];
  const unknown: string[] = [];
  for (const [what, was] of old) {
    const is = fresh.get(what);
    if (was === undefined && is === undefined) continue;
    if (was === is) same.push(what);
    else if (was !== undefined && is !== undefined) changed.push({ what, before: was, now: is });
    else
      changed.push({
        what,
        ...(was === undefined ? {} : { before: was }),
        ...(is === undefined ? {} : { now: is }),
      });
  }
  unknown.push(
    'The texts of script and configuration are made at the moment of a boot and not kept: of them only role, files and size are compared.',
  );
  if (before.events.length === 0) {
    unknown.push(`The events of session ${before.session.id} are no longer kept.`);
  }
  return {
    before: before.session,
    now: now.session,
    stages: compareStages(before.session, now.session),
    changed,
    same,
    unknown,
  };
}

/** Slower or faster is said where it is by a factor of two, and by more than a packet that was lost. */
const FACTOR = 2;
const LEAST_MS = 2_000;

function compareStages(
  before: BootAccount['session'],
  now: BootAccount['session'],
): readonly StageDifference[] {
  const old = stepTimes(before);
  const fresh = stepTimes(now);
  return STAGES.flatMap((stage): StageDifference[] => {
    const was = old.get(stage);
    const is = fresh.get(stage);
    if (was === undefined && is === undefined) return [];
    if (was === undefined) return [{ stage, now: is as number, verdict: 'new' }];
    if (is === undefined) return [{ stage, before: was, verdict: 'missing' }];
    return [{ stage, before: was, now: is, verdict: verdictOf(was, is) }];
  });
}

function verdictOf(was: number, is: number): StageDifference['verdict'] {
  if (is > was * FACTOR && is - was > LEAST_MS) return 'slower';
  return was > is * FACTOR && was - is > LEAST_MS ? 'faster' : 'alike';
}

/** Of each stage reached: how long after the one before it, the first one after the opening. */
export function stepTimes({
  openedAt,
  stageTimes,
}: Pick<BootSession, 'openedAt' | 'stageTimes'>): ReadonlyMap<Stage, number> {
  const steps = new Map<Stage, number>();
  let last = openedAt;
  for (const stage of STAGES) {
    const at = stageTimes[stage];
    if (at === undefined) continue;
    steps.set(stage, Math.max(0, at - last));
    last = Math.max(last, at);
  }
  return steps;
}

/** The same keys for every boot, in the order in which they are shown. */
function factsOf({ session, events }: BootAccount): ReadonlyMap<string, string | undefined> {
  const answered = events.filter(({ outcome }) => outcome === 'answered');
  const dhcp = answered.filter(({ kind }) => kind.startsWith('dhcp.') || kind.startsWith('pxe.'));
  const first = dhcp[0]?.asked;
  const ipxe = dhcp.find(({ asked }) => /\biPXE\b/.test(asked))?.asked;
  const config = answered.findLast(({ kind, stage }) => kind === 'http.config' && stage === 'config');
  return new Map<string, string | undefined>([
    ['role', session.role],
    ['hostname', session.hostname],
    ['address', session.address],
    ['interface', events.find(({ via }) => via !== undefined)?.via],
    ['firmware', match(first, /"((?:PXE|HTTP)Client:[^"]*)"/) ?? match(first, /\barch ([\d,]+)/)],
    ['iPXE', match(ipxe, /\biPXE ([\d][\w.+-]*)/)],
    ['bootfile', dhcp.map(({ answered: text }) => match(text, /\bfile "([^"]*)"/)).find(Boolean)],
    ['loader', sizeOf(answered.find(({ kind, stage }) => kind === 'tftp.done' && stage === 'firmware'))],
    ['kernel', sizeOf(answered.find(({ stage }) => stage === 'kernel'))],
    ['initrd', initrdsOf(answered)],
    ['configuration', config === undefined ? undefined : match(config.answered, /(\d+) bytes/, ' bytes')],
    ['answers that were no', noes(events)],
  ]);
}

function match(text: string | undefined, pattern: RegExp, unit = ''): string | undefined {
  const found = text === undefined ? undefined : pattern.exec(text)?.[1];
  return found === undefined ? undefined : `${found}${unit}`;
}

/** What was fetched, and its size: `/assets/vmlinuz, 11534336 bytes`. */
function sizeOf(event: BootEvent | undefined): string | undefined {
  if (event === undefined) return undefined;
  const name = event.asked.replace(/^(?:GET|HEAD|RRQ)\s+/, '').split(' ')[0] ?? '';
  const size = match(event.answered, /(\d+) bytes/);
  return size === undefined ? name : `${name}, ${size} bytes`;
}

/** Without the kernel; each file once. */
function initrdsOf(answered: readonly BootEvent[]): string | undefined {
  const kernel = answered.find(({ stage }) => stage === 'kernel');
  const from = kernel === undefined ? -1 : answered.indexOf(kernel);
  const to = answered.findIndex(({ kind }) => kind === 'http.config');
  const files = answered
    .slice(from + 1, to === -1 ? undefined : to)
    .filter(({ kind, asked }) => kind === 'http.asset' && asked !== kernel?.asked)
    .flatMap((event) => sizeOf(event) ?? []);
  return files.length === 0 ? undefined : [...new Set(files)].join('; ');
}

function noes(events: readonly BootEvent[]): string | undefined {
  const refused = events.filter(({ outcome }) => outcome === 'refused' || outcome === 'failed').length;
  return refused === 0 ? undefined : String(refused);
}
