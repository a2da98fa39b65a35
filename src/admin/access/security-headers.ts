/** Scripts, styles and pictures of this server's own files alone, and nothing inline. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // Not `no-referrer`: with that a browser says `Origin: null` of our own forms (Fetch, "append a request Origin header").
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  // What may be kept says so itself.
  'cache-control': 'no-store',
};

/**
 * A day only: a browser applies it to every port of the name, and what else this host serves in the clear should not
 * be lost for a year.
 */
const STRICT_TRANSPORT = { 'strict-transport-security': 'max-age=86400' } as const;

/** For every answer. */
export function securityHeaders(encrypted: boolean): Readonly<Record<string, string>> {
  return encrypted ? { ...HEADERS, ...STRICT_TRANSPORT } : HEADERS;
}
