import { ERROR_CODES, type ErrorCode, TinderboxError } from '../errors.ts';
import { PROBLEM_TYPE, type ProblemDocument } from './api.ts';

/** The one place where the admin plane turns an error into a status. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  usage: 400,
  'invalid-config': 422,
  'invalid-catalog': 422,
  'invalid-template': 422,
  'not-found': 404,
  expired: 410,
  refused: 403,
  unauthenticated: 401,
  conflict: 409,
  'not-writable': 500,
  'rate-limited': 429,
  busy: 503,
  'in-use': 409,
  unavailable: 503,
  'newer-database': 500,
  'malformed-packet': 400,
  internal: 500,
};

export function problemOf(error: TinderboxError): ProblemDocument {
  return {
    type: `${PROBLEM_TYPE}${error.code}`,
    title: error.code.replaceAll('-', ' '),
    status: STATUS[error.code],
    // An unforeseen error's text is for the log: it may name anything.
    detail:
      error.code === 'internal'
        ? 'something went wrong; the reason is in the log of tinderbox'
        : error.message,
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    ...(error.problems.length === 0 ? {} : { problems: error.problems }),
    ...(error.fields.length === 0 ? {} : { errors: error.fields }),
  };
}

/** The other way round, for the client. Total: what is no problem document becomes `internal`. */
export function errorOf(status: number, body: unknown): TinderboxError {
  const { type, detail, remedy, problems, errors } = (body ?? {}) as Partial<ProblemDocument>;
  const code = ERROR_CODES.find((known) => type === PROBLEM_TYPE + known) ?? 'internal';
  return new TinderboxError(code, detail ?? `the daemon answered with status ${status}`, {
    ...(remedy === undefined ? {} : { remedy }),
    ...(problems === undefined ? {} : { problems }),
    ...(errors === undefined ? {} : { fields: errors }),
  });
}
