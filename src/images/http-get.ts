import type { Readable } from 'node:stream';
import { printable } from '../document/printable.ts';
import { TinderboxError } from '../errors.ts';

/** Milliseconds. */
export interface HttpTimes {
  readonly connect: number;
  /** From the request to the last header. */
  readonly headers: number;
  /** Without a byte of the body. */
  readonly stall: number;
}

export const HTTP_TIMES: HttpTimes = { connect: 15_000, headers: 30_000, stall: 30_000 };

/** As mirrors' networks have them; a loop ends here. */
const MOST_REDIRECTS = 5;

export interface HttpOptions {
  readonly times?: Partial<HttpTimes>;
  /** '' each: none. Never read from the environment here. */
  readonly proxies?: { readonly http: string; readonly https: string; readonly none: string };
  /** Where a request was sent on to. */
  readonly onRedirect?: (from: string, to: string) => void;
  /** `same-host`: to another one is refused. Absent: any, but from https to http. */
  readonly redirects?: 'any' | 'same-host';
}

export interface HttpRequest {
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** The body must be read to its end or destroyed. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** After all redirects. */
  readonly url: string;
  readonly body: Readable;
}

export interface HttpSource extends AsyncDisposable {
  /** Throws TinderboxError `refused` on a redirect that is not followed, else what the transport threw: explainTransport. */
  get(url: string, request?: HttpRequest): Promise<HttpResponse>;
}

/** undici is loaded here, not with this file: few commands need it. */
export async function openHttp(options: HttpOptions = {}): Promise<HttpSource> {
  const { EnvHttpProxyAgent, request } = await import('undici');
  const times = { ...HTTP_TIMES, ...options.times };
  const { http = '', https = '', none = '' } = options.proxies ?? {};
  const agent = new EnvHttpProxyAgent({
    httpProxy: http,
    httpsProxy: https,
    noProxy: none,
    connect: { timeout: times.connect },
    headersTimeout: times.headers,
    bodyTimeout: times.stall,
  });
  return {
    async get(url, { method = 'GET', headers = {}, signal } = {}) {
      let at = requireUrl(url);
      for (let redirects = 0; ; redirects++) {
        const answer = await request(at, {
          dispatcher: agent,
          method,
          // What is measured is the file, not a packed form of it.
          headers: { 'accept-encoding': 'identity', 'user-agent': 'tinderbox', ...headers },
          signal: signal ?? null,
        });
        const { location } = answer.headers;
        if (![301, 302, 303, 307, 308].includes(answer.statusCode) || typeof location !== 'string') {
          return {
            status: answer.statusCode,
            headers: flat(answer.headers),
            url: at.href,
            body: answer.body,
          };
        }
        answer.body.on('error', () => undefined).destroy();
        const next = requireUrl(location, at);
        if (redirects === MOST_REDIRECTS) {
          throw refuse(`${url} was redirected more than ${MOST_REDIRECTS} times, at last to ${next.href}`);
        }
        if (at.protocol === 'https:' && next.protocol === 'http:') {
          throw refuse(`${at.href} redirects from https to plain http: ${next.href}`);
        }
        if (options.redirects === 'same-host' && at.host !== next.host) {
          throw refuse(`${at.href} redirects to another host: ${next.href}`);
        }
        options.onRedirect?.(at.href, next.href);
        at = next;
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

/** Throws TinderboxError `refused` for what is no http or https URL. */
function requireUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  throw refuse(
    `${base === undefined ? 'the mirror has' : `${base.href} redirects to`} no http or https URL: ${printable(text)}`,
  );
}

function refuse(message: string): TinderboxError {
  return new TinderboxError('refused', message, { remedy: 'Try another mirror: --mirror URL.' });
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>) {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}
