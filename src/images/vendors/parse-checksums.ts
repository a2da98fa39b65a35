import { linesOf, quote, refuseText } from './refuse-text.ts';

export type ChecksumAlgorithm = 'sha256' | 'sha512';

const DIGITS: Readonly<Record<ChecksumAlgorithm, number>> = { sha256: 64, sha512: 128 };

/** Below the list's own folder: no root, no way out of it, nothing that a shell, a URL or a terminal would act on. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.+~-]*(?:\/[A-Za-z0-9_][A-Za-z0-9_.+~-]*)*$/;

export function isFileName(name: string): boolean {
  return name.length <= 255 && NAME.test(name);
}

/**
 * A list as `sha256sum` and `sha512sum` write it (GNU coreutils: hex, a space, a space or `*` for binary mode, the name;
 * Debian's names begin with `./`), by name, in lower-case hex. Throws TinderboxError `refused`.
 */
export function parseChecksums(
  text: string,
  algorithm: ChecksumAlgorithm,
  from: string,
): ReadonlyMap<string, string> {
  const sums = new Map<string, string>();
  for (const line of linesOf(text, from)) {
    if (line.trim() === '') continue;
    const [, hex, written] = /^([0-9a-fA-F]+) [ *](\S+)$/.exec(line) ?? [];
    if (hex?.length !== DIGITS[algorithm] || written === undefined) {
      throw refuseText(from, `no line of ${algorithm}sum: ${quote(line)}`);
    }
    const name = written.startsWith('./') ? written.slice(2) : written;
    if (!isFileName(name)) throw refuseText(from, `no name of a file below it: ${quote(written)}`);
    const sum = hex.toLowerCase();
    if ((sums.get(name) ?? sum) !== sum) throw refuseText(from, `two checksums for ${quote(name)}`);
    sums.set(name, sum);
  }
  if (sums.size === 0) throw refuseText(from, 'an empty list');
  return sums;
}

/**
 * The checksum beside one file: the hex alone, as Kubernetes' releases have it, or one line of `sha256sum` with the
 * file's name, as those of the CNI plugins. Throws TinderboxError `refused`.
 */
export function parseChecksum(
  text: string,
  algorithm: ChecksumAlgorithm,
  name: string,
  from: string,
): string {
  const line = text.trim();
  if (line.length === DIGITS[algorithm] && /^[0-9a-fA-F]+$/.test(line)) return line.toLowerCase();
  const sums = parseChecksums(text, algorithm, from);
  const sum = sums.get(name);
  if (sum === undefined || sums.size > 1) throw refuseText(from, `not the checksum of ${quote(name)} alone`);
  return sum;
}
