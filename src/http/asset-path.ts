export type AssetPath =
  | { readonly kind: 'path'; readonly segments: readonly string[] }
  | { readonly kind: 'bad'; readonly reason: string };

/**
 * The file that a request target under `/assets/` names, one decoded segment at a time: whatever could mean another
 * place (`..`, an encoded slash, a backslash, NUL) is refused, not repaired. Names that start with a dot are never
 * served: they are what editors, version control and half-finished downloads leave behind.
 */
export function parseAssetPath(target: string): AssetPath {
  const whole = target.replace(/^https?:\/\/[^/]*/i, '').split(/[?#]/, 1)[0] ?? '';
  // A shim that UEFI HTTP boot got there asks for `/assets/ipxe//grubx64.efi` (16.1, seen).
  const path = whole.replace(/^\/assets\/ipxe\/\//, '/assets/ipxe/');
  if (!path.startsWith('/assets/')) return bad('it is not under /assets/');
  const segments: string[] = [];
  for (const raw of path.slice('/assets/'.length).split('/')) {
    const segment = decodeSegment(raw);
    if (segment === undefined) return bad('its percent encoding is broken');
    if (segment === '') return bad('it has an empty part (a directory is not listed)');
    if (segment.startsWith('.')) return bad('a part of it starts with a dot');
    // oxlint-disable-next-line no-control-regex
    if (/[/\\\u0000-\u001f\u007f]/.test(segment))
      return bad('a part of it holds a slash, backslash or control character');
    segments.push(segment);
  }
  return { kind: 'path', segments };
}

function decodeSegment(raw: string): string | undefined {
  try {
    return decodeURIComponent(raw);
  } catch {
    return undefined;
  }
}

function bad(reason: string): AssetPath {
  return { kind: 'bad', reason };
}
