import type { Config } from './config/port.ts';
import type { Problem } from './errors.ts';
import { formatIpv4 } from './machine/ipv4.ts';
import type { NetworkInterface } from './net/port.ts';

/**
 * Servers of assets that are this one. Fetching what is missing from itself would only say that it is missing, and a mirror
 * that is the server adds an attempt that fails as the next one does.
 */
export function checkAssetServers(
  { assets, http, file }: Pick<Config, 'assets' | 'http' | 'file'>,
  host: readonly NetworkInterface[],
): readonly Problem[] {
  const own = new Set(host.flatMap(({ addresses }) => addresses.map(({ address }) => formatIpv4(address))));
  const isHere = (text: string): boolean => {
    const { hostname, port, protocol } = new URL(text);
    const isOwn = own.has(hostname) || hostname === 'localhost';
    return isOwn && Number(port || (protocol === 'https:' ? 443 : 80)) === http.port;
  };
  const problems: Problem[] = [];
  const { pullThrough, mirrors } = assets;
  if (pullThrough !== undefined && isHere(pullThrough.from)) {
    problems.push({
      severity: 'error',
      file,
      line: pullThrough.line,
      message: `assets.pullThrough.from: ${pullThrough.from} is this Tinderbox itself`,
      remedy: 'Name the server that has the files.',
    });
  }
  for (const { url, line } of mirrors) {
    if (!isHere(url)) continue;
    problems.push({
      severity: 'warning',
      file,
      line,
      message: `assets.mirrors: ${url} is this Tinderbox itself, which scripts fall back to anyway`,
      remedy: 'Leave it out.',
    });
  }
  return problems;
}
