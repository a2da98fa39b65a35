import type { Database } from 'better-sqlite3';
import type { AuditRecord, Page } from './port.ts';

/** Who changed what; the oldest go beyond the bound, and the tidying takes those that are too old. */
export interface SqliteAudit {
  appendAudit(entries: readonly AuditRecord[]): void;
  /** Newest first. */
  listAudit(page: Page): readonly AuditRecord[];
}

interface AuditRow {
  readonly at: number;
  readonly actor: string;
  readonly via: string;
  readonly address: string | null;
  readonly action: string;
  readonly target: string | null;
  readonly outcome: string;
  readonly detail: string;
}

/** Longer texts are cut: a message may name a file with a long path. */
const TEXT_LENGTH = 512;

/** How many stay. */
export interface AuditLimits {
  readonly audit: number;
  /** Of these, wrong tokens: whoever guesses for a day must not push out what was changed. */
  readonly auditGuesses: number;
}

const IS_GUESS = `action = 'login' AND outcome = 'refused'`;

export function prepareAudit(
  database: Database,
  { audit: rows, auditGuesses }: AuditLimits,
): SqliteAudit['appendAudit'] {
  const put = database.prepare<AuditRow>(
    `INSERT INTO audit (at, actor, via, address, action, target, outcome, detail)
     VALUES (@at, @actor, @via, @address, @action, @target, @outcome, @detail)`,
  );
  // By how many there are, not by their numbers, which have gaps.
  const prune = database.prepare<[number]>(
    'DELETE FROM audit WHERE id <= (SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET ?)',
  );
  const pruneGuesses = database.prepare<[number]>(
    `DELETE FROM audit WHERE ${IS_GUESS}
       AND id <= (SELECT id FROM audit WHERE ${IS_GUESS} ORDER BY id DESC LIMIT 1 OFFSET ?)`,
  );
  const write = database.transaction((entries: readonly AuditRecord[]) => {
    for (const entry of entries) put.run(rowOf(entry));
    if (entries.some(({ action, outcome }) => action === 'login' && outcome === 'refused'))
      pruneGuesses.run(auditGuesses);
    prune.run(rows);
  });
  return (entries) => write.immediate(entries);
}

export function prepareAuditList(database: Database): SqliteAudit['listAudit'] {
  const list = database.prepare<[number, number], AuditRow>(
    'SELECT at, actor, via, address, action, target, outcome, detail FROM audit ORDER BY id DESC LIMIT ? OFFSET ?',
  );
  return ({ limit, offset }) => list.all(limit, offset).map(entryOf);
}

function rowOf({ actor, target, ...entry }: AuditRecord): AuditRow {
  return {
    at: entry.at,
    actor: cut(actor.name),
    via: actor.via,
    address: actor.address ?? null,
    action: cut(entry.action),
    target: target === undefined ? null : cut(target),
    outcome: entry.outcome,
    detail: cut(entry.detail),
  };
}

function entryOf({ actor, via, address, target, ...row }: AuditRow): AuditRecord {
  return {
    at: row.at,
    actor: {
      name: actor,
      via: via as AuditRecord['actor']['via'],
      ...(address === null ? {} : { address }),
    },
    action: row.action,
    ...(target === null ? {} : { target }),
    outcome: row.outcome as AuditRecord['outcome'],
    detail: row.detail,
  };
}

function cut(text: string): string {
  return text.slice(0, TEXT_LENGTH);
}
