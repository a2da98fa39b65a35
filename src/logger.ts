import { type Logger, type LoggerOptions, pino } from 'pino';

export type { Logger } from 'pino';

/** The loggers of the daemon, named here once. */
export const LOGGER_NAMES = ['daemon', 'dhcp', 'pxe', 'tftp', 'http', 'admin', 'catalog', 'store', 'net'] as const;
export type LoggerName = (typeof LOGGER_NAMES)[number];
export type Loggers = Readonly<Record<LoggerName, Logger>>;

/** `destination` is any stream; stdout by default. One JSON object a line. */
export function createLoggers(options: LoggerOptions = {}, destination?: NodeJS.WritableStream): Loggers {
  const base: LoggerOptions = { base: null, ...options };
  const root = destination === undefined ? pino(base) : pino(base, destination);
  return Object.fromEntries(LOGGER_NAMES.map((name) => [name, root.child({ part: name })])) as unknown as Loggers;
}
