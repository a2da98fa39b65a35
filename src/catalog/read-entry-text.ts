import { readFile } from 'node:fs/promises';
import { isMap, isScalar, type YAMLMap } from 'yaml';
import { type Mac, parseMac } from '../machine/mac.ts';
import { findPair, readRoot, type YamlPair } from './machines-text.ts';

/** A machine's entry as it is written, with its key; undefined: there is none. Throws as readRoot does. */
export async function readEntryText(file: string, mac: Mac): Promise<string | undefined> {
  return entryTextOf(await readFile(file, 'utf8'), mac);
}

export function entryTextOf(text: string, mac: Mac): string | undefined {
  const machines = machinesOf(text);
  const pair = machines === undefined ? undefined : findPair(machines, (key) => parseMac(key) === mac);
  return pair === undefined ? undefined : textOf(text, pair);
}

/** Of every entry by its MAC; of a MAC that is written twice, the first. Throws as readRoot does. */
export function entryTextsOf(text: string): ReadonlyMap<Mac, string> {
  const texts = new Map<Mac, string>();
  for (const pair of (machinesOf(text)?.items ?? []) as YamlPair[]) {
    const mac = isScalar(pair.key) ? parseMac(pair.key.value as string) : undefined;
    const entry = textOf(text, pair);
    if (mac !== undefined && entry !== undefined && !texts.has(mac)) texts.set(mac, entry);
  }
  return texts;
}

function machinesOf(text: string): YAMLMap | undefined {
  const root = readRoot(text);
  const machines = root === null ? undefined : findPair(root, (key) => key === 'machines')?.value;
  return isMap(machines) ? machines : undefined;
}

function textOf(text: string, { key, value }: YamlPair): string | undefined {
  if (!isScalar(key)) return undefined;
  return text.slice(key.range[0], value?.range[1] ?? key.range[1]).trimEnd();
}
