import type { Logger } from '../logger.ts';

/** Milliseconds between two lines of one cause. */
const PAUSE = 1_000;

/** Logs a warning at most once a second for each cause, with how many were held back. Causes are fixed texts. */
export type Warn = (cause: string, details: Readonly<Record<string, unknown>>) => void;

export function createWarnings(logger: Logger, now: () => number): Warn {
  const causes = new Map<string, { last: number; held: number }>();
  return (cause, details) => {
    const at = now();
    const known = causes.get(cause);
    if (known !== undefined && at - known.last < PAUSE) {
      known.held++;
      return;
    }
    logger.warn(known === undefined || known.held === 0 ? details : { ...details, held: known.held }, cause);
    causes.set(cause, { last: at, held: 0 });
  };
}
