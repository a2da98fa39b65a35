import { readFile } from 'node:fs/promises';
import { isMap, isScalar } from 'yaml';
import { type Mac, parseMac } from '../machine/mac.ts';
import { findPair, readRoot } from './machines-text.ts';

/** A machine's entry as it is written, with its key; undefined: there is none. Throws as readRoot does. */
export async function readEntryText(file: string, mac: Mac): Promise<string | undefined> {
  return entryTextOf(await readFile(file, 'utf8'), mac);
}

export function entryTextOf(text: string, mac: Mac): string | undefined {
  const root = readRoot(text);
  const machines = root === null ? undefined : findPair(root, (key) => key === 'machines')?.value;
  if (!isMap(machines)) return undefined;
  const pair = findPair(machines, (key) => parseMac(key) === mac);
  if (pair === undefined || !isScalar(pair.key)) return undefined;
  const start = pair.key.range[0];
  return text.slice(start, pair.value?.range[1] ?? pair.key.range[1]).trimEnd();
}
