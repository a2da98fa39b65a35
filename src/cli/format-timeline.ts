import type { MachineView, SessionView } from '../admin/api.ts';
import type { OnceView } from '../admin/explain-api.ts';
import { describeOnce } from '../boot/describe-once.ts';
import { formatLabels } from '../boot/read-labels.ts';
import type { BootEvent } from '../machine/event.ts';
import { formatHardware } from './format-hardware.ts';
import { formatStage } from './format-machine-table.ts';

export interface Timeline {
  readonly machine: MachineView;
  readonly once?: OnceView;
  /** Absent for a machine that never booted from the network here. */
  readonly session?: SessionView;
  /** The number of one that is known by its events only. */
  readonly olderSession?: number;
  /** Oldest first. */
  readonly events: readonly BootEvent[];
  /** The machine's newest signing token, if `session` is not that. */
  readonly token?: { readonly session: SessionView; readonly events: readonly BootEvent[] };
}

/** A machine's boot for people: who it is, how far it came, and each step with what was asked, answered, and why. */
export function formatTimeline(timeline: Timeline, now: number): string {
  const { machine, once, session, events, token } = timeline;
  const lines = [
    describeMachine(machine, session),
    ...(machine.hardware === undefined ? [] : formatHardware(machine.hardware).map(plain)),
    ...(once === undefined ? [] : [plain(describeOnce(once, formatTime))]),
    describeSession(timeline, now),
    '',
    ...(session === undefined ? [] : describeStall(session)),
  ];
  const start = session?.openedAt ?? events[0]?.at ?? now;
  lines.push(...formatEvents(events, start));
  if (events.length === 0) lines.push('  nothing is recorded of it');
  if (token !== undefined) {
    lines.push('', describeToken(token.session));
    for (const event of token.events) lines.push(formatEvent(event, token.session.openedAt));
  }
  return `${lines.join('\n')}\n`;
}

/** What its kernel prints is counted where it stands in a row: of a boot it may be most of what is recorded. */
function formatEvents(events: readonly BootEvent[], start: number): readonly string[] {
  const lines: string[] = [];
  let hidden = 0;
  const tellHidden = (): void => {
    if (hidden > 0) lines.push(`${MARGIN}(${hidden} lines of its console: --console)`);
    hidden = 0;
  };
  for (const event of events) {
    if (isChatter(event)) {
      hidden++;
      continue;
    }
    tellHidden();
    lines.push(formatEvent(event, start));
  }
  tellHidden();
  return lines;
}

/** A line of syslog that is neither iPXE's nor a warning or worse (`kernel (err): …`), and says nothing of an error. */
function isChatter({ kind, asked, reasons, outcome }: BootEvent): boolean {
  if (kind !== 'syslog.line' || outcome !== 'noted' || reasons.length > 0) return false;
  return !/^(?:ipxe|tinderbox)\b|^\S+ \([a-z]+\): /.test(asked);
}

const MARGIN = ' '.repeat(24);

/**
 * One event, without a final newline:
 *
 *     +12.345s  kernel      GET /assets/vmlinuz
 *                           200, 11534336 bytes in 140 ms
 *                           why: from memory
 *
 * `start` is what the offset counts from. Texts come from machines: control characters are taken out.
 */
export function formatEvent(event: BootEvent, start: number): string {
  const first = `${formatOffset(event.at - start).padStart(10)}  ${(event.stage ?? '').padEnd(10)}  `;
  const lines = [`${first}${plain(event.asked === '' ? event.kind : event.asked)}`];
  const answer = describeAnswer(event);
  if (answer !== '') lines.push(`${MARGIN}${answer}`);
  event.reasons.forEach((reason, index) =>
    lines.push(`${MARGIN}${index === 0 ? 'why: ' : '     '}${plain(reason)}`),
  );
  return lines.join('\n');
}

function describeAnswer({ kind, outcome, answered }: BootEvent): string {
  const text = plain(answered);
  if (kind === 'security.alarm') return `ALARM: ${text}`;
  switch (outcome) {
    case 'answered':
      return text;
    case 'noted':
      return text === '' ? '' : `noted: ${text}`;
    case 'ignored':
      return 'IGNORED: no answer was sent';
    case 'refused':
      return `REFUSED: ${text === '' ? 'no answer was sent' : text}`;
    case 'failed':
      return `FAILED: ${text === '' ? 'no answer was sent' : text}`;
  }
}

function describeMachine(machine: MachineView, session: SessionView | undefined): string {
  const parts = [
    machine.mac,
    session?.hostname ?? machine.hostname,
    session?.role === undefined ? undefined : `role ${session.role}`,
    session?.address ?? machine.address,
    [machine.manufacturer, machine.product].filter((part) => part !== undefined).join(' '),
    machine.serial === undefined ? undefined : `serial ${machine.serial}`,
    formatLabels(machine.labels),
  ];
  return parts
    .filter((part) => part !== undefined && part !== '')
    .map((part) => plain(part ?? ''))
    .join('  ');
}

function describeSession({ session, olderSession, events }: Timeline, now: number): string {
  if (olderSession !== undefined) {
    return `Session ${olderSession}, an older one, opened ${formatTime(events[0]?.at ?? now)}`;
  }
  if (session === undefined) return 'It has not booted from the network yet.';
  if (session.signingUntil !== undefined) return describeToken(session);
  const opened = formatTime(session.openedAt);
  const last = session.endedAt ?? session.updatedAt;
  const took = `${((last - session.openedAt) / 1000).toFixed(1)} s`;
  const alarm =
    session.alarmedAt === undefined ? '' : `; ALARM at ${formatOffset(session.alarmedAt - session.openedAt)}`;
  // Why it stalled stands below.
  const { stalled, ...rest } = session;
  const stage = `${formatStage(rest, now)}${stalled === undefined || session.end !== undefined ? '' : ' (stalled)'}`;
  return `Session ${session.id}, opened ${opened}: ${stage} after ${took}${alarm}`;
}

/** Of a session that stands still: why, by what, and what to do. Ends with an empty line. */
function describeStall({ stalled, end, openedAt }: SessionView): readonly string[] {
  if (stalled === undefined || end !== undefined) return [];
  const { at, stage, diagnosis } = stalled;
  const margin = ' '.repeat(8);
  return [
    `STALLED at ${stage} (${formatOffset(at - openedAt)}): ${plain(diagnosis.title)} [${diagnosis.name}]`,
    ...diagnosis.evidence.map((text, index) => `${index === 0 ? '  seen: ' : margin}${plain(text)}`),
    `  do:   ${plain(diagnosis.remedy)}`,
    '',
  ];
}

function describeToken({ id, openedAt, signingUntil = openedAt, end }: SessionView): string {
  const state =
    end === 'superseded' ? 'void, since a newer one was made' : `good until ${formatTime(signingUntil)}`;
  return `Signing token (session ${id}), made ${formatTime(openedAt)}: ${state}`;
}

/** `2026-11-27 08:15:00 UTC`. */
export function formatTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** `+0.000s`; from ten minutes on without the milliseconds that nobody needs then. */
function formatOffset(ms: number): string {
  const sign = ms < 0 ? '-' : '+';
  const seconds = Math.abs(ms) / 1000;
  if (seconds < 600) return `${sign}${seconds.toFixed(3)}s`;
  const whole = Math.floor(seconds);
  return `${sign}${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, '0')}s`;
}

/** Texts come from machines: without what a terminal would act on. */
export function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '');
}
