import { isIP } from 'node:net';

/**
 * Whether a Host header names this server. A web page can make its own name mean our address (DNS rebinding), and
 * would then be of the same origin to the browser: so no name passes that somebody else may own. An address is no name.
 * `bySocket`: came through the unix socket, where a name of one label, which nobody can own, does no harm.
 */
export function isKnownHost(
  header: string | undefined,
  options: { readonly names: readonly string[]; readonly bySocket: boolean },
): boolean {
  // HTTP/1.0 has none, and no browser speaks that.
  if (header === undefined) return options.bySocket;
  const host = header.toLowerCase().replace(/:\d{1,5}$/, '');
  const bare = host.replace(/\.$/, '');
  if (isIP(host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host) !== 0) return true;
  if (bare === 'localhost' || bare.endsWith('.localhost')) return true;
  if (options.bySocket && /^[a-z0-9_-]*$/.test(bare)) return true;
  return options.names.some((name) => name.toLowerCase() === bare);
}
