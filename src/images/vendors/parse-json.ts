import { quote, refuseText } from './refuse-text.ts';

/** Of a vendor's JSON. Throws TinderboxError `refused` where it is none. */
export function parseJson(text: string, from: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refuseText(from, `no JSON: ${quote(text)}`);
  }
}

/** What is at a path of names, own ones only: `__proto__` in a mirror's JSON leads nowhere. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let here = value;
  for (const name of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return undefined;
    here = (here as Readonly<Record<string, unknown>>)[name];
  }
  return here;
}
