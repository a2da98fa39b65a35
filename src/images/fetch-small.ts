import { TinderboxError } from '../errors.ts';
import { explainStatus, explainTransport } from './explain-transport.ts';
import type { HttpSource } from './http-get.ts';
import { type Attempt, type RetryOptions, tryAgain } from './try-again.ts';

/** Lists of checksums and releases: Debian's largest has some 100 KiB, Flatcar's release feed a few MiB. */
export const MOST_SMALL = 4 * 1024 * 1024;

/** A small file, whole. Throws TinderboxError `not-found`, `unavailable`, or `refused` where it is larger than `most` bytes. */
export async function fetchSmall(
  http: HttpSource,
  url: string,
  { most = MOST_SMALL, ...retry }: RetryOptions & { readonly most?: number } = {},
): Promise<Buffer> {
  return tryAgain(async (): Promise<Attempt<Buffer>> => {
    try {
      const { status, headers, body } = await http.get(url, { signal: retry.signal });
      if (status !== 200) {
        body.on('error', () => undefined).destroy();
        return { kind: 'failed', failure: explainStatus(status, url, headers) };
      }
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > most) {
          throw new TinderboxError('refused', `${url} is larger than the ${most} bytes that it may have`, {
            remedy: 'That is no list or signature. Try another mirror: --mirror URL.',
          });
        }
        chunks.push(chunk);
      }
      return { kind: 'done', value: Buffer.concat(chunks) };
    } catch (thrown) {
      retry.signal?.throwIfAborted();
      return { kind: 'failed', failure: explainTransport(thrown, url) };
    }
  }, retry);
}
