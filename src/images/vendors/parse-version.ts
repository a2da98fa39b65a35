import { TinderboxError } from '../../errors.ts';
import { linesOf, quote, refuseText } from './refuse-text.ts';

/**
 * What the operator asked for, held to the vendor's pattern before it becomes part of a URL or a folder's name. Throws
 * TinderboxError `not-found`: no such version can be there.
 */
export function requireVersion(version: string, pattern: RegExp, example: string): string {
  if (pattern.test(version)) return version;
  throw new TinderboxError('not-found', `${quote(version)} is no version of this image`, {
    remedy: `Versions look like ${example}. Leave --version out for the newest.`,
  });
}

/** A text that is a version and nothing else, as Kubernetes' stable.txt. Throws TinderboxError `refused`. */
export function parseVersionText(text: string, pattern: RegExp, from: string): string {
  const version = text.trim();
  if (!pattern.test(version)) throw refuseText(from, `no version: ${quote(version)}`);
  return version;
}

/** The value of one `KEY=value` line, as Flatcar's version.txt has them. Throws TinderboxError `refused`. */
export function parseVersionField(text: string, key: string, pattern: RegExp, from: string): string {
  const values = linesOf(text, from)
    .filter((line) => line.startsWith(`${key}=`))
    .map((line) => line.slice(key.length + 1));
  const [value] = values;
  if (value === undefined || values.length > 1 || !pattern.test(value)) {
    throw refuseText(from, `no ${key}: ${quote(value ?? text)}`);
  }
  return value;
}

/** Newest first; of numbers with dots between, whatever stands before them. */
export function compareVersions(left: string, right: string): number {
  const [one, other] = [numbersOf(left), numbersOf(right)];
  for (let index = 0; index < Math.max(one.length, other.length); index += 1) {
    const difference = (other[index] ?? 0) - (one[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbersOf(version: string): readonly number[] {
  return (version.match(/\d+/g) ?? []).map(Number);
}
