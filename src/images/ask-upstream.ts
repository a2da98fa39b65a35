import { explainStatus, explainTransport } from './explain-transport.ts';
import type { HttpSource } from './http-get.ts';

export interface Upstream {
  readonly http: HttpSource;
  /** Without a trailing slash. */
  readonly from: string;
}

export interface UpstreamQuestion {
  /** `/assets/…`, escaped. */
  readonly path: string;
  /** The header. */
  readonly via: string;
  readonly signal: AbortSignal;
  /** What is here of it: then only a newer one is of interest. */
  readonly held?: { readonly etag?: string; readonly lastModified?: string };
}

export type UpstreamAnswer =
  | { readonly kind: 'same' }
  | {
      readonly kind: 'described';
      readonly size: number;
      readonly etag?: string;
      readonly lastModified?: string;
    }
  | { readonly kind: 'missing' }
  /** 504: it cannot be reached or is in trouble; 502: it answers what is of no use. */
  | { readonly kind: 'failed'; readonly status: 502 | 504; readonly reason: string };

/** What another server has of a file, without its bytes. Does not reject. */
export async function askUpstream(
  { http, from }: Upstream,
  { path, via, signal, held }: UpstreamQuestion,
): Promise<UpstreamAnswer> {
  const url = `${from}${path}`;
  try {
    const conditions = {
      ...(held?.etag === undefined ? {} : { 'if-none-match': held.etag }),
      ...(held?.lastModified === undefined ? {} : { 'if-modified-since': held.lastModified }),
    };
    const { status, headers, body } = await http.get(url, {
      method: 'HEAD',
      headers: { via, ...conditions },
      signal,
    });
    body.on('error', () => undefined).destroy();
    if (status === 304) return { kind: 'same' };
    if (status === 404 || status === 410) return { kind: 'missing' };
    if (status !== 200) {
      const { again, error } = explainStatus(status, url, headers);
      return { kind: 'failed', status: again ? 504 : 502, reason: error.message };
    }
    const length = headers['content-length'];
    if (length === undefined || !/^\d{1,15}$/.test(length)) {
      return { kind: 'failed', status: 502, reason: `${url} does not say how long it is` };
    }
    const { etag, 'last-modified': lastModified } = headers;
    return {
      kind: 'described',
      size: Number(length),
      ...(etag === undefined ? {} : { etag }),
      ...(lastModified === undefined ? {} : { lastModified }),
    };
  } catch (thrown) {
    const { error } = explainTransport(thrown, url);
    return { kind: 'failed', status: error.code === 'refused' ? 502 : 504, reason: error.message };
  }
}
