/** RFC 5424 table 1, by number; the names are those of logger(1). */
export const FACILITIES = [
  'kern',
  'user',
  'mail',
  'daemon',
  'auth',
  'syslog',
  'lpr',
  'news',
  'uucp',
  'cron',
  'authpriv',
  'ftp',
  'ntp',
  'audit',
  'alert',
  'clock',
  'local0',
  'local1',
  'local2',
  'local3',
  'local4',
  'local5',
  'local6',
  'local7',
] as const;
export type Facility = (typeof FACILITIES)[number];

/** RFC 5424 table 2, by number: the lower, the worse. */
export const SEVERITIES = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Priority {
  readonly facility: Facility;
  readonly severity: Severity;
}

/** RFC 3164 section 4.3.3: what a message without a priority is taken for. */
export const DEFAULT_PRIORITY: Priority = { facility: 'user', severity: 'notice' };

/** `facility * 8 + severity`; undefined beyond 191, the last that there is. */
export function priorityOf(value: number): Priority | undefined {
  const facility = FACILITIES[value >> 3];
  const severity = SEVERITIES[value & 7];
  return facility === undefined || severity === undefined ? undefined : { facility, severity };
}

/** Whether somebody should look at it: a warning or worse. */
export function isUrgent(severity: Severity): boolean {
  return SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf('warning');
}
