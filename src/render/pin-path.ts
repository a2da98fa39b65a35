import type { BootContext } from './context.ts';

/**
 * A path, a URL of this server or a mirror, or a kernel argument that holds some, with links of current versions replaced by what they
 * stand for now: kernel and initrd are fetched seconds apart, and must not come from two versions.
 */
export function pinPath(
  text: string,
  { pinned, server, mirrors = [] }: Pick<BootContext, 'pinned' | 'server' | 'mirrors'>,
): string {
  if (pinned === undefined || pinned.size === 0) return text;
  if (text.startsWith('/')) return pinOne(text, pinned);
  return [server.url, ...mirrors].reduce(
    (pinnedSoFar, url) =>
      pinnedSoFar
        .split(url)
        .map((part, index) => (index === 0 ? part : pinOne(part, pinned)))
        .join(url),
    text,
  );
}

/** The third part of a path decides: below it may be a folder of a version. */
function pinOne(path: string, pinned: ReadonlyMap<string, string>): string {
  const [link] = /^\/assets\/[^/]+\/[A-Za-z0-9._+~-]+/.exec(path) ?? [];
  const target = link === undefined ? undefined : pinned.get(link);
  return target === undefined || link === undefined ? path : target + path.slice(link.length);
}
