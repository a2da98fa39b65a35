import { type IncomingMessage, request } from 'node:http';
import { TinderboxError } from '../errors.ts';
import type { FetchHttp, HttpAnswer } from './virtual-client-types.ts';

/** More than Tinderbox ever sends: none. */
const MOST_REDIRECTS = 5;

/**
 * HTTP from an address of one's own, a connection a request: what Node's `fetch` has no words for, at a third of its
 * price. `idle`: milliseconds of silence that end it.
 */
export function createStormFetch(localAddress: () => string | undefined, idle: number): FetchHttp {
  const send = (url: string, init: Parameters<FetchHttp>[1]): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const { method, headers, signal, body } = init;
      const from = localAddress();
      const asked = request(
        url,
        {
          method,
          headers: body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) },
          signal,
          agent: false,
          timeout: idle,
          ...(from === undefined ? {} : { localAddress: from }),
        },
        resolve,
      );
      asked.once('timeout', () => asked.destroy(new Error(`nothing came for ${Math.round(idle / 1000)} s`)));
      asked.on('error', reject);
      asked.end(body);
    });

  return async (url, init) => {
    let place = url;
    for (let redirects = 0; ; redirects++) {
      const response = await send(place, init);
      const { statusCode: status = 0, headers } = response;
      if (status < 300 || status > 399 || headers.location === undefined) return answerOf(response, status);
      response.resume();
      if (init.redirect === 'error' || redirects >= MOST_REDIRECTS) {
        throw new TinderboxError('unavailable', `it was sent on to ${headers.location}`);
      }
      place = new URL(headers.location, place).href;
    }
  };
}

function answerOf(response: IncomingMessage, status: number): HttpAnswer {
  const body = Object.assign(response as AsyncIterable<Uint8Array>, {
    cancel: async () => void response.destroy(),
  });
  return {
    ok: status >= 200 && status < 300,
    status,
    headers: { get: (name) => [response.headers[name]].flat().join(', ') || null },
    body,
    async text() {
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      return Buffer.concat(chunks).toString('utf8');
    },
  };
}
