import type { Problem } from '../errors.ts';
import type { Located, LocatedEntry, Place } from './located.ts';
import type { ParsedYaml } from './parse-yaml.ts';

/** Deeper nesting is refused, as in YAML. */
const MAX_DEPTH = 64;

/** Thrown and caught in this file only. */
interface Broken {
  readonly offset: number;
  readonly message: string;
}

/**
 * Strict JSON (RFC 8259) with the place of everything in it; a key that stands twice is an error. The engine's own
 * parser says neither where something stands nor, without quoting it, what is wrong: the text may hold secrets. Never
 * throws, never quotes a value.
 */
export function parseJson(file: string, text: string): ParsedYaml {
  const lines = lineStarts(text);
  const placeAt = (offset: number): Place => {
    let low = 0;
    let high = lines.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((lines[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (lines[low] ?? 0) + 1 };
  };
  let at = 0;
  let size = 0;
  const fail = (message: string, offset = at): never => {
    const broken: Broken = { offset, message };
    throw broken;
  };
  const skip = (): void => {
    while (at < text.length && ' \t\n\r'.includes(text[at] ?? '')) at++;
  };
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const scalar = (start: number, value: string | number | boolean | null, source = ''): Located => {
    const place = placeAt(start);
    return { kind: 'scalar', place, value, source, textLine: place.line };
  };
  const readText = (): string => {
    const start = at;
    const quoted =
      take(STRING) ?? fail('a text without its closing quotation mark, or with a line break in it', start);
    try {
      return JSON.parse(quoted) as string;
    } catch {
      return fail('a text with an escape or a control character that JSON does not have', start);
    }
  };

  const readValue = (depth: number): Located => {
    size++;
    if (depth > MAX_DEPTH) fail(`nested more than ${MAX_DEPTH} levels deep`);
    skip();
    const start = at;
    const first = text[at];
    if (first === '{') return readMap(depth);
    if (first === '[') return readList(depth);
    if (first === '"') return scalar(start, readText());
    const number = take(NUMBER);
    if (number !== undefined) return scalar(start, Number(number), number);
    const word = take(/(true|false|null)(?![A-Za-z0-9_])/y);
    if (word !== undefined) return scalar(start, WORDS[word] ?? null);
    return fail(first === undefined ? 'the text ends where a value is wanted' : 'a value is wanted here');
  };
  const readMap = (depth: number): Located => {
    const place = placeAt(at++);
    const entries = new Map<string, LocatedEntry>();
    skip();
    if (text[at] === '}') at++;
    else {
      do {
        skip();
        const start = at;
        if (text[at] !== '"') fail('a key in double quotation marks is wanted here');
        const key = readText();
        const keyPlace = placeAt(start);
        const earlier = entries.get(key);
        if (earlier !== undefined)
          fail(`this key is there twice; first on line ${earlier.keyPlace.line}`, start);
        if (key === '__proto__') fail('the key "__proto__" is not allowed', start);
        skip();
        if (text[at++] !== ':') fail('a colon is wanted here', at - 1);
        entries.set(key, { keyPlace, value: readValue(depth + 1) });
        skip();
      } while (text[at] === ',' && ++at);
      if (text[at++] !== '}') fail('a comma or a closing brace is wanted here', at - 1);
    }
    return { kind: 'map', place, entries };
  };
  const readList = (depth: number): Located => {
    const place = placeAt(at++);
    const items: Located[] = [];
    skip();
    if (text[at] === ']') at++;
    else {
      do {
        items.push(readValue(depth + 1));
        skip();
      } while (text[at] === ',' && ++at);
      if (text[at++] !== ']') fail('a comma or a closing bracket is wanted here', at - 1);
    }
    return { kind: 'list', place, items };
  };

  try {
    const root = readValue(0);
    skip();
    if (at < text.length) fail('text after the end of the document');
    return { root, problems: [], size };
  } catch (thrown) {
    const { offset, message } = thrown as Broken;
    if (offset === undefined) throw thrown;
    const problem: Problem = {
      severity: 'error',
      message: `not JSON: ${message}`,
      file,
      ...placeAt(Math.min(offset, text.length)),
    };
    return { problems: [problem], size };
  }
}

const STRING = /"(?:[^"\\\n]|\\[^\n])*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const WORDS: Readonly<Record<string, boolean | null>> = { true: true, false: false, null: null };

function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
