import { printable } from '../document/printable.ts';
import { TinderboxError } from '../errors.ts';

/** What went wrong, and whether the same may work in a moment. */
export interface TransportFailure {
  readonly again: boolean;
  readonly error: TinderboxError;
  /** Milliseconds that the server asked for. */
  readonly after?: number;
}

/** Codes of Node and undici that pass by themselves. */
const PASSING: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: 'it does not take the connection',
  UND_ERR_HEADERS_TIMEOUT: 'it does not answer',
  UND_ERR_BODY_TIMEOUT: 'it stopped sending',
  UND_ERR_SOCKET: 'the connection was lost',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the connection was lost',
  ECONNRESET: 'the connection was lost',
  ECONNREFUSED: 'it refuses the connection',
  ECONNABORTED: 'the connection was lost',
  EPIPE: 'the connection was lost',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
  EAI_AGAIN: 'its name cannot be looked up now',
};

const MOST_AFTER = 60_000;

/** Of what a request or its body threw. */
export function explainTransport(thrown: unknown, url: string): TransportFailure {
  if (thrown instanceof TinderboxError) return { again: false, error: thrown };
  const { host } = new URL(url);
  for (const code of codesOf(thrown)) {
    const why = PASSING[code];
    if (why === undefined) continue;
    return { again: true, error: failed('unavailable', `${host}: ${why} (${url})`, thrown) };
  }
  const [code] = codesOf(thrown);
  const message = printable((thrown as Error).message);
  if (code === 'ENOTFOUND') {
    return { again: false, error: failed('unavailable', `there is no host ${host} (${url})`, thrown) };
  }
  if ((thrown as Error).name === 'HTTPParserError') {
    return { again: false, error: failed('refused', `${host} answers what is no HTTP: ${message}`, thrown) };
  }
  return { again: false, error: failed('unavailable', `${url} cannot be fetched: ${message}`, thrown) };
}

/** Of an answer that has not what was asked for. */
export function explainStatus(
  status: number,
  url: string,
  headers: Readonly<Record<string, string | undefined>>,
): TransportFailure {
  if (status === 404 || status === 410) {
    const error = new TinderboxError('not-found', `the mirror has no ${url} (${status})`, {
      remedy: 'Is it a version, and a processor, that the vendor has? Mirrors keep the newest ones only.',
    });
    return { again: false, error };
  }
  // 508: it would ask itself in the end (RFC 5842, 7.2), the next time as well.
  const again = status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 508);
  const seconds = Number(headers['retry-after']);
  return {
    again,
    error: failed(again ? 'unavailable' : 'refused', `${url} was answered with ${status}`),
    ...(seconds > 0 ? { after: Math.min(seconds * 1000, MOST_AFTER) } : {}),
  };
}

function failed(code: 'unavailable' | 'refused', message: string, cause?: unknown): TinderboxError {
  return new TinderboxError(code, message, {
    cause,
    remedy:
      'Try again later, or another mirror: --mirror URL. Proxies are taken from http_proxy, https_proxy and no_proxy.',
  });
}

/** Its own and those of what caused it: Node packs the attempts on several addresses into one error. */
function codesOf(thrown: unknown): readonly string[] {
  if (!(thrown instanceof Error)) return [];
  const { code } = thrown as NodeJS.ErrnoException;
  const inner = thrown instanceof AggregateError ? thrown.errors.flatMap(codesOf) : codesOf(thrown.cause);
  return [...(code === undefined ? [] : [code]), ...inner];
}
