import { TinderboxError } from '../errors.ts';
import { LOG_LEVELS, LOGGER_NAMES } from '../logger.ts';
import { type Mac, parseMac } from '../machine/mac.ts';
import type { Page } from '../store/port.ts';
import type { ApproveRequest, AssignRequest, LogChange, SigningTokenRequest } from './api.ts';

type Fields = Readonly<Record<string, unknown>>;

const PAGE_LIMIT = 1_000;
const DEFAULT_PAGE = 100;
const DEFAULT_EVENTS = 1_000;

/** Each throws TinderboxError `usage` on what it cannot read. */
export function readMac(value: unknown): Mac {
  const mac = typeof value === 'string' ? parseMac(value) : undefined;
  if (mac === undefined) {
    throw new TinderboxError('usage', `${JSON.stringify(value) ?? 'nothing'} is no MAC`, {
      remedy: 'write it as 52:54:00:12:34:56',
    });
  }
  return mac;
}

export function readPage(query: Fields): Page {
  const limit = readCount(query, 'limit', 1) ?? DEFAULT_PAGE;
  return { limit: Math.min(limit, PAGE_LIMIT), offset: readCount(query, 'offset', 0) ?? 0 };
}

export function readEventQuery(query: Fields): { readonly sessionId?: number; readonly limit: number } {
  const sessionId = readCount(query, 'session', 1);
  const limit = Math.min(readCount(query, 'limit', 1) ?? DEFAULT_EVENTS, 10 * PAGE_LIMIT);
  return { limit, ...(sessionId === undefined ? {} : { sessionId }) };
}

/** Of a console: the number of the last line that one has. */
export function readAfter(query: Fields): number {
  return readCount(query, 'after', 0) ?? 0;
}

export function readAssignment(body: unknown): AssignRequest {
  const { once, ...texts } = typeof body === 'object' && body !== null ? (body as Fields) : {};
  if (once !== undefined && typeof once !== 'boolean')
    throw new TinderboxError('usage', 'once is neither true nor false');
  const { mac, role, ...rest } = readTexts(
    typeof body === 'object' && body !== null ? texts : body,
    ['mac', 'role', 'hostname', 'address', 'revision'],
    ['once'],
  );
  if (role === '' || (role === undefined && once !== false))
    throw new TinderboxError('usage', 'role is missing');
  return {
    mac: readMac(mac),
    ...(role === undefined ? {} : { role }),
    ...(once === undefined ? {} : { once }),
    ...rest,
  };
}

export function readApproval(body: unknown): ApproveRequest {
  const { mac, ...rest } = readTexts(body, ['mac', 'role', 'hostname', 'address', 'revision']);
  return { mac: readMac(mac), ...rest };
}

export function readForget(body: unknown): Mac {
  return readMac(readTexts(body, ['mac']).mac);
}

/** A JSON object of texts, without other keys than these. */
function readTexts<Key extends string>(
  body: unknown,
  allowed: readonly Key[],
  others: readonly string[] = [],
): { readonly [key in Key]?: string } {
  if (typeof body !== 'object' || body === null)
    throw new TinderboxError('usage', 'the body is no JSON object');
  for (const [key, value] of Object.entries(body)) {
    if (!allowed.includes(key as Key)) {
      throw new TinderboxError('usage', `unknown key ${JSON.stringify(key)}`, {
        remedy: `allowed are ${[...allowed, ...others].join(', ')}`,
      });
    }
    if (typeof value !== 'string') throw new TinderboxError('usage', `${key} is no text`);
  }
  return body;
}

const MAX_DAYS = 30;

export function readSigningToken(mac: unknown, body: unknown): SigningTokenRequest {
  const { days, ...others } = typeof body === 'object' && body !== null ? (body as Fields) : {};
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new TinderboxError('usage', `unknown key ${JSON.stringify(unknown)}`, {
      remedy: 'allowed is days',
    });
  }
  if (typeof days !== 'number' || !Number.isInteger(days) || days < 1 || days > MAX_DAYS) {
    throw new TinderboxError('usage', `days is no whole number from 1 to ${MAX_DAYS}`);
  }
  return { mac: readMac(mac), days };
}

/** A level that was forgotten is not to fill a disk for ever. */
const MAX_LOG_SECONDS = 7 * 86_400;

export function readLogChange(body: unknown): LogChange {
  if (typeof body !== 'object' || body === null)
    throw new TinderboxError('usage', 'the body is no JSON object');
  const { reset, level, part, trace, seconds, ...others } = body as Fields;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new TinderboxError('usage', `unknown key ${JSON.stringify(unknown)}`, {
      remedy: 'allowed are reset, level, part, trace, seconds',
    });
  }
  if (reset !== undefined && reset !== true) throw new TinderboxError('usage', 'reset is not true');
  if (typeof seconds !== 'number' || !Number.isInteger(seconds) || seconds < 1 || seconds > MAX_LOG_SECONDS) {
    throw new TinderboxError('usage', `seconds is no whole number from 1 to ${MAX_LOG_SECONDS}`);
  }
  const known = oneOf('level', level, LOG_LEVELS);
  const named = oneOf('part', part, LOGGER_NAMES);
  if (named === 'trace') throw new TinderboxError('usage', 'the part trace has no level of its own');
  return {
    seconds,
    ...(reset === true ? { reset } : {}),
    ...(known === undefined ? {} : { level: known }),
    ...(named === undefined ? {} : { part: named }),
    ...(trace === undefined ? {} : { trace: readMac(trace) }),
  };
}

function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T | undefined {
  if (value === undefined) return undefined;
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  throw new TinderboxError('usage', `${name} is ${JSON.stringify(value)}`, {
    remedy: `allowed are ${allowed.join(', ')}`,
  });
}

function readCount(query: Fields, name: string, least: number): number | undefined {
  const value = query[name];
  if (value === undefined) return undefined;
  const count = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : -1;
  if (count < least) {
    throw new TinderboxError(
      'usage',
      `${name} is ${JSON.stringify(value)}, not a whole number of at least ${least}`,
    );
  }
  return count;
}
