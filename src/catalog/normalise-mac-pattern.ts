import { parseMac } from '../machine/mac.ts';

/**
 * A MAC in any spelling, or a pattern with `*`, as it compares with the one spelling of MACs: lower case, colons.
 * `5254.00*` becomes `52:54:00*`. Undefined for what can match no MAC at all.
 */
export function normaliseMacPattern(text: string): string | undefined {
  if (!text.includes('*')) return parseMac(text);
  const pattern = text.trim().toLowerCase();
  if (!/^[0-9a-f:.*-]+$/.test(pattern)) return undefined;
  const digits = pattern.replace(/[:.-]/g, '');
  if (digits.replaceAll('*', '').length > 12) return undefined;
  if (/^[0-9a-f]*\*$/.test(digits)) return pairs(digits.slice(0, -1)).concat('*');
  if (/^\*[0-9a-f]*$/.test(digits)) return `*${reverse(pairs(reverse(digits.slice(1))))}`;
  // A star in the middle leaves open which pairs the digits belong to: only colons and hyphens say.
  return pattern.includes('.') ? undefined : pattern.replaceAll('-', ':');
}

function pairs(digits: string): string {
  return (digits.match(/..?/g) ?? []).join(':');
}

function reverse(text: string): string {
  return text.split('').toReversed().join('');
}
