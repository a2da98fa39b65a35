import type { Diagnosis } from '../machine/diagnosis.ts';
import type { DiagnosisCase } from './diagnosis-case.ts';
import { DIAGNOSIS_RULES } from './diagnosis-rules.ts';

/** An event keeps eight reasons, and a remedy is one of them. */
const MOST_EVIDENCE = 6;
const LONGEST = 300;

/** Why a session does not go on: the first rule of the table that matches. The last one always does. */
export function diagnoseSession(known: DiagnosisCase): Diagnosis {
  for (const { name, title, remedy, when } of DIAGNOSIS_RULES) {
    const evidence = when(known);
    if (evidence === undefined) continue;
    return {
      name,
      title,
      evidence: evidence.slice(0, MOST_EVIDENCE).map(shorten),
      remedy: fillIn(remedy, known),
    };
  }
  throw new Error('the last rule always matches');
}

/**
 * Whether a second look says something new: not if only numbers differ, since a machine that asks a fifth time is in no
 * other trouble than one that asked four times.
 */
export function isNews(before: Diagnosis, after: Diagnosis): boolean {
  return keyOf(before) !== keyOf(after);
}

function keyOf({ name, evidence, remedy }: Diagnosis): string {
  return JSON.stringify([
    name,
    remedy,
    evidence.map((text) => text.replaceAll(/(0x[0-9a-f]+|\d+)(, \d+)*/g, '#')),
  ]);
}

function shorten(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1).toWellFormed()}…`;
}

/** What stands for a placeholder where nothing is known is the word for it. `{{…}}` is a template's, and stays. */
function fillIn(text: string, { session, trace, daemon }: DiagnosisCase): string {
  const known: Readonly<Record<string, string | number | undefined>> = {
    mac: session.mac,
    role: session.role,
    hostname: session.hostname,
    arch: trace.firmware?.name,
    interface: trace.events.findLast(({ via }) => via !== undefined)?.via,
    http: daemon.ports.http,
    tftp: daemon.ports.tftp,
    url: daemon.url,
  };
  return text.replaceAll(/(?<!\{)\{([a-z]+)\}(?!\})/g, (whole, name: string) =>
    Object.hasOwn(known, name) ? String(known[name] ?? name.toUpperCase()) : whole,
  );
}
