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

/** Lines of one cause: one a second. In ms. */
const SAY_AGAIN = 1_000;

/** What is left out of the log is counted; the timeline has it all, within its own bounds. */
export function createComplain(
  logger: Logger,
  journal: Pick<Journal, 'count'>,
  clock: () => number,
): Complain {
  const saidAt = new Map<Complaint, number>();
  return (cause, level, fields, message) => {
    const now = clock();
    if (Math.abs(now - (saidAt.get(cause) ?? Number.NEGATIVE_INFINITY)) < SAY_AGAIN) {
      journal.count(`http.unlogged.${cause}`);
      return;
    }
    saidAt.set(cause, now);
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
