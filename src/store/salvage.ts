import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import Sqlite, { type Database } from 'better-sqlite3';
import { parseMac } from '../machine/mac.ts';
import type { AdmissionRecord } from './port.ts';
import { COMPANIONS } from './set-aside.ts';
import type { OnceRow } from './sqlite-once.ts';
import type { LeaseRow } from './sqlite-rows.ts';

/** What can still be read of a damaged database and must not be lost: who has which address, who was let in, and what was booted once. */
export interface Salvage {
  readonly leases: readonly LeaseRow[];
  readonly admissions: readonly AdmissionRecord[];
  readonly onceUses: readonly OnceRow[];
}

/** The longest lease that DHCP can name, in ms: what ends later is garbage. */
const LONGEST = 0xffffffff * 1000;
const HIGHEST_ADDRESS = 0xffffffff;
/** Bytes: many times what the store's bounds allow. */
const MAX_LENGTH = 4 * 1024 ** 3;

/** Reads as far as it goes, from both ends. Never throws, and leaves the file as it is. */
export function salvage(file: string, now: number): Salvage {
  const filled = `${file}.salvage.part`;
  try {
    const length = lengthByHeader(file);
    if (length === undefined || length <= statSync(file).size) return readAll(file, now);
    // SQLite reads nothing of a file that was cut off; of one with empty pages at its end it reads the others.
    copyFileSync(file, filled);
    if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${filled}-wal`);
    truncateSync(filled, length);
    return readAll(filled, now);
  } catch {
    return { leases: [], admissions: [], onceUses: [] };
  } finally {
    for (const suffix of ['', ...COMPANIONS]) rmSync(`${filled}${suffix}`, { force: true });
  }
}

function readAll(file: string, now: number): Salvage {
  const database = new Sqlite(file, { readonly: true, fileMustExist: true });
  try {
    const leases = readRows<LeaseRow>(database, 'leases', 'address').filter((row) => isLease(row, now));
    const admissions = readRows<AdmissionRecord>(database, 'admissions', 'mac').filter(isAdmission);
    const onceUses = readRows<OnceRow>(database, 'once_uses', 'mac').filter(isOnceUse);
    return { leases, admissions, onceUses };
  } finally {
    database.close();
  }
}

/** The database header: page size at 16 (1 means 65536), pages at 28 (https://www.sqlite.org/fileformat2.html). */
function lengthByHeader(file: string): number | undefined {
  const header = Buffer.alloc(32);
  const descriptor = openSync(file, 'r');
  try {
    if (readSync(descriptor, header, 0, 32, 0) < 32) return undefined;
  } finally {
    closeSync(descriptor);
  }
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  const length = pageSize * header.readUInt32BE(28);
  // A header that is damaged itself may name any length.
  return length <= MAX_LENGTH ? length : undefined;
}

function readRows<Row extends object>(database: Database, table: string, key: keyof Row & string): Row[] {
  const found = new Map<unknown, Row>();
  // A damaged page ends the walk from one side; behind it the other side may still be sound.
  for (const order of ['ASC', 'DESC']) {
    try {
      for (const row of database
        .prepare<[], Row>(`SELECT * FROM ${table} ORDER BY ${key} ${order}`)
        .iterate())
        found.set(row[key], row);
    } catch {
      // As far as it went.
    }
  }
  return [...found.values()];
}

function isLease({ address, mac, state, expires_at }: LeaseRow, now: number): boolean {
  return (
    Number.isInteger(address) &&
    address >= 0 &&
    address <= HIGHEST_ADDRESS &&
    typeof mac === 'string' &&
    parseMac(mac) === mac &&
    ['bound', 'released', 'declined'].includes(state) &&
    Number.isFinite(expires_at) &&
    expires_at <= now + LONGEST
  );
}

function isOnceUse({ mac, role, since, tries, session, done_at, unknown }: OnceRow): boolean {
  return (
    typeof mac === 'string' &&
    parseMac(mac) === mac &&
    typeof role === 'string' &&
    [since, tries].every(Number.isSafeInteger) &&
    [session, done_at].every((value) => value === null || Number.isSafeInteger(value)) &&
    (unknown === 0 || unknown === 1)
  );
}

function isAdmission({ mac, rule, at }: AdmissionRecord): boolean {
  return typeof mac === 'string' && parseMac(mac) === mac && typeof rule === 'string' && Number.isFinite(at);
}
