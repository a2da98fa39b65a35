import { fstatSync } from 'node:fs';

/** Syslog's priorities (RFC 5424, 6.2.1). */
const FATAL = 2;
const ERROR = 3;
const WARNING = 4;
const INFO = 6;
const DEBUG = 7;

/** Of a pino level: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal. */
export function priorityOfLevel(level: number): number {
  if (level >= 60) return FATAL;
  if (level >= 50) return ERROR;
  if (level >= 40) return WARNING;
  return level >= 30 ? INFO : DEBUG;
}

/** Each line of the text as the journal takes it (SyslogLevelPrefix= of systemd.exec(5)). */
export function forJournal(text: string, priority: number): string {
  return text.replaceAll(/^(?=.)/gm, `<${priority}>`);
}

/** Whether a descriptor is the journal's stream: $JOURNAL_STREAM is inherited by programs whose output goes elsewhere. */
export function isJournal(fd: number, journalStream: string | undefined): boolean {
  if (journalStream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return journalStream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
