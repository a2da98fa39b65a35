import { type BootEvent, readText } from '../machine/event.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { BootSession } from '../machine/session.ts';
import type { JournalLimits } from './journal-limits.ts';
import type { Observation } from './port.ts';

type TextLimits = Pick<JournalLimits, 'textLength' | 'reasons'>;

/** An observation as it is remembered. `moved`: it took the session to the stage where it stands now. */
export function toEvent(
  observation: Observation,
  limits: TextLimits,
  session?: BootSession,
  moved = false,
): BootEvent {
  const { at, mac, kind, outcome, asked, answered, reasons, via, stage } = observation;
  return {
    at,
    ...(mac === undefined ? {} : { mac }),
    ...(session === undefined ? {} : { sessionId: session.id }),
    kind,
    ...(moved && stage !== undefined && stage === session?.stage ? { stage } : {}),
    outcome,
    asked: cutText(readText(asked), limits.textLength),
    answered: cutText(readText(answered), limits.textLength),
    reasons: reasons.slice(0, limits.reasons).map((reason) => cutText(reason, limits.textLength)),
    ...(via === undefined ? {} : { via }),
  };
}

/** At most `length` characters, the last of them an ellipsis where something is missing. */
export function cutText(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).toWellFormed()}…`;
}

/** The newer facts over the older; what is not said again stays known. The same object where nothing is new. */
export function mergeFacts(known: MachineFacts, fresh: MachineFacts, length: number): MachineFacts {
  const before = known as unknown as Readonly<Record<string, unknown>>;
  let merged: Record<string, unknown> | undefined;
  for (const [name, value] of Object.entries(fresh)) {
    if (value === undefined || name === 'mac') continue;
    const kept: unknown = typeof value === 'string' ? cutText(value, length) : value;
    if (before[name] === kept || isSameMap(before[name], kept)) continue;
    merged ??= { ...before };
    // A copy of its own: a piece of a request's URL would keep the whole URL in memory.
    merged[name] = copyOf(kept);
  }
  return merged === undefined ? known : (merged as unknown as MachineFacts);
}

/** Labels: the only facts that are no plain values. */
function isSameMap(known: unknown, fresh: unknown): boolean {
  return typeof fresh === 'object' && JSON.stringify(known) === JSON.stringify(fresh);
}

function copyOf(value: unknown): unknown {
  if (typeof value === 'string') return Buffer.from(value).toString();
  return typeof value === 'object' ? (JSON.parse(JSON.stringify(value)) as unknown) : value;
}
