import { toTinderboxError } from './errors.ts';
import type { Logger } from './logger.ts';

export interface HealthWatchOptions {
  /** The service manager ends what was silent for so many milliseconds. */
  readonly limit: number;
  /** Resolves when all that must answer has answered. */
  readonly probe: () => Promise<unknown>;
  readonly alive: () => void;
  readonly logger: Pick<Logger, 'error' | 'info'>;
}

/**
 * Says at half the interval that the daemon lives, if the probe's answer came. That this runs at all shows that the event
 * loop turns. One probe at a time: one that never comes back is the sign, not a queue of them.
 */
export function watchHealth({ limit, probe, alive, logger }: HealthWatchOptions): Disposable {
  let isAsking = false;
  let isIll = false;

  const ask = async (): Promise<void> => {
    isAsking = true;
    try {
      await probe();
      if (isIll) logger.info('it answers again');
      isIll = false;
      alive();
    } catch (thrown) {
      complain(toTinderboxError(thrown).message);
    } finally {
      isAsking = false;
    }
  };
  const complain = (reason: string): void => {
    if (!isIll)
      logger.error(`not healthy: ${reason}; the service is restarted if that lasts for ${limit / 1000} s`);
    isIll = true;
  };

  const timer = setInterval(() => {
    if (isAsking) complain('the database has not answered');
    else void ask();
  }, limit / 2);
  // A service that stops must not wait for it.
  timer.unref();
  void ask();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
