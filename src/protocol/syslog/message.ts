import { cleanText } from './clean-text.ts';
import { DEFAULT_PRIORITY, type Priority, priorityOf } from './priority.ts';

/** One line that a machine says of itself. Texts are printable; nothing in them is to be trusted. */
export interface SyslogLine extends Priority {
  /** Which program: `ipxe`, `kernel`, `sshd`; absent where none is named. */
  readonly program?: string;
  /** Never empty. */
  readonly text: string;
}

/** Bytes of a datagram that are looked at. RFC 5424 section 6.1: a receiver should take 2048. */
const MOST_BYTES = 8192;
/** netconsole puts what the kernel printed in one piece into one datagram. */
const MOST_LINES = 16;
/** Of what is not a message: names. */
const NAME_LENGTH = 48;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * What a datagram on the syslog port says. Total: nothing throws, and of what is no syslog the text is kept, since a
 * machine in trouble sends what it has. Empty: there was nothing to read.
 *
 *     <6>ipxe: text                                              iPXE (net/udp/syslog.c): no time, often no host
 *     <13>Nov 27 23:24:22 host program[pid]: text                RFC 3164: logger, busybox, rsyslog
 *     <13>1 2026-11-27T23:24:22Z host program pid id [data] text RFC 5424: logger(1), rsyslog
 *     6,416,1758426,-;text                                       netconsole, extended: as /dev/kmsg has it
 *     [    1.758426] text                                        netconsole, plain: no priority
 */
export function decodeSyslog(bytes: Uint8Array): readonly SyslogLine[] {
  const raw = decoder.decode(bytes.subarray(0, MOST_BYTES));
  // RFC 5424's structured data may hold line breaks, and is one message.
  const lines = /^<\d{1,3}>1 /.test(raw) ? [raw] : raw.split(/[\r\n\0]+/, MOST_LINES);
  return lines.flatMap((line) => decodeLine(line) ?? []);
}

function decodeLine(line: string): SyslogLine | undefined {
  const [, number = '', rest = ''] = /^<(\d{1,3})>([^]*)$/.exec(line) ?? [];
  const priority = number === '' ? undefined : priorityOf(Number(number));
  if (priority === undefined) return decodeKernelLine(line);
  const modern = decodeRfc5424(rest);
  return made(priority, modern ?? decodeRfc3164(rest, priority));
}

interface Body {
  readonly program?: string | undefined;
  readonly text: string;
}

/** RFC 5424 section 6: six fields, `-` for those that are not known, then structured data and the message. */
function decodeRfc5424(rest: string): Body | undefined {
  const found = /^1 \S{1,64} \S{1,255} (\S{1,48}) \S{1,128} \S{1,32} (-(?: [^]*)?|\[[^]*)$/.exec(rest);
  if (found === null) return undefined;
  const [, program = '-', tail = '-'] = found;
  return { program: program === '-' ? undefined : program, text: withoutStructuredData(tail) };
}

/** Structured data is `-`, or elements in brackets; in their values `"`, `\` and `]` are escaped by a backslash. */
function withoutStructuredData(tail: string): string {
  if (!tail.startsWith('[')) return tail.slice(1);
  let inValue = false;
  for (let at = 0; at < tail.length; at++) {
    const character = tail[at];
    if (character === '\\') at++;
    else if (character === '"') inValue = !inValue;
    else if (character === ']' && !inValue && tail[at + 1] !== '[') return tail.slice(at + 1);
  }
  // It never ends: then it is all there is to show.
  return tail;
}

const MONTHS = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec';
/** RFC 3164's, with a year as Cisco has it or without; or ISO 8601, as rsyslog's forwarding format has it. */
const TIMESTAMP = new RegExp(
  `^(?:(?:${MONTHS}) [ \\d]\\d (?:\\d{4} )?\\d\\d:\\d\\d:\\d\\d|\\d{4}-\\d\\d-\\d\\dT[\\d:.]{8,15}(?:Z|[+-]\\d\\d:\\d\\d))[: ] ?`,
);
const PROGRAM = /^([A-Za-z0-9_./()-]{1,48})(?:\[[^\]\s]{0,16}\])?: ?/;

/**
 * RFC 3164 section 4.1 in name only: there is no field that is never left out. iPXE sends no time and, unless DHCP gave
 * it a name, no host; busybox's logger no host; the kernel's text may begin with something that looks like a program.
 */
function decodeRfc3164(rest: string, priority: Priority): Body {
  const stamp = TIMESTAMP.exec(rest)?.[0] ?? '';
  const body = rest.slice(stamp.length);
  const direct = PROGRAM.exec(body);
  if (direct !== null) return { program: direct[1], text: body.slice(direct[0].length) };
  const host = /^[A-Za-z0-9._:-]{1,255} /.exec(body)?.[0] ?? '';
  const named = host === '' ? null : PROGRAM.exec(body.slice(host.length));
  // A host stands after a time, or before `ipxe`; elsewhere its word belongs to the text.
  if (named !== null && (stamp !== '' || named[1] === 'ipxe')) {
    return { program: named[1], text: body.slice(host.length + named[0].length) };
  }
  return { program: isKernelTime(body) && priority.facility === 'kern' ? 'kernel' : undefined, text: body };
}

/** Documentation/networking/netconsole.rst: `level,sequence,microseconds,flags[,key=value…];text`, or the text alone. */
function decodeKernelLine(line: string): SyslogLine | undefined {
  const [header, number = ''] = /^(\d{1,4}),\d{1,20},\d{1,20},[-c](?:,[^;\n]{0,128})?;/.exec(line) ?? [];
  if (header !== undefined) {
    const priority = priorityOf(Number(number)) ?? DEFAULT_PRIORITY;
    return made(priority, { program: 'kernel', text: line.slice(header.length) });
  }
  if (isKernelTime(line))
    return made({ facility: 'kern', severity: 'info' }, { program: 'kernel', text: line });
  return made(DEFAULT_PRIORITY, { text: line });
}

function isKernelTime(text: string): boolean {
  return /^\[ {0,8}\d{1,8}\.\d{6}\] /.test(text);
}

function made(priority: Priority, { program, text }: Body): SyslogLine | undefined {
  const clean = cleanText(text);
  if (clean === '') return undefined;
  const name = cleanText(program ?? '').slice(0, NAME_LENGTH);
  return { ...priority, ...(name === '' ? {} : { program: name }), text: clean };
}
