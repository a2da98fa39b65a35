import { createHmac, timingSafeEqual } from 'node:crypto';
import type { BootSession } from '../machine/session.ts';

/** 192 bits of the HMAC, in base64url: short enough for a kernel command line, far beyond guessing. */
const MAC_CHARACTERS = 32;
export const SESSION_KEY_BYTES = 32;

/** The unguessable name of a boot session in URLs. It is a secret: it must never reach a log or an event. */
export interface SessionTokens {
  tokenFor(session: Pick<BootSession, 'id' | 'mac' | 'openedAt'>): string;
  /** The session's number; undefined for a token that was not made here, or of a session that is forgotten. */
  resolve(token: string): number | undefined;
}

/**
 * Tokens are computed, not stored: `<id>-<HMAC-SHA256(key, id|mac|openedAt)>`, so that URLs outlive a restart of the
 * daemon and the database holds no secret. `key` has SESSION_KEY_BYTES bytes; throws a RangeError on another length.
 */
export function createSessionTokens(
  key: Uint8Array,
  sessionById: (id: number) => BootSession | undefined,
): SessionTokens {
  if (key.length !== SESSION_KEY_BYTES) {
    throw new RangeError(`a session key has ${SESSION_KEY_BYTES} bytes, not ${key.length}`);
  }
  const sign = (session: Pick<BootSession, 'id' | 'mac' | 'openedAt'>): string =>
    createHmac('sha256', key)
      .update(`${session.id}|${session.mac}|${session.openedAt}`)
      .digest('base64url')
      .slice(0, MAC_CHARACTERS);

  return {
    tokenFor: (session) => `${session.id}-${sign(session)}`,
    resolve(token) {
      const match = /^([1-9]\d{0,14})-([A-Za-z0-9_-]{32})$/.exec(token);
      if (match === null) return undefined;
      const session = sessionById(Number(match[1]));
      if (session === undefined) return undefined;
      const genuine = timingSafeEqual(Buffer.from(match[2] as string), Buffer.from(sign(session)));
      return genuine ? session.id : undefined;
    },
  };
}

/**
 * For logs and events: keeps the session's number, hides the rest of every token in the text, and of whatever else
 * stands in its place in a URL.
 */
export function maskSessionTokens(text: string): string {
  return text
    .replace(/(\/boot\/)(\d{0,15})[^/?#\s]*/g, '$1$2-…')
    .replace(/(\d{1,15})-[A-Za-z0-9_-]{32}/g, '$1-…');
}

/** For packets: as many characters as before, so that lengths in and around the text stay true. */
export function blankSessionTokens(text: string): string {
  return text
    .replace(/(\/boot\/\d{0,15})([^/?#\s]*)/g, blank)
    .replace(/(\d{1,15}-)([A-Za-z0-9_-]{32})/g, blank);
}

function blank(_match: string, kept: string, secret: string): string {
  return `${kept}${'x'.repeat(secret.length)}`;
}

/**
 * A request's target, masked. The router decodes it, so a token is looked for in what it means; a target without one
 * is kept as it was asked.
 */
export function maskTarget(target: string): string {
  const decoded = target.replace(/%([2-7][0-9a-f])/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const masked = maskSessionTokens(decoded);
  return masked === decoded ? target : masked;
}
