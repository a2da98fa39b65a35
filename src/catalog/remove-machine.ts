import { isDeepStrictEqual } from 'node:util';
import { isMap, type YAMLMap } from 'yaml';
import { type Mac, parseMac } from '../machine/mac.ts';
import {
  applySplices,
  cannotEdit,
  columnOf,
  findPair,
  keyText,
  lastCharacter,
  type Plain,
  readPlain,
  readRoot,
  type Splice,
  type YamlPair,
} from './machines-text.ts';

/**
 * Takes one machine out of the text of machines.yaml, with the comments on its own lines; everything else stays as it
 * is, as when one is assigned. Throws TinderboxError `refused` for what cannot be edited so: broken YAML, an entry
 * whose anchor others use.
 */
export function removeMachine(text: string, mac: Mac): { readonly text: string; readonly changed: boolean } {
  const old = readPlain(text);
  const root = readRoot(text);
  const machines = root === null ? undefined : findPair(root, (key) => key === 'machines')?.value;
  const entry = isMap(machines) ? findPair(machines, (key) => parseMac(key) === mac) : undefined;
  if (!isMap(machines) || entry === undefined) return { text, changed: false };
  const splice = cutPair(text, machines, entry);
  const edited = applySplices(text, [splice]);
  verify(old, edited, mac);
  return { text: edited, changed: true };
}

/** Takes one of its pairs out of a map, with the comments on its own lines. */
export function cutPair(text: string, map: YAMLMap.Parsed, pair: YamlPair): Splice {
  return map.flow === true ? cutFromBraces(text, map, pair) : cutLines(text, pair);
}

/** From the line of its key to the one where its value ends. */
function cutLines(text: string, entry: YamlPair): Splice {
  const start = entry.key.range[0] - columnOf(text, entry.key.range[0]);
  if (text.slice(start, entry.key.range[0]).trim() !== '')
    throw cannotEdit(`the entry ${keyText(entry)} does not begin its line`);
  const last = lastCharacter(text, endOf(entry));
  const lineEnd = text.indexOf('\n', last);
  return { start, end: lineEnd === -1 ? text.length : lineEnd + 1, text: '' };
}

function cutFromBraces(text: string, map: YAMLMap.Parsed, entry: YamlPair): Splice {
  const { items } = map as { readonly items: readonly YamlPair[] };
  const start = entry.key.range[0];
  const end = endOf(entry);
  if (items.length === 1) return { start: map.range[0], end: map.range[1], text: '{}' };
  const comma = /^\s*,[ \t]*/.exec(text.slice(end));
  if (comma !== null) return { start, end: end + comma[0].length, text: '' };
  const before = items[items.indexOf(entry) - 1];
  const gap = before === undefined ? undefined : text.slice(endOf(before), start);
  // With a comment in between, the comma before it stays: YAML does not mind.
  if (before !== undefined && /^\s*,\s*$/.test(gap ?? '')) return { start: endOf(before), end, text: '' };
  return { start, end, text: '' };
}

function endOf({ key, value }: YamlPair): number {
  return Math.max(key.range[1], value?.range[1] ?? 0);
}

/** Reads the result back: nothing but this machine may be gone. */
function verify(old: Plain, edited: string, mac: Mac): void {
  const rest = Object.entries(old.machines ?? {}).filter(([key]) => parseMac(key) !== mac);
  const now = readPlain(edited);
  const same = isDeepStrictEqual(
    { ...now, machines: { ...now.machines } },
    { ...old, machines: Object.fromEntries(rest) },
  );
  if (!same) throw cannotEdit(`its layout around ${mac} is unusual`);
}
