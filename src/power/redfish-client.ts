import { readFile } from 'node:fs/promises';
import { isFromUnknownAuthority } from '../document/certificate-trouble.ts';
import { TinderboxError } from '../errors.ts';
import type { Redfish } from '../machine/power.ts';
import { printable } from './printable.ts';
import { readPassword } from './read-password.ts';

/** A resource of the service: JSON that nobody has looked at yet. */
export type Resource = Readonly<Record<string, unknown>>;

export interface RedfishClient extends AsyncDisposable {
  /** `path` is absolute. */
  get(path: string): Promise<{ readonly resource: Resource; readonly etag: string | undefined }>;
  patch(path: string, body: object, etag: string | undefined): Promise<void>;
  post(path: string, body: object): Promise<void>;
}

/** In ms. Controllers are slow, but one that takes longer has lost the request. */
const PATIENCE = 20_000;
const MOST_BYTES = 1024 * 1024;

/**
 * HTTPS with a password at each request (DSP0266, 13.3.2): a session would have to be closed again, and controllers have
 * room for few. Redirects are not followed, since the password would go with them. undici is loaded here, not with this
 * file: most hosts have no controllers.
 */
export async function openRedfishClient(
  { url, user, passwordFile, ca, insecure }: Redfish,
  patience = PATIENCE,
): Promise<RedfishClient> {
  const { Agent, request } = await import('undici');
  const password = await readPassword(passwordFile);
  const authority = ca === undefined ? undefined : await readAuthority(ca);
  const agent = new Agent({
    allowH2: false,
    maxResponseSize: MOST_BYTES,
    connect: {
      timeout: patience,
      rejectUnauthorized: insecure !== true,
      ...(authority === undefined ? {} : { ca: authority }),
    },
  });
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

  async function send(method: 'GET' | 'PATCH' | 'POST', path: string, body?: object, etag?: string) {
    const target = new URL(path, url);
    // Paths come from the controller: the password is for it alone.
    if (target.origin !== new URL(url).origin)
      throw new TinderboxError('refused', `${url} points to another host: ${printable(path, 100)}`);
    try {
      const response = await request(target, {
        method,
        dispatcher: agent,
        signal: AbortSignal.timeout(patience),
        headers: {
          authorization,
          accept: 'application/json',
          'odata-version': '4.0',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(etag === undefined ? {} : { 'if-match': etag }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.body.text();
      const status = response.statusCode;
      if (status < 200 || status > 299)
        throw refusal(status, text, `${method} ${printable(target.pathname, 100)}`);
      const header = response.headers['etag'];
      return { resource: parse(text), etag: typeof header === 'string' ? header : undefined };
    } catch (thrown) {
      throw explain(thrown);
    }
  }

  /** A controller may quote what it was asked; what it says stands in logs and timelines. */
  function withoutPassword(said: string): string {
    return said.replaceAll(authorization.slice('Basic '.length), '…').replaceAll(password, '…');
  }

  function refusal(status: number, text: string, asked: string): TinderboxError {
    if (status === 401 || status === 403) {
      return new TinderboxError('refused', `${url} does not accept ${user} (${status})`, {
        remedy: `See whether ${passwordFile} holds its password, and whether it may control power.`,
      });
    }
    const said = withoutPassword(messageOf(parse(text)));
    const words = said === '' ? '' : `: ${printable(said, 200)}`;
    return new TinderboxError(
      status >= 500 && status !== 501 ? 'unavailable' : 'refused',
      `${url} answers ${status} to ${asked}${words}`,
    );
  }

  function explain(thrown: unknown): TinderboxError {
    if (thrown instanceof TinderboxError) return thrown;
    const error = thrown as Error & { readonly code?: unknown };
    // A time-out is a DOMException, whose code is a number.
    const code = [error, error.cause as typeof error | undefined]
      .map((one) => one?.code)
      .find((one) => typeof one === 'string');
    const options = { cause: new Error(printable(error.message, 200)) };
    if (code !== undefined && isFromUnknownAuthority(code)) {
      return new TinderboxError(
        'refused',
        `the certificate of ${url} is from nobody that is known (${code})`,
        {
          ...options,
          remedy:
            'Name its authority with `ca:` under power; `insecure: true` gives the password to whoever is between.',
        },
      );
    }
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code?.startsWith('CERT_') === true) {
      return new TinderboxError('refused', `the certificate of ${url} is not valid: ${code}`, {
        ...options,
        remedy: 'Renew it, see whether the clocks are right, and whether the URL has the name that is in it.',
      });
    }
    const isLate = error.name === 'TimeoutError' || code === 'UND_ERR_CONNECT_TIMEOUT';
    const why = isLate ? `within ${patience / 1000} s` : `(${printable(code ?? error.message, 100)})`;
    return new TinderboxError('unavailable', `the management controller ${url} does not answer ${why}`, {
      ...options,
      remedy: 'See whether this host can reach it, and whether Redfish is switched on there.',
    });
  }

  return {
    get: (path) => send('GET', path),
    patch: async (path, body, etag) => void (await send('PATCH', path, body, etag)),
    post: async (path, body) => void (await send('POST', path, body)),
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

async function readAuthority(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new TinderboxError('not-found', `the authority ${file} cannot be read`, {
      cause,
      remedy: 'Put it there as PEM, where the user that Tinderbox runs as may read it.',
    });
  });
}

/** An empty answer, or one that is no JSON object, is an empty resource. */
function parse(text: string): Resource {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Resource) : {};
  } catch {
    return {};
  }
}

/** The first message of an error response (DSP0266, 8.6). */
function messageOf(resource: Resource): string {
  const error = resource['error'] as Resource | undefined;
  const infos = error?.['@Message.ExtendedInfo'];
  const first = Array.isArray(infos) ? (infos[0] as Resource | undefined) : undefined;
  const message = first?.['Message'] ?? error?.['message'];
  return typeof message === 'string' ? message : '';
}
