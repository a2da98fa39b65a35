import type { Database } from 'better-sqlite3';
import type { Mac } from '../machine/mac.ts';
import type { OnceUse } from '../machine/once.ts';

/** A row of `once_uses`. Without a foreign key: a use outlives a machine that is pruned. */
export interface OnceRow {
  readonly mac: string;
  readonly role: string;
  readonly since: number;
  readonly tries: number;
  readonly session: number | null;
  readonly done_at: number | null;
  /** 0 or 1. */
  readonly unknown: number;
}

export interface SqliteOnce {
  putOnceUse(use: OnceUse): void;
  dropOnceUse(mac: Mac): void;
  /** All of them, and nothing is unknown besides. */
  holdOnceUses(uses: readonly OnceUse[]): void;
}

export function prepareOnce(database: Database): SqliteOnce {
  const put = database.prepare<OnceRow>(PUT_ONCE);
  const drop = database.prepare<[string]>('DELETE FROM once_uses WHERE mac = ?');
  const settle = database.prepare("DELETE FROM notes WHERE name = 'once_unknown'");
  const hold = database.transaction((uses: readonly OnceUse[]) => {
    for (const use of uses) put.run(onceToRow(use));
    settle.run();
  });
  return {
    putOnceUse: (use) => void put.run(onceToRow(use)),
    dropOnceUse: (mac) => void drop.run(mac),
    holdOnceUses: (uses) => hold.immediate(uses),
  };
}

export const PUT_ONCE = `INSERT INTO once_uses (mac, role, since, tries, session, done_at, unknown)
  VALUES (@mac, @role, @since, @tries, @session, @done_at, @unknown)
  ON CONFLICT (mac) DO UPDATE SET role = excluded.role, since = excluded.since, tries = excluded.tries,
    session = excluded.session, done_at = excluded.done_at, unknown = excluded.unknown`;

/** Has every `once:` that did not succeed wait for a person: this database may not know that it did. */
export function noteOnceUnknown(database: Database, now: number): void {
  database.prepare('INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)').run('once_unknown', now);
}

export function isOnceUnknown(database: Database): boolean {
  return database.prepare("SELECT 1 FROM notes WHERE name = 'once_unknown'").get() !== undefined;
}

export function listOnce(database: Database): () => readonly OnceUse[] {
  const all = database.prepare<[], OnceRow>('SELECT * FROM once_uses ORDER BY mac');
  return () => all.all().map(onceFromRow);
}

function onceToRow({ mac, role, since, tries, sessionId, doneAt, isUnknown }: OnceUse): OnceRow {
  return {
    mac,
    role,
    since,
    tries,
    session: sessionId ?? null,
    done_at: doneAt ?? null,
    unknown: isUnknown === true ? 1 : 0,
  };
}

function onceFromRow({ mac, role, since, tries, session, done_at, unknown }: OnceRow): OnceUse {
  return {
    mac: mac as Mac,
    role,
    since,
    tries,
    ...(session === null ? {} : { sessionId: session }),
    ...(done_at === null ? {} : { doneAt: done_at }),
    ...(unknown === 0 ? {} : { isUnknown: true }),
  };
}
