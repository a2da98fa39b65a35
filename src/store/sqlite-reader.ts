import { existsSync } from 'node:fs';
import Sqlite, { type Database } from 'better-sqlite3';
import { TinderboxError } from '../errors.ts';
import type { BootEvent } from '../machine/event.ts';
import type { Mac } from '../machine/mac.ts';
import type { OnceUse } from '../machine/once.ts';
import type { BootSession } from '../machine/session.ts';
import { prepareMachineLists } from './list-machines.ts';
import { inspectDatabase, MIGRATIONS } from './migrations.ts';
import type {
  AdmissionRecord,
  AuditRecord,
  FleetSummary,
  MachineOverview,
  MachineQuery,
  Page,
} from './port.ts';
import { prepareAuditList } from './sqlite-audit.ts';
import { guarded, sqliteError } from './sqlite-errors.ts';
import { listOnce } from './sqlite-once.ts';
import {
  type EventRow,
  eventFromRow,
  type MachineRow,
  machineFromRow,
  type SessionRow,
  sessionFromRow,
} from './sqlite-rows.ts';

/** Milliseconds to wait for another process's lock. */
export const BUSY_TIMEOUT = 2_000;

/** The questions of the store port, answered in the thread that asks. */
export interface SqliteReader {
  listMachines(query: MachineQuery): readonly MachineOverview[];
  summarizeMachines(query: Pick<MachineQuery, 'state' | 'role' | 'search'>): FleetSummary;
  findMachine(mac: Mac): MachineOverview | undefined;
  listSessions(mac: Mac, page: Page): readonly BootSession[];
  listEvents(query: {
    readonly mac: Mac;
    readonly sessionId?: number;
    readonly limit: number;
  }): readonly BootEvent[];
  listAdmissions(): readonly AdmissionRecord[];
  listOnceUses(): readonly OnceUse[];
  listAudit(page: Page): readonly AuditRecord[];
  close(): void;
}

/** For commands that run without a daemon. Nothing is created or migrated. */
export function openSqliteReader(file: string): SqliteReader {
  if (!existsSync(file)) {
    throw new TinderboxError('not-found', `there is no database at ${file}`, {
      remedy:
        'Start the daemon once (sudo systemctl start tinderbox, or sudo tinderbox serve), or see whether paths.state names the right directory.',
    });
  }
  let database: Database | undefined;
  try {
    database = new Sqlite(file, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT });
    const { version } = inspectDatabase(database, file);
    if (version < MIGRATIONS.length) {
      throw new TinderboxError(
        'unavailable',
        `${file} is of an older Tinderbox (schema version ${version})`,
        {
          remedy:
            'Start the daemon once (sudo systemctl start tinderbox, or sudo tinderbox serve): it brings the database up to date.',
        },
      );
    }
    return buildReader(database, file, () => database?.close());
  } catch (error) {
    database?.close();
    throw sqliteError(error, file);
  }
}

/** `close` ends what the caller opened. */
export function buildReader(database: Database, file: string, close: () => void): SqliteReader {
  const newestSession = database.prepare<[string], SessionRow>(
    'SELECT * FROM sessions WHERE mac = ? AND signing_until IS NULL ORDER BY id DESC LIMIT 1',
  );
  const newestToken = database.prepare<[string], SessionRow>(
    'SELECT * FROM sessions WHERE mac = ? AND signing_until IS NOT NULL ORDER BY id DESC LIMIT 1',
  );
  const machines = database.prepare<[number, number], MachineRow>(
    'SELECT * FROM machines ORDER BY last_seen DESC, mac LIMIT ? OFFSET ?',
  );
  const machine = database.prepare<[string], MachineRow>('SELECT * FROM machines WHERE mac = ?');
  const sessions = database.prepare<[string, number, number], SessionRow>(
    'SELECT * FROM sessions WHERE mac = ? ORDER BY id DESC LIMIT ? OFFSET ?',
  );
  const machineEvents = database.prepare<[string, number], EventRow>(
    'SELECT * FROM (SELECT * FROM events WHERE mac = ? ORDER BY id DESC LIMIT ?) ORDER BY id',
  );
  const sessionEvents = database.prepare<[number, string, number], EventRow>(
    'SELECT * FROM events WHERE session_id = ? AND mac = ? ORDER BY id LIMIT ?',
  );

  const admissions = database.prepare<[], AdmissionRecord>('SELECT * FROM admissions ORDER BY at, mac');

  const lists = prepareMachineLists(database);

  function overview(row: MachineRow): MachineOverview {
    const session = newestSession.get(row.mac) ?? newestToken.get(row.mac);
    return {
      machine: machineFromRow(row),
      ...(session === undefined ? {} : { session: sessionFromRow(session) }),
    };
  }

  return {
    listMachines: guarded(file, (query: MachineQuery) => {
      // By its index, however many there are: so the whole fleet is read, page by page.
      if (isPlain(query)) return machines.all(query.limit, query.offset).map(overview);
      return lists.macs(query).flatMap((mac) => {
        const row = machine.get(mac);
        return row === undefined ? [] : [overview(row)];
      });
    }),
    summarizeMachines: guarded(file, (query: Parameters<SqliteReader['summarizeMachines']>[0]) =>
      lists.summary(query),
    ),
    findMachine: guarded(file, (mac: Mac) => {
      const row = machine.get(mac);
      return row === undefined ? undefined : overview(row);
    }),
    listSessions: guarded(file, (mac: Mac, { limit, offset }: Page) =>
      sessions.all(mac, limit, offset).map(sessionFromRow),
    ),
    listEvents: guarded(file, (query: Parameters<SqliteReader['listEvents']>[0]) =>
      (query.sessionId === undefined
        ? machineEvents.all(query.mac, query.limit)
        : sessionEvents.all(query.sessionId, query.mac, query.limit)
      ).map(eventFromRow),
    ),
    listAdmissions: guarded(file, () => admissions.all()),
    listOnceUses: guarded(file, listOnce(database)),
    listAudit: guarded(file, prepareAuditList(database)),
    close: guarded(file, close),
  };
}

function isPlain({ state, role, search, sort = 'seen', reverse = true }: MachineQuery): boolean {
  return state === undefined && role === undefined && search === undefined && sort === 'seen' && reverse;
}
