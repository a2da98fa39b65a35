import { TinderboxError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { AuditRecord } from '../audit-api.ts';
import type { GuessLimit } from './guess-limit.ts';

export interface TokenCheck {
  /** Throws `rate-limited` after too many wrong ones, `unauthenticated` if it is wrong. */
  require(isRight: boolean, address: string): void;
}

export interface TokenCheckOptions {
  readonly limit: GuessLimit;
  readonly record: (record: AuditRecord) => void;
  readonly logger: Pick<Logger, 'warn'>;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** Of failures that are written down, in ms: a guesser must not fill log and audit trail. */
const SAY_EVERY = 1_000;

export function createTokenCheck({ limit, record, logger, clock }: TokenCheckOptions): TokenCheck {
  let saidAt: number | undefined;
  let unsaid = 0;

  function noteFailure(address: string): void {
    limit.noteFailure(address);
    const now = clock();
    if (saidAt !== undefined && Math.abs(now - saidAt) < SAY_EVERY) {
      unsaid++;
      return;
    }
    const more = unsaid === 0 ? '' : `, and ${unsaid} more since the last one that was said`;
    saidAt = now;
    unsaid = 0;
    const detail = `a wrong token was given${more}`;
    logger.warn({ address }, `admin: ${detail}`);
    record({
      at: now,
      actor: { name: 'unknown', via: 'token', address },
      action: 'login',
      outcome: 'refused',
      detail,
    });
  }

  return {
    require(isRight, address) {
      const seconds = limit.wait(address);
      if (seconds > 0) {
        throw new TinderboxError('rate-limited', `too many wrong tokens: try again in ${seconds} s`, {
          remedy: 'On the host, sudo tinderbox token shows the right one.',
          retryAfter: seconds,
        });
      }
      if (isRight) return limit.noteSuccess(address);
      noteFailure(address);
      throw new TinderboxError('unauthenticated', 'this is not the token', {
        remedy: 'On the host, sudo tinderbox token shows it.',
      });
    },
  };
}
