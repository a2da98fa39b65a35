import { createHash, createHmac, randomBytes } from 'node:crypto';

/** Browsers that have shown the token. In memory only: a restart ends them all. */
export interface LoginSessions {
  /** What the cookie holds; nothing here can be turned into it again. */
  open(): string;
  /** Undefined: there is none, or it has ended. Found is used. */
  find(cookie: string): LoginSession | undefined;
  close(cookie: string): void;
  /** With it ends what was let in by the token itself. */
  closeAll(): void;
  /** As LoginSession.whenEnded, but by closeAll alone. */
  whenAllEnd(end: () => void): () => void;
  /** Ends those whose time is over. */
  sweep(): void;
}

export interface LoginSession {
  /** What a form or a script of this session must show beside the cookie. */
  readonly csrfToken: string;
  /** Ends something with the session: called once, at once if it has ended. Returns how to take that back. */
  whenEnded(end: () => void): () => void;
}

interface Entry extends LoginSession {
  readonly openedAt: number;
  usedAt: number;
  readonly ends: Set<() => void>;
}

const HOUR = 3_600_000;
/** Without a request or an open stream. */
export const MOST_IDLE = 12 * HOUR;
/** Whatever happens in it. */
export const MOST_AGE = 7 * 24 * HOUR;
/** Beyond, the one unused for the longest ends. */
export const MOST_SESSIONS = 64;

export interface LoginSessionOptions {
  /** Milliseconds that never jump. */
  readonly uptime: () => number;
  readonly random?: (bytes: number) => Buffer;
}

export function createLoginSessions({ uptime, random = randomBytes }: LoginSessionOptions): LoginSessions {
  const sessions = new Map<string, Entry>();
  const key = random(32);
  const others = new Set<() => void>();

  const end = (hash: string): void => {
    const entry = sessions.get(hash);
    sessions.delete(hash);
    for (const each of entry?.ends ?? []) each();
    entry?.ends.clear();
  };
  const isOver = ({ openedAt, usedAt, ends }: Entry): boolean =>
    uptime() - openedAt >= MOST_AGE || (ends.size === 0 && uptime() - usedAt >= MOST_IDLE);

  return {
    open() {
      const cookie = random(32).toString('base64url');
      const hash = hashOf(cookie);
      const ends = new Set<() => void>();
      const now = uptime();
      // The first in the map was used the longest ago.
      const [oldest] = sessions.keys();
      if (sessions.size >= MOST_SESSIONS && oldest !== undefined) end(oldest);
      const entry: Entry = {
        openedAt: now,
        usedAt: now,
        ends,
        csrfToken: createHmac('sha256', key).update(hash).digest('base64url'),
        whenEnded(callback) {
          if (sessions.get(hash) !== entry) callback();
          else ends.add(callback);
          return () => void ends.delete(callback);
        },
      };
      sessions.set(hash, entry);
      return cookie;
    },
    find(cookie) {
      const hash = hashOf(cookie);
      const entry = sessions.get(hash);
      if (entry === undefined) return undefined;
      if (isOver(entry)) {
        end(hash);
        return undefined;
      }
      entry.usedAt = uptime();
      sessions.delete(hash);
      sessions.set(hash, entry);
      return entry;
    },
    close: (cookie) => end(hashOf(cookie)),
    closeAll() {
      for (const hash of sessions.keys()) end(hash);
      for (const each of others) each();
      others.clear();
    },
    whenAllEnd(callback) {
      others.add(callback);
      return () => void others.delete(callback);
    },
    sweep() {
      for (const [hash, entry] of sessions) if (isOver(entry)) end(hash);
    },
  };
}

/** Looked up by this: how long that takes says nothing of a cookie that is there. */
function hashOf(cookie: string): string {
  return createHash('sha256').update(cookie).digest('base64url');
}
