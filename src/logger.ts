import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import { priorityOfLevel } from './journal-priority.ts';
import { openLogStdout } from './log-stdout.ts';

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
  'trace',
] as const;
export type LoggerName = (typeof LOGGER_NAMES)[number];
/** From the most that is said to the least. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type Loggers = Readonly<Record<LoggerName, Logger>>;

export interface LoggerSettings {
  readonly level?: string;
  /** Text for people instead of JSON. */
  readonly pretty?: boolean;
  /** Each line begins with its syslog priority, `<6>`: for the journal. */
  readonly priorities?: boolean;
  /** Stdout by default. */
  readonly destination?: NodeJS.WritableStream;
}

/** pino tells such a stream the level of the line that comes next. */
function withPriorities(stream: { write(line: string): unknown }) {
  return {
    [pino.symbols.needsMetadataGsym]: true as const,
    lastLevel: 30,
    write(line: string): void {
      stream.write(`<${priorityOfLevel(this.lastLevel)}>${line}`);
    },
  };
}

/** One JSON object a line, `part` names the logger. Written synchronously, so that the last words are not lost. */
export function createLoggers({
  level = 'info',
  pretty: text = false,
  priorities = false,
  destination,
}: LoggerSettings = {}): Loggers {
  const options = { base: null, level };
  const sayLoss = (lost: number): void =>
    loggers.daemon.warn(
      { lost },
      `${lost} lines of the log are lost: they could not be written for too long`,
    );
  const stream = text
    ? pretty({ sync: true, ignore: 'part', messageFormat: '[{part}] {msg}', translateTime: 'SYS:HH:MM:ss' })
    : (destination ?? openLogStdout(sayLoss));
  const root = pino(options, priorities ? withPriorities(stream) : stream);
  const loggers = Object.fromEntries(
    LOGGER_NAMES.map((name) => [name, root.child({ part: name }, name === 'trace' ? { level: 'info' } : {})]),
  ) as unknown as Loggers;
  return loggers;
}
