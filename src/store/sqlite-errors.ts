import { TinderboxError, toTinderboxError } from '../errors.ts';

/** The one failure of input and output that always is a lack of room: the file beside the database could not grow. */
const NO_ROOM_FOR_SHM = 'SQLITE_IOERR_SHMSIZE';

/**
 * What SQLite threw, as what the operator can do about it. Codes: https://www.sqlite.org/rescode.html; better-sqlite3
 * gives the extended name (`SQLITE_IOERR_WRITE`). `when`: a daemon that cannot open its database has ended; one that
 * cannot write goes on.
 */
export function sqliteError(
  thrown: unknown,
  file: string,
  when: 'opening' | 'running' = 'running',
): TinderboxError {
  if (thrown instanceof TinderboxError) return thrown;
  if (!(thrown instanceof Error)) return toTinderboxError(thrown);
  const code = (thrown as { code?: string }).code ?? '';
  const [, family] = /^SQLITE_([A-Z]+)/.exec(code) ?? [];
  const cause = thrown;
  // Also Node's own code, from making the file.
  switch (code === NO_ROOM_FOR_SHM ? 'FULL' : (family ?? code)) {
    case 'FULL':
    case 'ENOSPC':
    case 'EDQUOT':
      return new TinderboxError('unavailable', `the disk is full: ${file} cannot grow`, {
        cause,
        remedy: `Free space on the file system that holds ${file}${
          when === 'opening' ? ', then start Tinderbox again.' : '; the daemon goes on by itself then.'
        }`,
      });
    case 'READONLY':
    case 'PERM':
    case 'AUTH':
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new TinderboxError('refused', `${file} cannot be written (${thrown.message})`, {
        cause,
        remedy: `Give the daemon's user the right to write ${file} and its directory (what root's tinderbox serve made there: sudo chown -R tinderbox: …), and see that the file system is not mounted read-only.`,
      });
    case 'CANTOPEN':
      return new TinderboxError('unavailable', `${file} cannot be opened (${thrown.message})`, {
        cause,
        remedy:
          'See that its directory exists and that this user may write there (paths.state in tinderbox.yaml).',
      });
    case 'CORRUPT':
    case 'NOTADB':
      return new TinderboxError('unavailable', `${file} is damaged (${thrown.message})`, {
        cause,
        remedy: `Start the daemon (again): it sets ${file} aside, saves the leases that can be read and goes on with a new one. Or restore a backup: tinderbox restore.`,
      });
    case 'BUSY':
    case 'LOCKED':
      return new TinderboxError('busy', `${file} is locked by another program`, {
        cause,
        remedy: 'Close what has it open (another daemon, an sqlite3 shell) and try again.',
      });
    case 'IOERR':
      return new TinderboxError(
        'unavailable',
        `reading or writing ${file} failed (${thrown.message}, ${code})`,
        {
          cause,
          remedy: `See the kernel's log (dmesg) and the disk that holds ${file}.`,
        },
      );
    default:
      return toTinderboxError(thrown);
  }
}

/** The file itself is broken, so that trying again is of no use. */
export function isDamage(thrown: unknown): boolean {
  const { code } = thrown as { code?: unknown };
  return typeof code === 'string' && /^SQLITE_(CORRUPT|NOTADB)/.test(code);
}

/** A part of it cannot be read: a bad sector. While it is opened that is damage, since the next start would find the same. */
export function isUnreadable(thrown: unknown): boolean {
  const { code } = thrown as { code?: unknown };
  return code === 'SQLITE_IOERR_READ' || code === 'SQLITE_IOERR_CORRUPTFS';
}

/** `run`, so that it throws TinderboxError and nothing else. */
export function guarded<A extends readonly unknown[], R>(
  file: string,
  run: (...args: A) => R,
): (...args: A) => R {
  return (...args) => {
    try {
      return run(...args);
    } catch (error) {
      throw sqliteError(error, file);
    }
  };
}

/** An error that can cross a thread's border and be put together again there. */
export interface ErrorMessage {
  readonly code: TinderboxError['code'];
  readonly message: string;
  readonly remedy?: string;
  /** The database file is damaged. */
  readonly damage?: true;
}

export function errorToMessage(error: TinderboxError): ErrorMessage {
  return {
    ...(isDamage(error.cause ?? {}) ? { damage: true } : {}),
    code: error.code,
    message: error.message,
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
  };
}

export function errorFromMessage(message: ErrorMessage): TinderboxError {
  return new TinderboxError(
    message.code,
    message.message,
    message.remedy === undefined ? {} : { remedy: message.remedy },
  );
}
