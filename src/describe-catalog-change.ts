import { isDeepStrictEqual } from 'node:util';
import type { Catalog } from './machine/role.ts';

/** Names of each kind. */
const MOST_NAMED = 5;

/** What an edit of profiles/ changed, in one line: `generation 4: 52:54:00:12:34:56 worker → etcd; role etcd`. */
export function describeCatalogChange(before: Catalog, after: Catalog): string {
  const machines = changedKeys(before.machines, after.machines).map((mac) => {
    const role = (catalog: Catalog): string => {
      const entry = catalog.machines.get(mac);
      if (entry === undefined) return 'no entry';
      return `${entry.role ?? 'no role'}${entry.once === undefined ? '' : `, once ${entry.once}`}`;
    };
    const [old, now] = [role(before), role(after)];
    return old === now ? `${mac} (${now})` : `${mac} ${old} → ${now}`;
  });
  const roles = changedKeys(before.roles, after.roles).map((name) => `role ${name}`);
  const rules = isDeepStrictEqual(before.rules.map(withoutPlace), after.rules.map(withoutPlace))
    ? []
    : ['rules'];
  const fallback = before.defaultRole === after.defaultRole ? [] : ['default'];
  const said = [...shorten(machines), ...rules, ...fallback, ...shorten(roles)];
  return `generation ${after.generation}: ${said.length === 0 ? 'other files' : said.join('; ')}`;
}

/** A line that was put in moves all below. */
function withoutPlace(value: object): object {
  return { ...value, line: 0, parameterLines: {} };
}

function changedKeys<Key, Value extends object>(
  before: ReadonlyMap<Key, Value>,
  after: ReadonlyMap<Key, Value>,
): Key[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((key) => {
    const [old, now] = [before.get(key), after.get(key)];
    if (old === undefined || now === undefined) return true;
    return !isDeepStrictEqual(withoutPlace(old), withoutPlace(now));
  });
}

function shorten(names: readonly string[]): readonly string[] {
  if (names.length <= MOST_NAMED) return names;
  return [...names.slice(0, MOST_NAMED), `and ${names.length - MOST_NAMED} more`];
}
