import type { Logger } from '../logger.ts';
import { sayRarely } from './say-rarely.ts';

/** Milliseconds between two lines of one cause. */
const PAUSE = 1_000;

/** Logs a warning at most once a second for each cause, with how many were held back. Causes are fixed texts. */
export type Warn = (cause: string, details: Readonly<Record<string, unknown>>) => void;

export function createWarnings(logger: Logger, now: () => number): Warn {
  const turn = sayRarely(PAUSE, now);
  return (cause, details) => {
    const said = turn(cause);
    if (said === undefined) return;
    logger.warn(said.held === 0 ? details : { ...details, held: said.held }, cause);
  };
}
