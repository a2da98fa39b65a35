import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';

export type { Logger } from 'pino';

/** The loggers of the daemon, named here once. */
export const LOGGER_NAMES = [
  'daemon',
  'dhcp',
  'pxe',
  'tftp',
  'http',
  'admin',
  'catalog',
  'store',
  'net',
  'cluster',
  'pki',
] as const;
export type LoggerName = (typeof LOGGER_NAMES)[number];
export type Loggers = Readonly<Record<LoggerName, Logger>>;

export interface LoggerSettings {
  readonly level?: string;
  /** Text for people instead of JSON. */
  readonly pretty?: boolean;
  /** Stdout by default. */
  readonly destination?: NodeJS.WritableStream;
}

/** What is kept for a disk that is full, to be written once it has room again. In characters. */
const MAX_KEPT = 256 * 1024;

/** Nobody stops booting machines because the log's disk is full: that is said once, on stderr. */
function openStdout() {
  const stdout = pino.destination({ sync: true, maxLength: MAX_KEPT });
  let said = false;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read a pipe and went away wants to hear no more.
    if (!said && error.code !== 'EPIPE')
      process.stderr.write(`tinderbox: the log cannot be written: ${error.message}\n`);
    said = true;
  });
  return stdout;
}

/** One JSON object a line, `part` names the logger. Written synchronously, so that the last words are not lost. */
export function createLoggers({
  level = 'info',
  pretty: text = false,
  destination,
}: LoggerSettings = {}): Loggers {
  const options = { base: null, level };
  const stream = text
    ? pretty({ sync: true, ignore: 'part', messageFormat: '[{part}] {msg}', translateTime: 'SYS:HH:MM:ss' })
    : (destination ?? openStdout());
  const root = pino(options, stream);
  return Object.fromEntries(
    LOGGER_NAMES.map((name) => [name, root.child({ part: name })]),
  ) as unknown as Loggers;
}
