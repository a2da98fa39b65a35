export type NormalName = { readonly name: string } | { readonly refused: string };

/**
 * The name that a client asked for, as a path relative to the root: no leading slash, no `.`, `..`, empty parts or
 * NUL (TFTP 4). A leading slash means the root, since firmware writes `/undionly.kpxe` for what DHCP calls
 * `undionly.kpxe`; `\` means `/` (EDK2's shell and Windows tools).
 */
export function normalizeFileName(asked: string): NormalName {
  if (asked.includes('\0')) return { refused: 'the name holds a NUL' };
  const parts = withoutJunk(asked)
    .replaceAll('\\', '/')
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return { refused: 'the name leaves the root (..)' };
  const name = parts.join('/');
  return name === '' ? { refused: 'the name is empty' } : { name };
}

/**
 * Some ROMs take DHCP's option 67 without looking at its length and ask for `undionly.kpxe\xff`: the end option,
 * and whatever lay behind it (netboot.xyz 1198). 0xff is never UTF-8, so it decodes to U+FFFD; it and all after it go,
 * as do control characters and spaces at the end.
 */
function withoutJunk(asked: string): string {
  const junk = asked.indexOf('\ufffd');
  const clean = junk === -1 ? asked : asked.slice(0, junk);
  let end = clean.length;
  while (end > 0 && (clean.charCodeAt(end - 1) <= 0x20 || clean.charCodeAt(end - 1) === 0x7f)) end--;
  return clean.slice(0, end);
}
