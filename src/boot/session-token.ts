import { hash, timingSafeEqual } from 'node:crypto';
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
  const authenticate = createAuthenticator(key);
  const sign = (session: Pick<BootSession, 'id' | 'mac' | 'openedAt'>): string =>
    authenticate(`${session.id}|${session.mac}|${session.openedAt}`).slice(0, MAC_CHARACTERS);

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

const SHA256_BLOCK = 64;

/**
 * HMAC-SHA256 (RFC 2104) of an ASCII text, in base64url. Two hashes in one call each: an Hmac object of node:crypto takes
 * seven times as long to make (29 µs), and every script and configuration needs one. `key`: at most a block.
 */
export function createAuthenticator(key: Uint8Array): (text: string) => string {
  const padded = (byte: number): Buffer =>
    Buffer.alloc(SHA256_BLOCK, byte).map((one, at) => one ^ (key[at] ?? 0)) as Buffer;
  const inner = padded(0x36);
  const outer = padded(0x5c);
  return (text) => {
    const digest = hash('sha256', Buffer.concat([inner, Buffer.from(text, 'latin1')]), 'buffer');
    return hash('sha256', Buffer.concat([outer, digest]), 'base64url');
  };
}

/**
 * For logs and events: keeps the session's number, hides the rest of every token in the text, and of whatever else
 * stands in its place in a URL.
 */
export function maskSessionTokens(text: string): string {
  // Two looks that cost little, at what most texts have not.
  if (!text.includes('/boot/') && !LONG_WORD.test(text)) return text;
  return text
    .replace(/(\/boot\/)(\d{0,15})[^/?#\s]*/g, '$1$2-…')
    .replace(/(\d{1,15})-[A-Za-z0-9_-]{32}/g, '$1-…');
}

const LONG_WORD = /-[A-Za-z0-9_-]{32}/;

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
