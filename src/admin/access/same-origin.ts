import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** Methods that change nothing (RFC 9110 section 9.2.1). */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

/**
 * Whether a browser says that a page of another origin is behind a request. Sec-Fetch-Site where it is sent: pages
 * cannot set it. Else Origin, which browsers send with everything but GET and HEAD. Neither: no browser of today.
 */
export function isFromElsewhere(headers: IncomingHttpHeaders, encrypted: boolean): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin';
  if (headers.origin === undefined) return false;
  return headers.origin !== `${encrypted ? 'https' : 'http'}://${headers.host ?? ''}`;
}

/** Compared in the same time whatever was given. */
export function isSameText(given: unknown, wanted: string): boolean {
  if (typeof given !== 'string' || given.length !== wanted.length) return false;
  const bytes = Buffer.from(given);
  return bytes.length === wanted.length && timingSafeEqual(bytes, Buffer.from(wanted));
}
