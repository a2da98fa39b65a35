import { type Mac, parseMac } from '../machine/mac.ts';

/** A key at the start of a line; MACs hold colons, but none before a space. */
const KEY = /^ +(["']?)([^"'#\s]+)\1 *:(?: |$)/;

/**
 * The lines of each entry of machines.yaml, found without parsing it: `machines:` on a line of its own, and below it
 * entries that are all as far to the right. Undefined: it is written in another way.
 */
export function splitEntries(text: string): ReadonlyMap<Mac, string> | undefined {
  if (/[\t\r]/.test(text)) return undefined;
  const lines = text.split('\n');
  const start = lines.findIndex((line) => /^["']?machines["']? *:/.test(line));
  if (start === -1 || !/^machines: *(?:#.*)?$/.test(lines[start] ?? '')) return undefined;
  const entries = new Map<Mac, string>();
  let indent: number | undefined;
  let current: { readonly mac: Mac; readonly lines: string[] } | undefined;
  const close = (): void => {
    // The first of a MAC that is written twice is the one that is edited.
    if (current !== undefined && !entries.has(current.mac))
      entries.set(current.mac, current.lines.join('\n'));
  };
  for (const line of lines.slice(start + 1)) {
    const depth = line.search(/[^ ]/);
    const isContent = depth !== -1 && line[depth] !== '#';
    if (isContent && depth === 0) break;
    if (isContent) indent ??= depth;
    if (isContent && depth === indent) {
      const mac = parseMac(KEY.exec(line)?.[2] ?? '');
      if (mac === undefined) return undefined;
      close();
      current = { mac, lines: [line] };
    } else if (isContent && depth < (indent ?? 0)) return undefined;
    else current?.lines.push(line);
  }
  close();
  return entries;
}
