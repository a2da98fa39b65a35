import { readHardware } from '../boot/read-hardware.ts';
import { maskSessionTokens } from '../boot/session-token.ts';
import { printable } from '../document/printable.ts';
import type { Hardware } from '../machine/hardware.ts';

export const REPORT_STAGES = ['booted', 'installed', 'failed'] as const;
const BAD_HARDWARE =
  'hardware is no object with cpu, memory, board, disks, network or firmware; post JSON, {"hardware":{"memory":1073741824}}';

export type ReportStage = (typeof REPORT_STAGES)[number];

/** What an event can hold of a log: its end, where the failure stands. */
const LOG_LINES = 6;
const LINE_LIMIT = 400;

export type Report =
  | { readonly kind: 'hardware'; readonly hardware: Hardware }
  | { readonly kind: 'report'; readonly stage: ReportStage; readonly log: readonly string[] }
  | { readonly kind: 'bad'; readonly message: string };

/**
 * Reads what a machine posts: JSON, a form, or the query alone, since a busybox wget in an initrd can do little more
 * than `--post-data stage=booted`; of its hardware JSON, by itself. The content type is no guide (busybox always says form): the text decides.
 */
export function parseReport(body: string, query: Readonly<Record<string, unknown>>, at: number): Report {
  const fields = readFields(body);
  if (fields === undefined) return bad('the body is no JSON object');
  if (fields.hardware !== undefined) {
    const hardware = readHardware(fields.hardware, 'linux', at);
    return hardware === undefined ? { kind: 'bad', message: BAD_HARDWARE } : { kind: 'hardware', hardware };
  }
  const stageText = text(fields.stage) ?? text(query.stage);
  if (stageText === undefined) return bad('stage is missing');
  const stage = REPORT_STAGES.find((known) => known === stageText);
  if (stage === undefined) return bad(`"${shown(stageText, 40)}" is no stage that is reported`);
  return { kind: 'report', stage, log: readLog(text(fields.log) ?? text(query.log) ?? '') };
}

function readFields(body: string): Readonly<Record<string, unknown>> | undefined {
  const trimmed = body.trim();
  if (!trimmed.startsWith('{')) return Object.fromEntries(new URLSearchParams(trimmed));
  try {
    return JSON.parse(trimmed) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function readLog(log: string): readonly string[] {
  return log
    .split('\n')
    .map((line) => shown(line, LINE_LIMIT))
    .filter((line) => line !== '')
    .slice(-LOG_LINES);
}

/** Masked before it is cut: half a token would not be known as one. */
function shown(raw: string, limit: number): string {
  return printable(maskSessionTokens(printable(raw, raw.length)), limit);
}

function bad(problem: string): Report {
  return {
    kind: 'bad',
    message: `${problem}; post stage=booted, stage=installed, or stage=failed with a log`,
  };
}
