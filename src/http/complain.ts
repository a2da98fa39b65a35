import { maskSessionTokens } from '../boot/session-token.ts';
import { formatProblem, TinderboxError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Journal } from '../store/port.ts';

export const COMPLAINTS = [
  'report',
  'script',
  'hostname',
  'config',
  'csr',
  'release',
  'asset',
  'request',
  'once',
  'alarm.second-key',
  'alarm.second-release',
  'alarm.other-address',
] as const;
export type Complaint = (typeof COMPLAINTS)[number];

/** Writes to the log what a client can bring about again and again. */
export type Complain = (
  cause: Complaint,
  level: 'warn' | 'error',
  fields: Readonly<Record<string, unknown>>,
  message: string,
) => void;

/** Lines of one cause: one a second; of alarms, one a second for each machine. In ms. */
const SAY_AGAIN = 1_000;
/** Causes and machines whose last line is remembered. */
const MAX_REMEMBERED = 1_000;

/** What is left out of the log is counted; the timeline has it all, within its own bounds. */
export function createComplain(
  logger: Logger,
  journal: Pick<Journal, 'count'>,
  clock: () => number,
): Complain {
  /** The oldest first. */
  const saidAt = new Map<string, number>();
  return (cause, level, fields, message) => {
    const now = clock();
    // Else a thief could raise alarms of another machine, and keep the one that matters out of the log.
    const what = cause.startsWith('alarm.') ? `${cause} ${String(fields['mac'])}` : cause;
    if (Math.abs(now - (saidAt.get(what) ?? Number.NEGATIVE_INFINITY)) < SAY_AGAIN) {
      journal.count(`http.unlogged.${cause}`);
      return;
    }
    saidAt.delete(what);
    saidAt.set(what, now);
    const [oldest] = saidAt.keys();
    if (saidAt.size > MAX_REMEMBERED && oldest !== undefined) saidAt.delete(oldest);
    const { err } = fields;
    logger[level](err instanceof Error ? { ...fields, err: masked(err) } : fields, message);
  };
}

/** What does not render is quoted in its error, and may hold the session's URL. */
function masked(error: Error) {
  const { name, message, stack = '', cause } = error;
  const problems = error instanceof TinderboxError ? error.problems.map(formatProblem) : [];
  return {
    type: name,
    message: maskSessionTokens(message),
    ...(problems.length === 0 ? {} : { problems: problems.map(maskSessionTokens) }),
    stack: maskSessionTokens(cause instanceof Error ? `${stack}\ncaused by: ${cause.stack}` : stack),
  };
}
