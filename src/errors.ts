/**
 * The closed set of ways in which Tinderbox refuses. Mapped once at each edge: the CLI turns `usage` into exit
 * code 2 and the rest into 1; the provisioning plane turns them into HTTP statuses.
 */
export const ERROR_CODES = [
  'usage',
  'invalid-config',
  'invalid-catalog',
  'invalid-template',
  'not-found',
  'expired',
  'refused',
  'unauthenticated',
  'conflict',
  'not-writable',
  'rate-limited',
  'busy',
  'in-use',
  'unavailable',
  'newer-database',
  'malformed-packet',
  'internal',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** One thing that is wrong, where it is, and what to do about it. Lines and columns count from 1. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly remedy?: string;
}

/** A field of a request that is wrong. */
export interface FieldProblem {
  /** A JSON pointer in a URI fragment (RFC 6901): `#/hostname`. */
  readonly pointer: string;
  readonly detail: string;
}

export interface TinderboxErrorOptions {
  readonly cause?: unknown;
  /** What the operator can do, as an imperative sentence. */
  readonly remedy?: string;
  readonly problems?: readonly Problem[];
  readonly fields?: readonly FieldProblem[];
  /** Seconds after which it may be tried again. */
  readonly retryAfter?: number;
}

/** The one error class. Its message says what is wrong; `remedy` says what to do. */
export class TinderboxError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string | undefined;
  readonly problems: readonly Problem[];
  readonly fields: readonly FieldProblem[];
  readonly retryAfter: number | undefined;

  constructor(code: ErrorCode, message: string, options: TinderboxErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TinderboxError';
    this.code = code;
    this.remedy = options.remedy;
    this.problems = options.problems ?? [];
    this.fields = options.fields ?? [];
    this.retryAfter = options.retryAfter;
  }
}

/** Total: whatever was thrown becomes a TinderboxError; Node's own errors keep their text as the message. */
export function toTinderboxError(thrown: unknown): TinderboxError {
  if (thrown instanceof TinderboxError) return thrown;
  if (!(thrown instanceof Error)) return new TinderboxError('internal', String(thrown));
  return new TinderboxError(codeOfNodeError(thrown), thrown.message, { cause: thrown });
}

function codeOfNodeError(error: Error): ErrorCode {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ENODEV':
      return 'not-found';
    case 'EADDRINUSE':
      return 'in-use';
    case 'EACCES':
    case 'EPERM':
      return 'refused';
    case 'EMFILE':
    case 'ENOSPC':
    case 'ENETUNREACH':
    case 'ENETDOWN':
    case 'ECONNREFUSED':
      return 'unavailable';
    default:
      return 'internal';
  }
}

/** `file:line:column: message (remedy)`, leaving out what is not known. */
export function formatProblem(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(':');
  const text = place === '' ? problem.message : `${place}: ${problem.message}`;
  return problem.remedy === undefined ? text : `${text}\n    ${problem.remedy}`;
}
