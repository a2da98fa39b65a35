import { isFileName } from './parse-checksums.ts';
import { linesOf, quote, refuseText } from './refuse-text.ts';

export interface ReleaseEntry {
  /** Lower-case SHA-256. */
  readonly hex: string;
  readonly size: number;
}

/** Of a Debian archive's Release file what an image needs. */
export interface Release {
  readonly suite: string;
  readonly codename: string;
  /** `13.8`; testing has none. */
  readonly version?: string;
  /** By path below the suite's folder. */
  readonly files: ReadonlyMap<string, ReleaseEntry>;
}

/**
 * The text of a Release or InRelease file, without its signature: fields as in deb822(5), and under `SHA256:` a line for
 * each file. Source: wiki.debian.org/DebianRepository/Format, and the archive's own files. Throws TinderboxError `refused`.
 */
export function parseRelease(text: string, from: string): Release {
  const fields = new Map<string, string>();
  const files = new Map<string, ReleaseEntry>();
  let field = '';
  for (const line of linesOf(text, from)) {
    if (line.startsWith(' ')) {
      if (field === 'SHA256') readEntry(line, files, from);
      continue;
    }
    if (line.trim() === '') continue;
    const [, name, value] = /^([A-Za-z0-9-]+):(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw refuseText(from, `no field: ${quote(line)}`);
    if (fields.has(name)) throw refuseText(from, `two fields ${quote(name)}`);
    field = name;
    fields.set(name, value.trim());
  }
  const [suite, codename] = [fields.get('Suite'), fields.get('Codename')];
  if (suite === undefined || codename === undefined) throw refuseText(from, 'no Suite and Codename in it');
  const version = fields.get('Version');
  if (version !== undefined && !/^\d{1,3}(?:\.\d{1,3}){0,2}$/.test(version)) {
    throw refuseText(from, `a version ${quote(version)}`);
  }
  return { suite, codename, ...(version !== undefined && { version }), files };
}

function readEntry(line: string, files: Map<string, ReleaseEntry>, from: string): void {
  const [, hex, size, path] = /^ ([0-9a-f]{64}) +(\d{1,15}) (\S+)$/.exec(line) ?? [];
  if (hex === undefined || size === undefined || path === undefined || !isFileName(path)) {
    throw refuseText(from, `no file: ${quote(line)}`);
  }
  const before = files.get(path);
  if (before !== undefined && before.hex !== hex) throw refuseText(from, `two checksums for ${quote(path)}`);
  files.set(path, { hex, size: Number(size) });
}
